"""The configuration: every mistake names its key and what to do; the environment outranks the file."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from hubbub import mistakes
from hubbub.configuration import build_settings, load_settings
from hubbub.dialects.development import DEVELOPMENT_ACCOUNT
from hubbub.dialects.registry import all_dialects, check_accounts
from hubbub.errors import ConfigurationError
from hubbub.settings import Settings, is_loopback, split_address

NUMBER = {"number": "*", "account": "dev", "dialect": "twiml", "url": "http://127.0.0.1:9000/voice"}
PHONE = {"username": "alice", "password": "secret", "account": "dev"}


def build(**content: Any) -> Settings:
    return build_settings({"accounts": [DEVELOPMENT_ACCOUNT], **content}, Path("/srv/hubbub"))


def complaint(**content: Any) -> str:
    with pytest.raises(ConfigurationError) as caught:
        check_accounts(build(**content), all_dialects("", lambda call: None))
    return str(caught.value)


def test_defaults_listen_on_loopback_only() -> None:
    settings = build()
    assert is_loopback(settings.http.listen)
    assert is_loopback(settings.sip.listen)
    assert settings.dial.allow_prefixes == ()
    assert settings.webhooks.redeliver


def test_a_whole_file(tmp_path: Path) -> None:
    file = tmp_path / "hubbub.toml"
    file.write_text(
        """
