"""One server for all tests of a module of SWML scenarios."""

from __future__ import annotations

from typing import Any

from tests.support.shared import shared
from tests.support.swml import numbers

from hubbub.testing import Application


def config(application: Application) -> dict[str, Any]:
    """Every number is answered by a script."""
    return {"numbers": numbers(application), "dial": {"allow_sip": ["127.0.0.1"]}}


running, application, hubbub_server, phone, rest = shared(config)
