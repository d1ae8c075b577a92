"""BXML: the vocabulary of Bandwidth, a first slice: conferences, their webhooks and the replies that a room executes."""

from hubbub.dialects.bxml.face import BxmlDialect

__all__ = ["BxmlDialect"]
