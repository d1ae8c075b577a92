"""cXML: the TwiML tables, and what SignalWire spells or does differently (`spec` section numbers are of its documentation)."""

from hubbub.dialects.cxml.face import CxmlDialect

__all__ = ["CxmlDialect"]
