"""hubbub's own REST: what no vendor has words for, for rooms and calls of every dialect."""

from hubbub.dialects.own.rest import OwnRest

__all__ = ["OwnRest"]
