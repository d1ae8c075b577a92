"""SWML: a first slice of SignalWire's script language: `join_conference` with its result, and the methods around it."""

from hubbub.dialects.swml.face import SwmlDialect

__all__ = ["SwmlDialect"]
