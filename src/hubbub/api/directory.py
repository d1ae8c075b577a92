"""The neutral operations behind REST for what accounts configure: numbers, applications, keys."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from hubbub.api.lists import windowed
from hubbub.api.request import Asked
from hubbub.calls.directory import ApplicationRecord, KeyRecord, NumberRecord, Thing
from hubbub.dialects.tables import Page
from hubbub.errors import Refused

ANSWERING = ("name", "url", "method", "fallback_url", "fallback_method", "status_url", "status_method")
"""What a number and an application have in common."""


async def create_number(asked: Asked) -> NumberRecord:
    """A number that the account answers from now on."""
    number = asked.values.get("number")
    if not number:
        raise Refused("bad-number", "PhoneNumber is needed: numbers are not bought here, but named")
    values = {"name": number, **_given(asked, (*ANSWERING, "application"))}
    _check_application(asked)
    return await asked.hub.directory.add_number(asked.account.name, asked.face.dialect.name, number, values)


async def list_numbers(asked: Asked) -> Page:
    """The account's numbers, configured and stored."""
    digits = str(asked.values.get("number", "")).strip("*")
    found = [n for n in asked.hub.directory.all(NumberRecord, asked.account.name) if digits in n.number]
    return _named(asked, found)


async def fetch_number(asked: Asked) -> NumberRecord:
    """One number."""
    return _thing(asked, NumberRecord, "number")


async def update_number(asked: Asked) -> NumberRecord:
    """Change who answers a number: the next call goes there."""
    number = _thing(asked, NumberRecord, "number")
    _check_application(asked)
    return await asked.hub.directory.change(number, _given(asked, (*ANSWERING, "application")))


async def delete_number(asked: Asked) -> None:
    """Forget a number; a configured one is what the file says again."""
    await asked.hub.directory.remove(_thing(asked, NumberRecord, "number"))


async def create_application(asked: Asked) -> ApplicationRecord:
    """URLs under a name."""
    return await asked.hub.directory.add_application(asked.account.name, asked.face.dialect.name, _given(asked, ANSWERING))


async def list_applications(asked: Asked) -> Page:
    """The account's applications."""
    return _named(asked, asked.hub.directory.all(ApplicationRecord, asked.account.name))


async def fetch_application(asked: Asked) -> ApplicationRecord:
    """One application."""
    return _thing(asked, ApplicationRecord, "application")


async def update_application(asked: Asked) -> ApplicationRecord:
    """Change an application: its numbers go with it."""
    return await asked.hub.directory.change(_thing(asked, ApplicationRecord, "application"), _given(asked, ANSWERING))


async def delete_application(asked: Asked) -> None:
    """Forget an application; its numbers are answered by their own URLs again."""
    await asked.hub.directory.remove(_thing(asked, ApplicationRecord, "application"))


async def create_key(asked: Asked) -> tuple[KeyRecord, str]:
    """A key; its secret is shown this once."""
    return await asked.hub.directory.add_key(asked.account.name, asked.values.get("name", ""))


async def list_keys(asked: Asked) -> Page:
    """The account's keys, without their secrets."""
    return _named(asked, asked.hub.directory.all(KeyRecord, asked.account.name))


async def fetch_key(asked: Asked) -> KeyRecord:
    """One key, without its secret."""
    return _thing(asked, KeyRecord, "key")


async def update_key(asked: Asked) -> KeyRecord:
    """Rename a key."""
    return await asked.hub.directory.change(_thing(asked, KeyRecord, "key"), _given(asked, ("name",)))


async def delete_key(asked: Asked) -> None:
    """Forget a key: it opens nothing any more."""
    await asked.hub.directory.remove(_thing(asked, KeyRecord, "key"))


def _thing(asked: Asked, kind: type[Thing], name: str) -> Thing:
    found = asked.hub.directory.get(kind, asked.account.name, asked.identity(name))
    if found is None:
        raise Refused("not-found")
    return found


def _named(asked: Asked, found: Sequence[Thing]) -> Page:
    name = asked.values.get("name")
    return windowed([thing for thing in found if name is None or thing.name == name], asked.window, lambda thing: thing.id)


def _given(asked: Asked, names: Sequence[str]) -> dict[str, Any]:
    return {name: asked.values[name] for name in names if name in asked.values}


def _check_application(asked: Asked) -> None:
    wanted = asked.values.get("application")
    if wanted is not None and asked.hub.directory.get(ApplicationRecord, asked.account.name, wanted) is None:
        raise Refused("bad-application", "there is no such application")


OPERATIONS: Mapping[str, Callable[[Asked], Awaitable[Any]]] = {
    operation.__name__: operation
    for operation in (
        *(create_number, list_numbers, fetch_number, update_number, delete_number),
        *(create_application, list_applications, fetch_application, update_application, delete_application),
        *(create_key, list_keys, fetch_key, update_key, delete_key),
    )
}