[http]
listen = "127.0.0.1:0"
[media]
rtp_ports = "30000-30099"
[dial]
allow_prefixes = ["+1"]
[[dial.routes]]
to = "sip:{number}@127.0.0.1:5080"
[[accounts]]
name = "dev"
twilio = { sid = "AC00000000000000000000000000000001", token = "0123456789abcdef0123456789abcdef" }
[[numbers]]
number = "+15550001000"
account = "dev"
dialect = "twiml"
url = "http://127.0.0.1:9000/voice"
method = "get"
[[phones]]
username = "alice"
password = "secret"
account = "dev"
"""
    )
    settings = load_settings(file)
    assert settings.media.port_range == (30000, 30099)
    assert settings.dial.routes[0].prefix == "+"
    assert settings.accounts[0].faces["twilio"]["sid"].startswith("AC")
    assert settings.numbers[0].method == "GET"
    assert settings.phones[0].username == "alice"


# -- mistakes --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "key"),
    [
        ({"httpp": {}}, "httpp"),
        ({"http": {"listn": "x"}}, "http.listn"),
        ({"numbers": [{**NUMBER, "uri": "x"}]}, "numbers.0.uri"),
        ({"phones": [{**PHONE, "user": "x"}]}, "phones.0.user"),
        ({"dial": {"routes": [{"to": "sip:x", "gateway": "y"}]}}, "dial.routes.0.gateway"),
        ({"accounts": [{"name": "dev", "nick": "d"}]}, "accounts.0.nick"),
    ],
)
def test_unknown_keys_are_named(content: dict[str, Any], key: str) -> None:
    message = complaint(**content)
    assert f"{key}: unknown key" in message


@pytest.mark.parametrize(
    ("content", "key", "advice"),
    [
        ({"http": {"listen": "8080"}}, "http.listen", "ADDRESS:PORT"),
        ({"http": {"listen": "127.0.0.1:http"}}, "http.listen", "ADDRESS:PORT"),
        ({"sip": {"listen": "127.0.0.1:70000"}}, "sip.listen", "ADDRESS:PORT"),
        ({"http": {"public_url": "hub.example.com"}}, "http.public_url", "http or https URL"),
        ({"sip": {"trust": ["10.0.0.300/8"]}}, "sip.trust.0", "network"),
        ({"sip": {"trust": ["10.0.0.1/8"]}}, "sip.trust.0", "network"),
        ({"media": {"rtp_ports": "all"}}, "media.rtp_ports", "LOW-HIGH"),
        ({"media": {"rtp_ports": "30000-20000"}}, "media.rtp_ports", "LOW-HIGH"),
        ({"media": {"rtp_ports": "²-³"}}, "media.rtp_ports", "LOW-HIGH"),
        ({"media": {"workers": 0}}, "media.workers", "greater than or equal to 1"),
        ({"webhooks": {"redeliver": "perhaps"}}, "webhooks.redeliver", "boolean"),
        ({"numbers": [{**NUMBER, "url": "/voice"}]}, "numbers.0.url", "http or https URL"),
        ({"numbers": [{**NUMBER, "url": "http://[x"}]}, "numbers.0.url", ""),
        ({"numbers": [{**NUMBER, "fallback_url": "ftp://x"}]}, "numbers.0.fallback_url", "http or https URL"),
        ({"numbers": [{**NUMBER, "method": "PUT"}]}, "numbers.0.method", "GET"),
        ({"numbers": [{"number": "*"}]}, "numbers.0.account", "required"),
        ({"phones": [{"username": "alice", "account": "dev"}]}, "phones.0.password", "required"),
        ({"dial": {"routes": [{"prefix": "+"}]}}, "dial.routes.0.to", "required"),
        ({"accounts": [{}]}, "accounts.0.name", "required"),
    ],
)
def test_bad_values_are_named_with_what_to_do(content: dict[str, Any], key: str, advice: str) -> None:
    message = complaint(**content)
    assert f"{key}: " in message
    assert advice in message


def test_all_mistakes_are_told_at_once() -> None:
    message = complaint(http={"listen": "x", "y": 1}, media={"workers": 99})
    assert "3 problem(s)" in message


def test_numbers_and_phones_of_no_account() -> None:
    assert "numbers.0.account: account 'prod' does not exist (known: dev)" in complaint(numbers=[{**NUMBER, "account": "prod"}])
    assert "phones.0.account: account 'prod' does not exist (known: dev)" in complaint(phones=[{**PHONE, "account": "prod"}])
    assert "none is configured" in complaint(accounts=[], phones=[PHONE])


def test_names_that_are_there_twice() -> None:
    assert "accounts.1.name: 'dev' is there already" in complaint(accounts=[{"name": "dev"}, {"name": "dev"}])
    assert "numbers.1.number: '*' is there already" in complaint(numbers=[NUMBER, NUMBER])
    assert "phones.1.username: 'alice' is there already" in complaint(phones=[PHONE, PHONE])


@pytest.mark.parametrize(
    ("content", "key"),
    [({"http": {"listn": "x"}}, "listen"), ({"acounts": []}, "accounts"), ({"numbers": [{**NUMBER, "colour": "x"}]}, "")],
)
def test_what_may_have_been_meant(content: dict[str, Any], key: str) -> None:
    message = complaint(**content)
    assert f"; did you mean {key}?" in message if key else "did you mean" not in message


def test_admin_token_is_needed_off_loopback() -> None:
    assert "http.admin_token" in complaint(http={"listen": "0.0.0.0:8080"})
    assert "http.admin_token" in complaint(http={"listen": "192.0.2.1:8080"})
    assert build(http={"listen": "0.0.0.0:8080", "admin_token": "secret"}).http.admin_token == "secret"
    assert build(http={"listen": "[::1]:8080"}).http.listen == "[::1]:8080"
    assert build(http={"listen": "localhost:8080"}).http.listen == "localhost:8080"


def test_certificate_and_key_go_together() -> None:
    assert "http.tls_certificate and http.tls_key" in complaint(http={"tls_key": "k.pem"})


# -- accounts --------------------------------------------------------------------------------------------------


def test_faces_are_checked_by_their_dialects() -> None:
    assert "accounts.a.telco: unknown key (faces: twilio" in complaint(accounts=[{"name": "a", "telco": {"x": "y"}}])
    message = complaint(accounts=[{"name": "a", "twilio": {"sid": "AC0", "tokn": "x"}}])
    assert "accounts.a.twilio: " in message
    assert "token is missing" in message
    assert "tokn is unknown" in message


def test_optional_keys_of_a_face() -> None:
    face = {"project": "00000000-0000-4000-8000-000000000001", "token": "PT1", "signing_key": "k"}
    check_accounts(build(accounts=[{"name": "a", "signalwire": face}]), all_dialects("", lambda call: None))


def test_a_number_needs_a_dialect_that_is_built_and_its_face() -> None:
    assert "dialect" in complaint(numbers=[{**NUMBER, "dialect": "klingon"}])
    bare = [{"name": "dev", "twilio": DEVELOPMENT_ACCOUNT["twilio"]}]
    assert "needs 'signalwire'" in complaint(accounts=bare, numbers=[{**NUMBER, "dialect": "cxml"}])
    assert "needs 'bandwidth'" in complaint(accounts=bare, numbers=[{**NUMBER, "dialect": "bxml"}])


# -- the environment -------------------------------------------------------------------------------------------


def test_the_environment_outranks_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUBBUB_HTTP__LISTEN", "127.0.0.1:9999")
    monkeypatch.setenv("HUBBUB_SIP__TRUST", '["10.0.0.0/8"]')
    monkeypatch.setenv("HUBBUB_WEBHOOKS__REDELIVER", "false")
    settings = build(http={"listen": "127.0.0.1:1", "public_url": "http://x.test"})
    assert settings.http.listen == "127.0.0.1:9999"
    assert settings.http.public_url == "http://x.test", "keys beside it stay"
    assert [str(network) for network in settings.sip.trust] == ["10.0.0.0/8"]
    assert settings.webhooks.redeliver is False


def test_lists_of_tables_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUBBUB_PHONES", '[{"username": "bob", "password": "x", "account": "dev"}]')
    assert [phone.username for phone in build(phones=[PHONE]).phones] == ["bob"]


def test_mistakes_in_the_environment_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUBBUB_HTTP__LISTN", "x")
    assert "environment HUBBUB_HTTP__LISTN, http.listn: unknown key" in complaint()
    monkeypatch.delenv("HUBBUB_HTTP__LISTN")
    monkeypatch.setenv("HUBBUB_SIP__TRUST", "10.0.0.0/8")
    assert "HUBBUB_SIP__TRUST: a list or table must be JSON" in complaint()


# -- files -----------------------------------------------------------------------------------------------------


def test_relative_paths_are_below_the_folder_of_the_file() -> None:
    settings = build(
        storage={"database": "sqlite:///data/h.db", "recordings": "rec"}, http={"tls_certificate": "c.pem", "tls_key": "/etc/k.pem"}
    )
    assert settings.storage.database == "sqlite:////srv/hubbub/data/h.db"
    assert settings.storage.recordings == Path("/srv/hubbub/rec")
    assert settings.http.tls_certificate == Path("/srv/hubbub/c.pem")
    assert settings.http.tls_key == Path("/etc/k.pem")


@pytest.mark.parametrize("database", ["sqlite:////var/h.db", "sqlite:///:memory:"])
def test_databases_that_stay_as_they_are(database: str) -> None:
    assert build(storage={"database": database}).storage.database == database


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"nothing\.toml: cannot be read"):
        load_settings(tmp_path / "nothing.toml")
    broken = tmp_path / "broken.toml"
    broken.write_text("[http\n")
    with pytest.raises(ConfigurationError, match=r"broken\.toml: not TOML.*line 1"):
        load_settings(broken)
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigurationError, match=r"binary\.toml"):
        load_settings(binary)


def test_the_file_is_named_in_the_message(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("[http]\nlistn = 'x'\n")
    with pytest.raises(ConfigurationError, match=r"mine\.toml: 1 problem"):
        load_settings(file)


WRONG = """\
# a comment
[http]
listen = "127.0.0.1:8080"
listn = "x"

