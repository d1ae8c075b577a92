"""Configuration, URLs, challenges, parameters of REST, targets of calls: only their own errors come out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from tests.fuzz.budget import fuzz, mutated
from tests.support.facts import ACCOUNT

from hubbub.api.rest import read_values, remarks_on
from hubbub.calls.dialer import destination
from hubbub.configuration import build_settings, load_settings
from hubbub.dialects.development import DEVELOPMENT_ACCOUNT
from hubbub.dialects.registry import all_dialects, check_accounts, rest_faces
from hubbub.errors import ConfigurationError, Refused, RequestFailed
from hubbub.events import Party
from hubbub.settings import DialSettings, Settings
from hubbub.sip.sippy_loop import install
from hubbub.sip.sippy_messages import url_of
from hubbub.testing.server import to_toml
from hubbub.webhooks import challenge
from hubbub.webhooks.addresses import credentials_in, loggable, origin, wire_url, with_query

FACES = rest_faces("http://hubbub.test", [ACCOUNT], lambda: 0.0)
OPERATIONS = [(face, operation) for face in FACES for operation in face.operations if operation.params]
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(max_size=20),
    st.sampled_from(
        ["127.0.0.1:8080", "0.0.0.0:0", "10.0.0.0/8", "20000-29999", "http://a/b", "sqlite:///x", "+1", "*", "sip:{number}@h", "../.."]
    ),
)
KEYS = [(section, key) for section, field in Settings.model_fields.items() for key in getattr(field.annotation, "model_fields", {"": None})]
NESTED = st.recursive(
    VALUES, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)), max_leaves=6
)
GOOD = {
    "http": {"listen": "127.0.0.1:0"},
    "sip": {"trust": ["127.0.0.0/8"]},
    "accounts": [dict(DEVELOPMENT_ACCOUNT)],
    "numbers": [{"number": "*", "account": "dev", "dialect": "twiml", "url": "http://127.0.0.1/x"}],
}
PIECES = [b"=", b"[", b"]]", b"[[", b'"', b"'''", b"\n", b"{", b"}", b"\xff", b"\x00", b"#", b"1e999", b"nan", b"1979-05-27", b"."]


def configured(content: dict[str, Any]) -> None:
    try:
        settings = build_settings(content, Path("/nowhere"))
        check_accounts(settings, all_dialects("http://hubbub.test", lambda call: None, settings.accounts))
    except ConfigurationError as error:
        told = str(error)
    else:
        told = "good"
    assert told.strip()


@fuzz(st.lists(st.tuples(st.sampled_from(KEYS), NESTED), min_size=1, max_size=3))
def test_settings(case: list[tuple[tuple[str, str], Any]]) -> None:
    content: dict[str, Any] = {section: dict(value) if isinstance(value, dict) else list(value) for section, value in GOOD.items()}
    for (section, key), value in case:
        if key and isinstance(content.setdefault(section, {}), dict):
            content[section][key] = value
        else:
            content[section] = value
    configured(content)


@fuzz(st.one_of(NESTED, st.dictionaries(st.sampled_from(sorted(DEVELOPMENT_ACCOUNT)), NESTED)))
def test_accounts(case: Any) -> None:
    configured({**GOOD, "accounts": [case]})


def test_files(tmp_path: Path) -> None:
    """What is no TOML, or not ours, is named with its file."""

    @fuzz(mutated([to_toml(GOOD).encode(), (Path(__file__).parents[2] / "pyproject.toml").read_bytes()[:1500]], PIECES))
    def files(case: bytes) -> None:
        file = tmp_path / "hubbub.toml"
        file.write_bytes(case)
        try:
            load_settings(file)
        except ConfigurationError as error:
            told = str(error)
        else:
            return
        assert str(file) in told

    files()


@fuzz(
    st.one_of(
        st.text(max_size=60),
        mutated(
            [b"http://user:pass@example.com:8080/a/b?c=d&e=%20#rc=1", b"https://[::1]/", b"http://\xc3\xbc.example/\xf0\x9f\x98\x80"],
            [b"//", b"@", b"[", b"]", b":", b"%", b"\\", b"?", b"#", b"\r\n", b"\x00", b"\xe2\x80\xae", b"169.254.169.254", b"0x7f.1"],
        ).map(lambda data: data.decode("utf-8", "replace")),
    )
)
def test_urls(case: str) -> None:
    """No URL smuggles a line into a request, nor its password into a log."""
    loggable(case)
    try:
        wire = wire_url(case)
        credentials = credentials_in(case)
        origin(case)
        more = wire_url(with_query(case, [("a b", "c&d")]))
    except RequestFailed:
        return
    for text in (wire, more):
        assert text.isascii()
        assert not any(character in text for character in ' \r\n\t\0<>"')
        assert "@" not in text.split("/")[2]
    if credentials is not None:
        assert "@" not in loggable(case).split("/")[2]


@fuzz(
    mutated(
        [
            b'Digest realm="a, b", nonce="x", qop="auth,auth-int", algorithm=SHA-256, Basic realm="c"',
            b"Bearer",
            b'Basic realm="\\"", Digest nonce=1',
        ],
        [b",", b"=", b'"', b"\\", b" ", b"Digest ", b"Basic ", b"\xff", b"qop="],
    )
)
def test_challenges(case: bytes) -> None:
    found = challenge.parse_challenges([case.decode("latin-1")])
    answer = challenge.answer(found, method="POST", uri="/x", username="u", password="secret", cnonce="c")
    assert answer is None or ("\r" not in answer and "\n" not in answer)


@fuzz(st.tuples(st.integers(0, len(OPERATIONS) - 1), st.lists(st.tuples(st.integers(0, 60), st.text(max_size=30)), max_size=5)))
def test_parameters_of_rest(case: tuple[int, list[tuple[int, str]]]) -> None:
    """A bad value is refused by a reason that the face has words for."""
    face, operation = OPERATIONS[case[0]]
    pairs = [(operation.params[at % len(operation.params)].name if at < 55 else f"X{at}", value) for at, value in case[1]]
    remarks_on(operation.params, pairs)
    try:
        read_values(operation.params, pairs)
    except Refused as refusal:
        status, body = face.error(refusal, "/x")
        assert 400 <= status < 500, body


@fuzz(
    st.one_of(
        st.text(max_size=60), mutated([b"sip:a@h;x=y?X-A=b", b"client:alice?x=1", b"+15551234567", b"<sip:a@[::1]:5060>"], PIECES).map(repr)
    )
)
def test_targets(case: str) -> None:
    for face in FACES:
        try:
            face.party(case, "127.0.0.1")
            named = face.headers(case)
        except Refused:
            continue
        assert all(name.lower().startswith("x-") and value.isprintable() for name, value in named.items())


install()
ALLOWED = ("pbx.example", "[2001:db8::1]", "192.0.2.1:5070")


@fuzz(
    mutated(
        [
            b"sip:bob@pbx.example;user=phone",
            b"sip:pbx.example;a=b@192.0.2.1:5070?x=y",
            b"sip:bob:secret@[2001:db8::1]:5060",
            b"<sip:pbx.example>",
        ],
        [
            b"@",
            b";",
            b"?",
            b":",
            b"pbx.example",
            b"evil.example",
            b";maddr=",
            b"%40",
            b"%00",
            b"/",
            b"&",
            b",",
            b"#",
            b"\\",
            b"\r\n",
            b"[",
            b"]",
            b"<",
            b">",
        ],
    ).map(lambda data: data.decode("utf-8", "replace"))
)
def test_sip_targets(case: str) -> None:
    """What is allowed by its host is sent to that host: who judges a URI and who sends it read it alike."""
    nobody: dict[str, Any] = {"phones": {}, "contact_of": lambda name: None, "next_hop_of": lambda name: None}
    try:
        found = destination(Party("sip", "", case), account="dev", settings=DialSettings(allow_sip=ALLOWED), **nobody)
        url = url_of(found.uri)
    except (Refused, ValueError):
        return
    assert url.maddr is None
    host = f"{url.host}:{url.port}" if url.port else url.host
    assert url.host in ALLOWED or host in ALLOWED, (case, url.host)
