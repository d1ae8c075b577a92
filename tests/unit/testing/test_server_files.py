"""The configuration that a test server is given can be read by the real thing."""

import subprocess
import sys
import tomllib
from pathlib import Path

from hubbub.configuration import load_settings
from hubbub.testing.server import HubbubServer, merged, to_toml


def test_toml_survives() -> None:
    config = {"a": {"b": True, "c": [1, 2.5, 'x"\\\n\u00fc'], "d": {"e-f": Path("/x"), "none": None}}, "list": [{"x": "1"}, {"x": "2"}]}
    back = tomllib.loads(to_toml(config))
    assert back == {"a": {"b": True, "c": [1, 2.5, 'x"\\\n\u00fc'], "d": {"e-f": "/x"}}, "list": [{"x": "1"}, {"x": "2"}]}


def test_tables_are_merged_and_lists_replaced() -> None:
    assert merged({"a": {"b": 1, "c": 2}, "l": [1]}, {"a": {"c": 3}, "l": [2]}) == {"a": {"b": 1, "c": 3}, "l": [2]}


def test_the_server_can_read_it(tmp_path: Path) -> None:
    server = HubbubServer(
        "http://127.0.0.1:9/voice",
        folder=tmp_path,
        dialect="bxml",
        config={
            "media": {"workers": 2},
            "phones": [{"username": "alice", "password": "secret", "account": "dev"}],
            "dial": {"routes": [{"prefix": "+", "to": "sip:{number}@127.0.0.1:5080"}]},
        },
    )
    (tmp_path / "hubbub.toml").write_text(to_toml(server.config), encoding="utf-8")
    settings = load_settings(tmp_path / "hubbub.toml")
    assert settings.media.workers == 2
    assert settings.numbers[0].dialect == "bxml"
    assert settings.numbers[0].number == "*"
    assert settings.dial.allow_sip == ("127.0.0.1",)
    assert settings.accounts[0].faces == server.faces
    assert settings.storage.recordings == server.recordings


def test_the_plugin_is_cheap() -> None:
    """pytest loads it in every project of the environment: nothing heavy may come with it."""
    program = (
        "import sys, hubbub.testing.fixtures; print([m for m in ('numpy', 'aiohttp', 'sippy', 'soxr', 'pydantic') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
