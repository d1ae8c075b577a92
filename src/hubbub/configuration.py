"""The configuration as it is read: from its file and the environment, with all that is wrong in it told at once."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_settings import SettingsError

from hubbub.errors import ConfigurationError
from hubbub.mistakes import Key, Mistake, meant, told
from hubbub.settings import DEFAULT_FILE, PREFIX, Settings, is_loopback


def load_settings(file: Path | None = None, *, development: Mapping[str, Any] | None = None) -> Settings:
    """Read the configuration.

    Without `file`: `./hubbub.toml` if it is there, else the development defaults: the account `development`, loopback only.
    Raises ConfigurationError with every wrong key named.
    """
    chosen = file if file is not None else (DEFAULT_FILE if DEFAULT_FILE.exists() else None)
    if chosen is None:
        return build_settings({"accounts": [dict(development)] if development else []}, Path.cwd())
    try:
        text = chosen.read_text(encoding="utf-8")
        content = tomllib.loads(text)
    except OSError as error:
        raise ConfigurationError(f"{chosen}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{chosen}: cannot be read: it is not UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{chosen}: not TOML: {error}") from error
    return build_settings(content, chosen.resolve().parent, origin=str(chosen), text=text)


def build_settings(content: dict[str, Any], folder: Path, *, origin: str = "configuration", text: str = "") -> Settings:
    """Settings from parsed TOML (`text`: as it is written); relative paths become absolute below `folder`."""
    try:
        settings = Settings(**content)
    except ValidationError as error:
        raise ConfigurationError(told(_explain(error), origin, text, PREFIX)) from error
    except SettingsError as error:
        raise ConfigurationError(_explain_environment(error)) from error
    mistakes = mistakes_in(settings)
    if mistakes:
        raise ConfigurationError(told(mistakes, origin, text, PREFIX))
    settings._source = origin, text
    storage = settings.storage.model_copy(
        update={
            "recordings": folder / settings.storage.recordings,
            "database": _absolute_database(settings.storage.database, folder),
        }
    )
    http = settings.http.model_copy(
        update={
            key: folder / value
            for key, value in (("tls_certificate", settings.http.tls_certificate), ("tls_key", settings.http.tls_key))
            if value is not None
        }
    )
    return settings.model_copy(update={"storage": storage, "http": http})


def _absolute_database(database: str, folder: Path) -> str:
    prefix = "sqlite:///"
    if not database.startswith(prefix):
        return database
    path = database[len(prefix) :]
    return database if path.startswith("/") or path == ":memory:" else f"{prefix}{os.path.join(folder, path)}"


def _explain_environment(error: SettingsError) -> str:
    """A variable that should hold JSON and does not: the library names its section only."""
    section = re.search(r'field "(\w+)"', str(error))
    prefix = f"HUBBUB_{section[1]}".upper() if section else "HUBBUB_"
    names = ", ".join(sorted(name for name in os.environ if name.upper().startswith(prefix))) or prefix
    return f'environment: {names}: a list or table must be JSON, for example ["10.0.0.0/8"]'


def _explain(error: ValidationError) -> list[Mistake]:
    return [(problem["loc"], _complaint(problem["type"], problem["loc"], problem["msg"])) for problem in error.errors()]


def _complaint(kind: str, key: Key, message: str) -> str:
    if kind == "extra_forbidden":
        return "unknown key" + meant(str(key[-1]), _known_beside(key))
    if kind == "tuple_type" and len(key) == 1:
        return f"must be a list of tables: [[{key[0]}]]"
    return message.removeprefix("Value error, ")


def _known_beside(key: Key) -> list[str]:
    """The keys that may stand where an unknown one does."""
    section: Any = Settings
    for part in key[:-1]:
        if isinstance(part, str) and part in section.model_fields:
            kind = section.model_fields[part].annotation
            section = next((each for each in (kind, *get_args(kind)) if isinstance(each, type) and issubclass(each, BaseModel)), None)
        if section is None:
            return []
    return list(section.model_fields)


def mistakes_in(settings: Settings) -> list[Mistake]:
    """What does not fit together, though each value may be right."""
    found: list[Mistake] = []
    names = {account.name for account in settings.accounts}
    known = ", ".join(sorted(names)) or "none is configured"
    numbered, phoned = [number.account for number in settings.numbers], [phone.account for phone in settings.phones]
    for kind, accounts in (("numbers", numbered), ("phones", phoned)):
        for at, name in enumerate(accounts):
            if name not in names:
                found.append(((kind, at, "account"), f"account {name!r} does not exist (known: {known})"))
    for kind, key, values in (
        ("accounts", "name", [account.name for account in settings.accounts]),
        ("numbers", "number", [number.number for number in settings.numbers]),
        ("phones", "username", [phone.username for phone in settings.phones]),
    ):
        found += [((kind, at, key), f"{value!r} is there already") for at, value in enumerate(values) if value in values[:at]]
    if not is_loopback(settings.http.listen) and not settings.http.admin_token:
        found.append((("http", "admin_token"), "is needed when http.listen is off loopback"))
    if bool(settings.http.tls_certificate) != bool(settings.http.tls_key):
        missing = "tls_key" if settings.http.tls_certificate else "tls_certificate"
        found.append((("http", missing), "is missing: http.tls_certificate and http.tls_key go together"))
    return found
