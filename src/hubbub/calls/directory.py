"""The directory: numbers, applications and API keys. From the configuration, and from the store, where they can be changed at run time.

All of it is held in memory, because every call and every request asks for it; a change is stored first. A stored number outranks the
configured one of the same digits; forgetting it brings the configured one back.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from hubbub.clock import Clock
from hubbub.conference.rows import brought_back, kept
from hubbub.errors import Refused
from hubbub.ids import Id, new_id
from hubbub.settings import Number, Settings
from hubbub.storage.changes import Delete, Put, Query, Table
from hubbub.storage.store import Store

CATCH_ALL = "*"


@dataclass(frozen=True)
class ApplicationRecord:
    """Where the documents of calls are, under a name of its own."""

    id: Id
    account: str
    dialect: str
    created: float
    updated: float
    name: str = ""
    url: str = ""
    method: str = "POST"
    fallback_url: str = ""
    fallback_method: str = "POST"
    status_url: str = ""
    status_method: str = "POST"
    extra: Mapping[str, Any] = field(default_factory=dict)
    """What a dialect keeps beside."""


@dataclass(frozen=True)
class NumberRecord(ApplicationRecord):
    """A number and who answers it."""

    number: str = ""
    application: Id | None = None
    """It outranks the number's own URLs."""
    username: str = ""
    password: str = field(default="", repr=False)
    configured: bool = False
    """Whether it stands in the configuration file and was not changed since."""


@dataclass(frozen=True)
class KeyRecord:
    """An API key; of its secret only a hash is kept."""

    id: Id
    account: str
    created: float
    updated: float
    name: str = ""
    digest: str = ""


Thing = TypeVar("Thing", NumberRecord, ApplicationRecord, KeyRecord)
TABLES: Mapping[type[Any], Table] = {NumberRecord: "numbers", ApplicationRecord: "applications", KeyRecord: "keys"}


def number_id(number: str) -> Id:
    """The identity of a number: the same wherever it is written down."""
    return Id(hashlib.sha256(number.encode()).hexdigest()[:32])


def digest_of(secret: str) -> str:
    """Secrets are 128 random bits: one round of SHA-256 hides them as well as many would."""
    return hashlib.sha256(secret.encode()).hexdigest()


