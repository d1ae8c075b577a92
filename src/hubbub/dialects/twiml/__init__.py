"""TwiML: the vocabulary of Twilio, as six tables (`spec` section numbers in their docstrings are of its documentation)."""

from hubbub.dialects.twiml.face import TwimlDialect

__all__ = ["TwimlDialect"]
