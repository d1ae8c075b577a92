"""The registrar: RFC 3261 10.3."""

from __future__ import annotations

import pytest

from hubbub.sip.registrar import MAX_CONTACTS, MAX_EXPIRES, RegisterError, Registrar, Wish

NOW = 1000.0
HOME, AWAY = ("192.0.2.1", 5060), ("198.51.100.2", 33000)


class Phone:
    """Sends REGISTERs with a growing CSeq."""

    def __init__(self, registrar: Registrar, call_id: str = "one") -> None:
        self.registrar, self.call_id, self.cseq = registrar, call_id, 0

    def register(
        self, *wishes: Wish, now: float = NOW, expires: int | None = None, everything: bool = False, source: tuple[str, int] = HOME
    ) -> list[tuple[str, int]]:
        self.cseq += 1
        return self.registrar.register(
            "alice", wishes, remove_all=everything, expires=expires, source=source, call_id=self.call_id, cseq=self.cseq, now=now
        )


def test_add_refresh_and_expire() -> None:
    registrar = Registrar()
    phone = Phone(registrar)
    assert phone.register(Wish("sip:a@h", 120)) == [("sip:a@h", 120)]
    found = registrar.find("alice", NOW + 119)
    assert found is not None
    assert (found.uri, found.source) == ("sip:a@h", HOME)
    assert registrar.find("alice", NOW + 120) is None
    phone.register(Wish("sip:a@h", 120))
    phone.register(Wish("sip:a@h", 300), now=NOW + 60)
    assert registrar.find("alice", NOW + 359) is not None
    assert registrar.registered(NOW + 359) == 1
    assert registrar.registered(NOW + 360) == 0


def test_time_of_contact_of_header_and_default() -> None:
    phone = Phone(Registrar())
    assert phone.register(Wish("sip:a@h"), Wish("sip:b@h", 90), expires=600) == [("sip:b@h", 90), ("sip:a@h", 600)]
    assert phone.register(Wish("sip:c@h"))[0] == ("sip:c@h", 3600)
    assert phone.register(Wish("sip:d@h", 10**8))[0] == ("sip:d@h", MAX_EXPIRES)


def test_query_changes_nothing() -> None:
    phone = Phone(Registrar())
    phone.register(Wish("sip:a@h", 100))
    assert phone.register(now=NOW + 40) == [("sip:a@h", 60)]


def test_remove_one_and_all() -> None:
    registrar = Registrar()
    phone = Phone(registrar)
    phone.register(Wish("sip:a@h", 100), Wish("sip:b@h", 100))
    assert phone.register(Wish("sip:a@h", 0)) == [("sip:b@h", 100)]
    assert phone.register(everything=True, expires=0) == []
    assert registrar.find("alice", NOW) is None


@pytest.mark.parametrize(("wishes", "expires"), [((), 60), ((), None), ((Wish("sip:a@h"),), 0)])
def test_star_needs_expires_zero_and_nothing_beside_it(wishes: tuple[Wish, ...], expires: int | None) -> None:
    phone = Phone(Registrar())
    phone.register(Wish("sip:x@h", 100))
    with pytest.raises(RegisterError, match="400"):
        phone.register(*wishes, everything=True, expires=expires)
    assert phone.register() == [("sip:x@h", 100)]


def test_too_brief_changes_nothing() -> None:
    phone = Phone(Registrar())
    with pytest.raises(RegisterError, match="423"):
        phone.register(Wish("sip:a@h", 100), Wish("sip:b@h", 59))
    assert phone.register() == []


def test_newest_wins() -> None:
    registrar = Registrar()
    phone = Phone(registrar)
    phone.register(Wish("sip:a@h", 100))
    Phone(registrar, "two").register(Wish("sip:b@h", 100), source=AWAY)
    found = registrar.find("alice", NOW)
    assert found is not None
    assert found.source == AWAY
    phone.register(Wish("sip:a@h", 100), now=NOW + 1)
    assert [binding.uri for binding in registrar.bindings("alice", NOW + 1)] == ["sip:a@h", "sip:b@h"]
    by_uri = registrar.by_uri("sip:b@h", NOW + 1)
    assert by_uri is not None
    assert by_uri.source == AWAY
    assert registrar.by_uri("sip:c@h", NOW) is None


def test_old_request_of_the_same_call_is_refused() -> None:
    """10.3 step 7: same Call-ID and a CSeq that is not higher means out of order."""
    registrar = Registrar()
    phone = Phone(registrar)
    phone.register(Wish("sip:a@h", 100))
    phone.cseq -= 1
    with pytest.raises(RegisterError, match="500"):
        phone.register(Wish("sip:a@h", 0))
    Phone(registrar, "other call").register(Wish("sip:a@h", 0))
    assert registrar.find("alice", NOW) is None


def test_contacts_are_bounded() -> None:
    phone = Phone(Registrar())
    bound = phone.register(*[Wish(f"sip:{number}@h", 100) for number in range(MAX_CONTACTS + 5)])
    assert len(bound) == MAX_CONTACTS
    assert bound[0][0] == f"sip:{MAX_CONTACTS + 4}@h"


def test_users_do_not_mix() -> None:
    registrar = Registrar()
    Phone(registrar).register(Wish("sip:a@h", 100))
    assert registrar.find("bob", NOW) is None