[webhooks]
allow_networks = [
  "10.0.0.0/8",   # right
  "10.0.0.0/33",
]
redeliver = "perhaps"
dial.allow_sip = "x"

[[accounts]]
name = "dev"

[[numbers]]
number = "+1"
account = "dev"
dialect = "twiml"
url = "http://127.0.0.1:9000/"

[[numbers]]
number = "+2"
account = "prod"
dialect = "twiml"
url = "/voice"

[[phones]]
username = "alice"
account = "dev"
"""


def test_every_mistake_is_told_with_its_line(tmp_path: Path) -> None:
    """Rule: "configuration errors that name key and line"; what is missing is told by the line of what it should stand in."""
    file = tmp_path / "hubbub.toml"
    file.write_text(WRONG)
    with pytest.raises(ConfigurationError) as caught:
        load_settings(file)
    said = str(caught.value)
    for line, key in (
        (4, "http.listn"), (7, "webhooks.allow_networks.1"), (11, "webhooks.redeliver"), (12, "webhooks.dial"),
        (27, "numbers.1.url"), (29, "phones.0.password"),
    ):  # fmt: skip
        assert f"  line {line}, {key}: " in said
    file.write_text(
        WRONG.replace("/voice", "http://x/").replace("redeliver", "#").replace("listn", "#").replace("dial.", "#").replace("33", "8")
    )
    file.write_text(file.read_text() + 'password = "x"\n')
    with pytest.raises(ConfigurationError, match=r"line 25, numbers\.1\.account: account 'prod' does not exist"):
        load_settings(file)
    file.write_text(file.read_text().replace("prod", "dev").replace("+2", "+1"))
    with pytest.raises(ConfigurationError, match=r"line 24, numbers\.1\.number: '\+1' is there already"):
        load_settings(file)


def test_what_a_dialect_complains_of_has_its_line_too(tmp_path: Path) -> None:
    file = tmp_path / "hubbub.toml"
    file.write_text('[[accounts]]\nname = "a"\n\n[accounts.twilio]\nsid = "AC1"\n')
    settings = load_settings(file)
    with pytest.raises(ConfigurationError, match=r"hubbub\.toml: line 4, accounts\.a\.twilio: token is missing"):
        check_accounts(settings, all_dialects("", lambda call: None))


def test_one_table_where_a_list_belongs() -> None:
    assert "phones: must be a list of tables: [[phones]]" in complaint(phones=PHONE)


def test_addresses() -> None:
    assert split_address("[::1]:5060") == ("::1", 5060)
    assert split_address("127.0.0.1:0") == ("127.0.0.1", 0)
    assert not is_loopback("hub.example.com:80")


def test_many_mistakes_are_told_with_their_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """The text is read once to each of its statements, however many mistakes there are; a line ends where TOML says so."""
    text = "# \u2028 \x85 no end of a line\n" + '[[numbers]]\nnumber = "+1"\nurl = """\na"""\n' * 40
    keys = [("numbers", n, key) for n in range(40) for key in ("number", "url", "dialect")]
    read: list[str] = []
    loads = tomllib.loads
    monkeypatch.setattr(mistakes.tomllib, "loads", lambda part: read.append(part) or loads(part))
    assert mistakes.lines_of(text, keys) == [line for n in range(40) for line in (3 + 4 * n, 4 + 4 * n, 2 + 4 * n)]
    assert len(read) <= len(text.split("\n")) + 1
