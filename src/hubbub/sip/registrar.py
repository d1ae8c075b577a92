"""Where the configured phones are (RFC 3261 10.3): a pure core, time is an argument."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

DEFAULT_EXPIRES = 3600
MIN_EXPIRES = 60  # shorter wishes get 423 (RFC 3261 10.2.8), except 0
MAX_EXPIRES = 7200
MAX_CONTACTS = 10


@dataclass(frozen=True)
class Wish:
    """One Contact of a REGISTER: a URI and the seconds it asks for (None: the Expires header or the default decides)."""

    uri: str
    expires: int | None = None


@dataclass(frozen=True)
class Binding:
    """One place where a phone can be reached."""

    uri: str
    source: tuple[str, int]
    expires: float  # absolute
    call_id: str
    cseq: int
    order: int  # grows: the newest wins


class RegisterError(Exception):
    """The REGISTER is refused as a whole; nothing was changed (RFC 3261 10.3 step 7)."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{code} {reason}")
        self.code = code
        self.reason = reason


@dataclass
class Registrar:
    """Bindings by user name."""

    _bindings: dict[str, list[Binding]] = field(default_factory=dict)
    _order: int = 0

    def register(
        self,
        user: str,
        wishes: Iterable[Wish],
        *,
        remove_all: bool = False,
        expires: int | None = None,
        source: tuple[str, int],
        call_id: str,
        cseq: int,
        now: float,
    ) -> list[tuple[str, int]]:
        """Apply one REGISTER and return what is bound then: (URI, seconds left), newest first.

        No wishes and not `remove_all` is a query. RegisterError: 400 for `*` with anything but Expires 0, 423 for too short a
        time, 500 for a CSeq that does not grow within its Call-ID.
        """
        wishes = list(wishes)
        held = self._alive(user, now)
        if remove_all:
            if wishes or expires != 0:
                raise RegisterError(400, "Contact * needs Expires: 0 and no other Contact")
            self._require_newer(held, call_id, cseq)
            self._bindings.pop(user, None)
            return []
        changed = list(held)
        for wish in wishes:
            changed = self._apply(changed, wish, expires, source, call_id, cseq, now)
        if len(changed) > MAX_CONTACTS:
            changed = sorted(changed, key=lambda binding: binding.order)[-MAX_CONTACTS:]
        self._bindings[user] = changed
        return [(binding.uri, max(1, round(binding.expires - now))) for binding in self._newest_first(changed)]

    def bindings(self, user: str, now: float) -> list[Binding]:
        """Live bindings, newest first."""
        return self._newest_first(self._alive(user, now))

    def find(self, user: str, now: float) -> Binding | None:
        """The newest live binding."""
        return next(iter(self.bindings(user, now)), None)

    def by_uri(self, uri: str, now: float) -> Binding | None:
        """The live binding with this Contact URI, whoever's it is."""
        found = [binding for user in list(self._bindings) for binding in self._alive(user, now) if binding.uri == uri]
        return next(iter(self._newest_first(found)), None)

    def registered(self, now: float) -> int:
        """How many users have a live binding; forgets those that have none."""
        return sum(1 for user in list(self._bindings) if self._alive(user, now))

    def _apply(
        self, held: list[Binding], wish: Wish, expires: int | None, source: tuple[str, int], call_id: str, cseq: int, now: float
    ) -> list[Binding]:
        seconds = wish.expires if wish.expires is not None else expires if expires is not None else DEFAULT_EXPIRES
        if 0 < seconds < MIN_EXPIRES:
            raise RegisterError(423, "Interval Too Brief")
        same = [binding for binding in held if binding.uri == wish.uri]
        self._require_newer(same, call_id, cseq)
        rest = [binding for binding in held if binding.uri != wish.uri]
        if seconds <= 0:
            return rest
        self._order += 1
        return [*rest, Binding(wish.uri, source, now + min(seconds, MAX_EXPIRES), call_id, cseq, self._order)]

    @staticmethod
    def _require_newer(bindings: list[Binding], call_id: str, cseq: int) -> None:
        if any(binding.call_id == call_id and cseq <= binding.cseq for binding in bindings):
            raise RegisterError(500, "CSeq Out Of Order")

    def _alive(self, user: str, now: float) -> list[Binding]:
        alive = [binding for binding in self._bindings.get(user, ()) if binding.expires > now]
        if alive:
            self._bindings[user] = alive
        else:
            self._bindings.pop(user, None)
        return alive

    @staticmethod
    def _newest_first(bindings: list[Binding]) -> list[Binding]:
        return sorted(bindings, key=lambda binding: -binding.order)
