"""The audit log: who changed what by REST, and who tried to and was refused. Names only, for values may be secrets."""

from __future__ import annotations

from typing import Any

import structlog
from starlette.requests import Request

from hubbub.api.request import Asked
from hubbub.dialects.tables import Operation
from hubbub.errors import Refused
from hubbub.sip.limits import Bucket

log = structlog.get_logger()
DENIED = frozenset({"unauthenticated", "forbidden", "no-credentials", "bad-credentials"})
LINES_A_SECOND, BURST = 20.0, 200.0
"""Refusals beyond that are counted, and told with the next one: whoever is refused decides how often."""
LONGEST_PATH = 300


def audit_change(asked: Asked, operation: Operation, base: str, result: Any) -> None:
    """A change was made."""
    ids = {name: value for name, value in asked.path.items() if name != "account"}
    made = getattr(result[0] if isinstance(result, tuple) and result else result, "id", None)
    log.info("audit", account=asked.account.name, operation=operation.does, face=base, of=ids, id=made, given=sorted(asked.values))


class Refusals:
    """Tells of refusals that matter: of changes, and of credentials."""

    def __init__(self) -> None:
        self._bucket = Bucket()
        self._untold = 0

    def audit(self, refusal: Refused, request: Request, account: str | None, now: float) -> None:
        """A request was refused; `account` is whose credentials it had."""
        if request.method == "GET" and refusal.reason not in DENIED:
            return
        if not self._bucket.take(now, LINES_A_SECOND, BURST):
            self._untold += 1
            return
        more, self._untold = ({"untold": self._untold} if self._untold else {}), 0
        client = request.client.host if request.client else ""
        path = request.url.path[:LONGEST_PATH]
        log.info("audit_refused", account=account, reason=refusal.reason, method=request.method, path=path, client=client, **more)
