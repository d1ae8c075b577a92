"""The command line: `check` says what is wrong and exits 1 on errors; wrong configuration is one clear message."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hubbub.cli import app

RUN = CliRunner()
WRONG = "<Response>\n<Dial>\n</Response>"
ODD = "<Response>\n<Say loop='x'>hello</Say></Response>"


@pytest.fixture
def document(tmp_path: Path) -> Path:
    return tmp_path / "voice.xml"


def test_errors_exit_1_with_line_numbers(document: Path) -> None:
    document.write_text(WRONG)
    done = RUN.invoke(app, ["check", str(document)])
    assert done.exit_code == 1
    assert f"{document}:3: error 12100: " in done.output
    assert "1 error(s), 0 warning(s)" in done.output


def test_warnings_exit_0(document: Path) -> None:
    document.write_text(ODD)
    done = RUN.invoke(app, ["check", str(document)])
    assert done.exit_code == 0
    assert f"{document}:2: warning 13510: " in done.output
    assert "0 error(s), 1 warning(s)" in done.output


def test_good_documents(document: Path) -> None:
    document.write_text("<Response/>")
    done = RUN.invoke(app, ["check", str(document)])
    assert (done.exit_code, done.output) == (0, "0 error(s), 0 warning(s)\n")


def test_the_dialect_can_be_named(document: Path) -> None:
    document.write_text("<Response><Say>x</Say></Response>")
    assert RUN.invoke(app, ["check", str(document)]).exit_code == 0
    assert RUN.invoke(app, ["check", str(document), "--dialect", "bxml"]).exit_code == 1


def test_standard_input() -> None:
    done = RUN.invoke(app, ["check", "-"], input=WRONG)
    assert done.exit_code == 1
    assert "-:3: error 12100" in done.output


def command(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "hubbub.cli", *arguments], capture_output=True, text=True, cwd=folder, timeout=60, check=False
    )


def test_a_document_that_is_not_there(tmp_path: Path) -> None:
    done = command("check", "nothing.xml", folder=tmp_path)
    assert done.returncode == 2
    assert "nothing.xml" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unknown_dialect_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_text("<Response/>")
    done = command("check", "a.xml", "--dialect", "klingon", folder=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("hubbub: unknown dialect 'klingon'")


def test_wrong_configuration_is_a_message_and_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "hubbub.toml").write_text("[http]\nlistn = 'x'\n")
    done = command("serve", folder=tmp_path)
    assert done.returncode == 2
    assert "http.listn: unknown key" in done.stderr
    assert "Traceback" not in done.stderr


def test_help_names_the_commands() -> None:
    output = RUN.invoke(app, ["--help"]).output
    assert all(name in output for name in ("serve", "check", "demo"))
