"""Digest authentication: the examples of RFC 2617 3.5 and RFC 7616 3.9, and the rules of the server."""

from __future__ import annotations

from hubbub.sip import digest
from hubbub.sip.digest import DigestServer, Verdict, answer_challenge, parse, response

NOW = 1_700_000_000.0


def test_example_of_rfc_2617() -> None:
    given = {
        "realm": "testrealm@host.com",
        "nonce": "dcd98b7102dd2f0e8b11d0f600bfb0c093",
        "uri": "/dir/index.html",
        "qop": "auth",
        "nc": "00000001",
        "cnonce": "0a4f113b",
    }
    assert response(given, username="Mufasa", password="Circle Of Life", method="GET") == "6629fae49393a05397450978507c4ef1"


def test_examples_of_rfc_7616() -> None:
    given = {
        "realm": "http-auth@example.org",
        "nonce": "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
        "uri": "/dir/index.html",
        "qop": "auth",
        "nc": "00000001",
        "cnonce": "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
    }
    mufasa = {"username": "Mufasa", "password": "Circle of Life", "method": "GET"}
    assert response({**given, "algorithm": "MD5"}, **mufasa) == "8ca523f5e9506fed4657c9700eebdbec"
    assert response({**given, "algorithm": "SHA-256"}, **mufasa) == "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"


def test_without_qop_as_in_rfc_2069() -> None:
    """RFC 2617 3.2.2.1: without qop the response is KD(H(A1), nonce:H(A2))."""
    given = {"realm": "r", "nonce": "n", "uri": "sip:x"}
    ha1, ha2 = _md5("u:r:p"), _md5("REGISTER:sip:x")
    assert response(given, username="u", password="p", method="REGISTER") == _md5(f"{ha1}:n:{ha2}")


def _md5(text: str) -> str:
    import hashlib

    return hashlib.md5(text.encode()).hexdigest()


def test_auth_int_and_sess_differ_and_unknown_is_none() -> None:
    base = {"realm": "r", "nonce": "n", "uri": "u", "nc": "00000001", "cnonce": "c", "qop": "auth"}
    plain = response(base, username="u", password="p", method="M")
    assert response({**base, "qop": "auth-int"}, username="u", password="p", method="M", body="b") != plain
    assert response({**base, "algorithm": "MD5-sess"}, username="u", password="p", method="M") != plain
    assert response({**base, "algorithm": "ROT13"}, username="u", password="p", method="M") is None
    assert response({**base, "qop": "strange"}, username="u", password="p", method="M") is None


def test_parse_reads_quotes_and_commas() -> None:
    found = parse('Digest username="a, \\"b\\"",realm="x", uri="sip:a,b@c" , nc=00000001, QOP=auth')
    assert found == {"username": 'a, "b"', "realm": "x", "uri": "sip:a,b@c", "nc": "00000001", "qop": "auth"}
    assert parse("Basic Zm9v") is None
    assert parse('Digest username="open') is None
    assert parse("Digest ,,,=") is None


def server() -> DigestServer:
    return DigestServer("hubbub", b"s" * 32)


def credentials(challenge: str, password: str = "secret", count: int = 1, username: str = "alice") -> dict[str, str]:
    value = answer_challenge([challenge], username=username, password=password, method="REGISTER", uri="sip:h", cnonce="c", count=count)
    assert value is not None
    found = parse(value)
    assert found is not None
    return found


def judge(keeper: DigestServer, given: dict[str, str], now: float = NOW, password: str | None = "secret") -> Verdict:
    return keeper.judge(given, password=password, method="REGISTER", body="", now=now)


def test_both_algorithms_are_offered_and_accepted() -> None:
    keeper = server()
    challenges = keeper.challenges(NOW, b"salt")
    assert [parse(challenge)["algorithm"] for challenge in challenges] == ["SHA-256", "MD5"]  # type: ignore[index]
    for count, challenge in enumerate(challenges, 1):
        assert judge(keeper, credentials(challenge, count=count)) is Verdict.VALID


def algorithms(challenges: list[str]) -> list[str]:
    return [(parse(challenge) or {})["algorithm"] for challenge in challenges]


def test_who_falls_silent_at_sha_256_is_asked_for_md5_alone() -> None:
    """libre 1.1 (2020) and SIPp 3.6 give up when SHA-256 is offered at all or first."""
    keeper = server()
    assert algorithms(keeper.challenges(NOW, b"a", peer="old")) == ["SHA-256", "MD5"]
    assert algorithms(keeper.challenges(NOW + 1, b"b", peer="new")) == ["SHA-256", "MD5"]
    plain = keeper.challenges(NOW + 60, b"c", peer="old")
    assert algorithms(plain) == ["MD5"]
    given = credentials(plain[0])
    assert keeper.judge(given, password="secret", method="REGISTER", body="", now=NOW + 60, peer="old") is Verdict.VALID
    assert algorithms(keeper.challenges(NOW + 90, b"d", peer="old")) == ["MD5"]
    strong = credentials(keeper.challenges(NOW, b"e", peer="new other")[0])
    assert keeper.judge(strong, password="secret", method="REGISTER", body="", now=NOW + 61, peer="new") is Verdict.VALID
    assert algorithms(keeper.challenges(NOW + 62, b"f", peer="new")) == ["SHA-256", "MD5"]
    assert algorithms(keeper.challenges(NOW + 100_000, b"g", peer="old")) == ["SHA-256", "MD5"]