class Directory:
    """What accounts have configured."""

    def __init__(self, store: Store, settings: Settings, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._configured = {number_id(entry.number): _from_settings(entry) for entry in settings.numbers}
        self._things: dict[type[Any], dict[Id, Any]] = {NumberRecord: {}, ApplicationRecord: {}, KeyRecord: {}}

    async def load(self) -> None:
        """Read what is stored."""
        for kind, table in TABLES.items():
            rows = await self._store.find(Query(table))
            self._things[kind] = {Id(row["id"]): brought_back(kind, row["data"]["record"]) for row in rows}

    # -- reading -----------------------------------------------------------------------------------------------

    def all(self, kind: type[Thing], account: str) -> list[Thing]:
        """Everything of a kind that an account has, newest first."""
        found: Iterable[Thing] = self._everything(kind).values()
        return sorted((thing for thing in found if thing.account == account), key=lambda thing: (thing.created, thing.id), reverse=True)

    def get(self, kind: type[Thing], account: str, identity: Id | None) -> Thing | None:
        """One of an account's things."""
        found: Thing | None = self._everything(kind).get(identity) if identity is not None else None
        return found if found is not None and found.account == account else None

    def _everything(self, kind: type[Any]) -> Mapping[Id, Any]:
        stored = self._things[kind]
        return {**self._configured, **stored} if kind is NumberRecord else stored

    def key(self, identity: Id, secret: str) -> KeyRecord | None:
        """The key with that identity, if this is its secret."""
        found: KeyRecord | None = self._things[KeyRecord].get(identity)
        same = hmac.compare_digest(digest_of(secret), found.digest if found is not None else "")
        return found if same else None

    def key_named(self, identity: Id) -> KeyRecord | None:
        """The key with that identity."""
        found: KeyRecord | None = self._things[KeyRecord].get(identity)
        return found

    def answering(self, user: str) -> NumberRecord | None:
        """Who answers a dialled number: exactly, then with `+` put before it, then the one that catches the rest."""
        everything = self._everything(NumberRecord)
        for number in (user, f"+{user}", CATCH_ALL):
            found: NumberRecord | None = everything.get(number_id(number))
            if found is not None:
                return self._with_application(found)
        return None

    def _with_application(self, number: NumberRecord) -> NumberRecord:
        application = self.get(ApplicationRecord, number.account, number.application)
        if application is None:
            return number
        names = ("url", "method", "fallback_url", "fallback_method", "status_url", "status_method", "dialect")
        return replace(number, **{name: getattr(application, name) for name in names})

    @property
    def empty(self) -> bool:
        """Whether there is no number at all."""
        return not self._configured and not self._things[NumberRecord]

    # -- changing ----------------------------------------------------------------------------------------------

    async def add_number(self, account: str, dialect: str, number: str, values: Mapping[str, Any]) -> NumberRecord:
        """A new number of an account. Raises Refused (number-taken)."""
        identity = number_id(number)
        if identity in self._everything(NumberRecord):
            raise Refused("number-taken", f"{number} is configured already")
        now = self._clock.now()
        return await self.put(
            NumberRecord(id=identity, account=account, dialect=dialect, created=now, updated=now, number=number, **values)
        )

    async def add_application(self, account: str, dialect: str, values: Mapping[str, Any]) -> ApplicationRecord:
        """A new application of an account."""
        now = self._clock.now()
        return await self.put(ApplicationRecord(id=new_id(), account=account, dialect=dialect, created=now, updated=now, **values))

    async def add_key(self, account: str, name: str) -> tuple[KeyRecord, str]:
        """A new key and its secret, which is told this once."""
        now, secret = self._clock.now(), secrets.token_hex(16)
        key = KeyRecord(id=new_id(), account=account, created=now, updated=now, name=name, digest=digest_of(secret))
        return await self.put(key), secret

    async def change(self, thing: Thing, values: Mapping[str, Any]) -> Thing:
        """Change a thing."""
        more: Mapping[str, Any] = {"configured": False} if isinstance(thing, NumberRecord) else {}
        return await self.put(replace(thing, **{**values, **more, "updated": self._clock.now()}))

    async def put(self, thing: Thing) -> Thing:
        """Store a thing, then use it."""
        columns: dict[str, Any] = {"account": thing.account, "created": thing.created, "updated": thing.updated}
        if isinstance(thing, NumberRecord):
            columns["number"] = thing.number
        await self._store.commit(Put(TABLES[type(thing)], thing.id, {**columns, "data": {"record": kept(type(thing), thing)}}))
        self._things[type(thing)][thing.id] = thing
        return thing

    async def remove(self, thing: Thing) -> None:
        """Forget a thing. Raises Refused (configured) for a number that only the configuration file knows."""
        if isinstance(thing, NumberRecord) and thing.configured:
            raise Refused("configured", "this number stands in the configuration file: take it out there")
        await self._store.commit(Delete(TABLES[type(thing)], thing.id))
        self._things[type(thing)].pop(thing.id, None)


def routed(entry: ApplicationRecord) -> Number:
    """What the directory says about a number or an application, as the configuration would."""
    same = ("account", "dialect", "url", "method", "fallback_url", "fallback_method")
    told: dict[str, Any] = {"status_callback": entry.status_url, "status_callback_method": entry.status_method}
    told |= {name: getattr(entry, name, "") for name in ("number", "username", "password")}
    return Number.model_construct(**{name: getattr(entry, name) for name in same}, **told)


def _from_settings(entry: Number) -> NumberRecord:
    return NumberRecord(
        id=number_id(entry.number),
        account=entry.account,
        dialect=entry.dialect,
        created=0.0,
        updated=0.0,
        name=entry.number,
        number=entry.number,
        url=entry.url,
        method=entry.method,
        fallback_url=entry.fallback_url,
        fallback_method=entry.fallback_method,
        status_url=entry.status_callback,
        status_method=entry.status_callback_method,
        username=entry.username,
        password=entry.password,
        configured=True,
    )
