"""Rule: "dead letters kept and replayable by API and command line": over HTTP, for operators."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, MutableMapping
from typing import Any
from urllib.parse import urlencode

import pytest
from starlette.applications import Starlette
from starlette.requests import Request

from hubbub.api.letters import letter_routes
from hubbub.clock import ManualClock
from hubbub.ids import new_id
from hubbub.storage.store import Enqueue, Store
from hubbub.webhooks.delivery import Notice


def notice(number: int, account: str = "dev") -> Notice:
    return Notice(new_id(), "lane", account, "face", "POST", f"http://user:secret@h/{number}", (("n", "x"),), event=f"event{number}")


class Office:
    """Three dead notices, one delivered and one that is due; who asks has the token, or not."""

    def __init__(self, store: Store, notices: list[Notice]) -> None:
        self.store, self.notices = store, notices
        self.allowed = True
        routes = letter_routes(store, self._may, self._may)
        self._app = Starlette(routes=routes)

    def _may(self, _: Request) -> bool:
        return self.allowed

    async def ask(self, method: str, path: str, query: str = "", body: bytes = b"") -> tuple[int, Any]:
        """Status and JSON of an answer."""
        sent: list[MutableMapping[str, Any]] = []

        async def receive() -> MutableMapping[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: MutableMapping[str, Any]) -> None:
            sent.append(message)

        scope = {"type": "http", "method": method, "path": path, "raw_path": path.encode(), "query_string": query.encode(), "headers": []}
        await self._app({**scope, "http_version": "1.1", "scheme": "http", "root_path": ""}, receive, send)
        return sent[0]["status"], json.loads(b"".join(part.get("body", b"") for part in sent[1:]))

    async def events(self, **query: str) -> list[str]:
        return [each["event"] for each in (await self.ask("GET", "/hubbub/outbox", urlencode(query)))[1]["notices"]]

    async def replay(self, body: Any = None) -> tuple[int, Any]:
        status, answer = await self.ask("POST", "/hubbub/outbox/replay", body=b"" if body is None else json.dumps(body).encode())
        return status, answer.get("replayed")


@pytest.fixture
async def office() -> AsyncIterator[Office]:
    store = Store("sqlite:///:memory:", clock=ManualClock())
    await store.open()
    notices = [notice(0), notice(1, "other"), notice(2), notice(3), notice(4)]
    await store.commit(*(Enqueue(each) for each in notices))
    seqs = [row["seq"] for row in await store.outbox.due(0, 10)]
    await store.outbox.settle(done=[seqs[3]], dead=[(seq, 2, "refused") for seq in seqs[:3]])
    made = Office(store, notices)
    yield made
    await store.close()


async def test_they_are_listed_without_credentials_and_bodies(office: Office) -> None:
    _, reply = await office.ask("GET", "/hubbub/outbox")
    (first, *_) = found = reply["notices"]
    assert [each["event"] for each in found] == ["event0", "event1", "event2"]
    assert (first["id"], first["account"], first["error"], first["attempts"]) == (office.notices[0].id, "dev", "refused", 2)
    assert first["url"] == "http://h/0"
    assert "secret" not in json.dumps(reply)
    assert await office.events(account="other") == ["event1"]
    assert await office.events(state="due") == ["event4"]
    assert await office.events(limit="1") == ["event0"]


async def test_all_are_sent_again_in_their_old_order(office: Office) -> None:
    assert await office.replay() == (200, 3)
    assert await office.events(state="due") == ["event4", "event0", "event1", "event2"]
    assert await office.replay() == (200, 0)


async def test_an_accounts_and_single_ones(office: Office) -> None:
    assert await office.replay({"account": "other"}) == (200, 1)
    assert await office.replay({"ids": [office.notices[3].id, office.notices[4].id, "nothing"]}) == (200, 1), "the delivered one too"
    assert await office.replay({"ids": []}) == (200, 0)
    assert await office.replay({"ids": [office.notices[0].id], "account": "other"}) == (200, 0)
    assert await office.events() == ["event0", "event2"]


@pytest.mark.parametrize("body", [[], {"ids": "x"}, {"ids": [1]}, {"account": 1}, {"idz": []}])
async def test_what_is_not_understood_replays_nothing(office: Office, body: Any) -> None:
    assert (await office.replay(body))[0] == 400
    assert len(await office.events()) == 3


@pytest.mark.parametrize(
    "query", ["state=lost", "limit=0", "limit=x", "limit=99999999999", "limit=0000000001999", "limit=0000000010000000000000000000"]
)
async def test_questions_that_are_not_understood(office: Office, query: str) -> None:
    assert (await office.ask("GET", "/hubbub/outbox", query))[0] == 400


async def test_for_operators_only(office: Office) -> None:
    office.allowed = False
    assert (await office.ask("GET", "/hubbub/outbox"))[0] == 401
    assert (await office.replay())[0] == 401
    office.allowed = True
    assert len(await office.events()) == 3