def test_wrong_password_unknown_user_wrong_realm() -> None:
    keeper = server()
    challenge = keeper.challenges(NOW, b"salt")[0]
    assert judge(keeper, credentials(challenge, password="guess")) is Verdict.WRONG
    assert judge(keeper, credentials(challenge), password=None) is Verdict.WRONG
    assert judge(keeper, credentials(challenge, password=""), password=None) is Verdict.WRONG
    assert judge(keeper, {**credentials(challenge), "realm": "other"}) is Verdict.WRONG


def test_a_nonce_is_good_for_the_host_that_got_it() -> None:
    """Credentials that were overheard are of no use elsewhere, and a forged address cannot be made to look like a guesser."""
    keeper = server()
    challenge = keeper.challenges(NOW, b"salt", peer="192.0.2.1 alice")[0]
    for password in ("secret", "guess"):
        given = credentials(challenge, password)
        assert keeper.judge(given, password="secret", method="REGISTER", body="", now=NOW, peer="192.0.2.2 alice") is Verdict.STALE
    unknown = {**credentials(challenge), "algorithm": "FUTURE-1"}
    assert keeper.judge(unknown, password="secret", method="REGISTER", body="", now=NOW, peer="192.0.2.2 alice") is Verdict.STALE
    assert keeper.judge(credentials(challenge), password="secret", method="REGISTER", body="", now=NOW, peer="192.0.2.1 x") is Verdict.VALID


def test_nonce_is_good_at_once_whatever_the_rounding() -> None:
    for step in range(50):
        keeper, now = server(), NOW + step * 0.000137
        assert judge(keeper, credentials(keeper.challenges(now, b"salt")[0]), now=now) is Verdict.VALID


def test_nonce_expires_and_cannot_be_made_up() -> None:
    """RFC 7616 3.3 stale: the client may retry without asking its user."""
    keeper = server()
    challenge = keeper.challenges(NOW, b"salt")[0]
    assert judge(keeper, credentials(challenge), now=NOW + 299) is Verdict.VALID
    assert judge(keeper, credentials(challenge, count=2), now=NOW + 301) is Verdict.STALE
    assert judge(keeper, credentials(challenge.replace('nonce="', 'nonce="x'))) is Verdict.STALE
    assert judge(DigestServer("hubbub", b"t" * 32), credentials(challenge)) is Verdict.STALE
    assert "stale=true" in keeper.challenges(NOW, b"salt", stale=True)[0]


def test_replay_is_stale_and_the_count_must_grow() -> None:
    """RFC 7616 5.12: a nonce count that was seen is a replay."""
    keeper = server()
    challenge = keeper.challenges(NOW, b"salt")[0]
    first = credentials(challenge)
    assert judge(keeper, first) is Verdict.VALID
    assert judge(keeper, first) is Verdict.STALE
    assert judge(keeper, credentials(challenge, count=2)) is Verdict.VALID


def test_credentials_without_qop_may_use_a_nonce_once() -> None:
    keeper = server()
    bare = keeper.challenges(NOW, b"salt")[1].replace(', qop="auth"', "")
    assert judge(keeper, credentials(bare)) is Verdict.VALID
    assert judge(keeper, credentials(bare)) is Verdict.STALE


def test_client_takes_the_first_challenge_it_can_answer() -> None:
    """RFC 8760 2.4: the topmost supported challenge is used."""
    challenges = [
        'Digest realm="r", nonce="n", algorithm=FUTURE-1',
        'Digest realm="r", nonce="n", algorithm=MD5, qop="auth-int,auth", opaque="o"',
    ]
    value = answer_challenge(challenges, username='a"b', password="p", method="INVITE", uri="sip:x", cnonce="c")
    assert value is not None
    found = parse(value)
    assert found is not None
    assert (found["username"], found["algorithm"], found["qop"], found["opaque"], found["nc"]) == ('a"b', "MD5", "auth", "o", "00000001")
    assert answer_challenge(["Basic x", "garbage"], username="a", password="p", method="INVITE", uri="sip:x", cnonce="c") is None


def test_memory_of_used_nonces_is_bounded() -> None:
    keeper = server()
    for number in range(5):
        assert judge(keeper, credentials(keeper.challenges(NOW, bytes([number]))[0])) is Verdict.VALID
    assert len(keeper._counts) == 5 <= digest.NONCES_REMEMBERED
