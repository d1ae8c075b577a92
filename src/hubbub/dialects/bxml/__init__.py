"""BXML: the vocabulary of Bandwidth: documents of calls and rooms, their webhooks, REST v2."""

from hubbub.dialects.bxml.face import BxmlDialect

__all__ = ["BxmlDialect"]
