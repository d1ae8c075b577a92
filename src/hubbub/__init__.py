"""hubbub: a self-hosted programmable voice conference server."""

__version__ = "0.1.0"
