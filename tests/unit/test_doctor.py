"""`hubbub doctor`: exit 1 on problems, "each with what to do"; it leaves nothing behind."""

from __future__ import annotations

import socket
import sqlite3
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from hubbub import doctor
from hubbub.cli import app
from hubbub.configuration import build_settings
from hubbub.doctor import Diagnosis, examine
from hubbub.settings import Settings
from hubbub.testing.server import free_port_range, to_toml

RUN = CliRunner()


def settings(folder: Path, **more: Any) -> Settings:
    return build_settings({"http": {"listen": "127.0.0.1:0"}, "sip": {"listen": "127.0.0.1:0"}, **more}, folder)


def about(found: list[Diagnosis], subject: str, level: str = "problem") -> Diagnosis:
    (one,) = [each for each in found if each.about == subject and each.level == level]
    assert one.advice
    return one


def test_a_healthy_machine(tmp_path: Path) -> None:
    found = list(examine(settings(tmp_path)))
    assert {each.about for each in found} == {
        "accounts", "http", "sip", "rtp", "loopback", "database", "recordings", "files", "clock", "priority", "engine", "opus", "srtp",
        "speech", "recognition",
    }  # fmt: skip
    assert [each for each in found if each.level == "problem"] == []
    assert all(each.advice for each in found if each.level != "ok")
    assert list(tmp_path.iterdir()) == []


def test_ports_in_use(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken, socket.socket() as web:
        taken.bind(("127.0.0.1", 0))
        web.bind(("127.0.0.1", 0))
        http, sip = (f"127.0.0.1:{each.getsockname()[1]}" for each in (web, taken))
        found = list(examine(settings(tmp_path, http={"listen": http}, sip={"listen": sip})))
    assert http in about(found, "http").text
    assert "sip.listen" in about(found, "sip").advice


def test_an_address_that_is_not_this_machines(tmp_path: Path) -> None:
    found = list(examine(settings(tmp_path, sip={"listen": "192.0.2.1:5060"})))
    assert "Cannot assign" in about(found, "sip").text
    assert "sip.listen" in about(found, "rtp").advice


def test_few_rtp_ports(tmp_path: Path) -> None:
    found = list(examine(settings(tmp_path, media={"rtp_ports": free_port_range(100)})))
    assert about(found, "rtp", "warning").text == "50 ports for 1024 legs"


def test_folders_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    found = list(examine(settings(tmp_path, storage={"database": "sqlite:///file/hubbub.db", "recordings": "file/below"})))
    assert "storage.database" in about(found, "database").advice
    assert "storage.recordings" in about(found, "recordings").advice


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    """The server makes the folder of recordings, not that of the database: a mistyped path would be an empty database."""
    found = list(examine(settings(tmp_path, storage={"database": "sqlite:///gone/hubbub.db", "recordings": "gone/below"})))
    assert about(found, "database").text == f"{tmp_path}/gone is no folder"
    assert not [each for each in found if each.about == "recordings" and each.level == "problem"]


def test_a_database_that_is_none_of_ours(tmp_path: Path) -> None:
    found = list(examine(settings(tmp_path, storage={"database": "postgres://x"})))
    assert "postgres://x" in about(found, "database").text
    found = list(examine(settings(tmp_path, storage={"database": "sqlite:///:memory:"})))
    assert "nothing outlives" in about(found, "database", "warning").advice


def test_accounts_are_looked_at_as_the_server_does(tmp_path: Path) -> None:
    file = tmp_path / "hubbub.toml"
    file.write_text('http.listen = "127.0.0.1:0"\n[[accounts]]\nname = "a"\ntwilio = { sid = "AC1", tokn = "x" }\n')
    done = RUN.invoke(app, ["doctor", "--config", str(file)])
    assert done.exit_code == 1
    assert f"{file}: line 4, accounts.a.twilio: token is missing, tokn is unknown; did you mean token?" in done.output


def test_few_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor.resource, "getrlimit", lambda _: (1024, 4096))
    wanted = settings(tmp_path)
    assert str(wanted.files) in about(list(examine(wanted)), "files", "warning").advice


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda path: SimpleNamespace(free=5_000_000))
    found = list(examine(settings(tmp_path)))
    assert "make room" in about(found, "recordings").advice
    assert "0.0 GB free" in about(found, "database").text


def test_a_database_of_a_newer_release_and_one_that_is_none(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "hubbub.db") as connection:
        connection.execute("PRAGMA user_version = 999")
    connection.close()
    assert "999" in about(list(examine(settings(tmp_path))), "database").text
    (tmp_path / "hubbub.db").write_bytes(b"not a database at all" * 100)
    assert "not a database" in about(list(examine(settings(tmp_path))), "database").text


def test_a_clock_before_the_release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor.time, "time", lambda: 1_000_000.0)
    assert "1970-01-12" in about(list(examine(settings(tmp_path))), "clock").text


def test_no_priority_no_voice_no_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(doctor.os, "sched_setscheduler", refuse)
    monkeypatch.setattr("hubbub.speech.engines.installed", list)
    monkeypatch.setattr("hubbub.media.process.is_warm", lambda: False)
    monkeypatch.setattr("hubbub.media.libopus.find", lambda: None)
    monkeypatch.setattr("hubbub.media.libsrtp.find", lambda: None)
    found = list(examine(settings(tmp_path)))
    assert "SYS_NICE" in about(found, "priority", "warning").advice
    assert "hubbub[speech]" in about(found, "speech", "warning").advice
    assert "hubbub[opus]" in about(found, "opus", "warning").advice
    assert "hubbub[srtp]" in about(found, "srtp", "warning").advice
    assert "hubbub warm" in about(found, "engine", "warning").advice


def test_encryption_that_cannot_be_had(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hubbub.media.libsrtp.find", lambda: None)
    wishes = {"sip": {"srtp": "require"}, "dial": {"routes": [{"to": "sip:{number}@trunk.example", "srtp": "offer"}]}}
    problem = about(list(examine(settings(tmp_path, **wishes))), "srtp")
    assert "sip.srtp = require, dial.routes (+) = offer" in problem.text
    assert not [found for found in examine(settings(tmp_path, sip={"srtp": "off"})) if found.about == "srtp"]


def test_exit_status_and_lines(tmp_path: Path) -> None:
    file = tmp_path / "hubbub.toml"
    config = {"http": {"listen": "127.0.0.1:0"}, "sip": {"listen": "127.0.0.1:0"}}
    file.write_text(to_toml(config))
    done = RUN.invoke(app, ["doctor", "--config", str(file)])
    assert done.exit_code == 0, done.output
    assert "0 problem(s)" in done.output
    file.write_text(to_toml({**config, "sip": {"listen": "192.0.2.1:5060"}}))
    done = RUN.invoke(app, ["doctor", "--config", str(file)])
    assert done.exit_code == 1
    assert "problem  sip" in done.output
    assert "-> stop what uses it" in done.output
