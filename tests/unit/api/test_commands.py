"""Commands: what is refused before anything is done, and what happens to a call that cannot be stored."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from starlette.requests import Request
from tests.support.facts import ACCOUNT

from hubbub.api.calls import committed
from hubbub.api.commands import INVALID_REQUEST, Commands, _object
from hubbub.api.rest import _json_pairs
from hubbub.errors import Refused

UNKEEPABLE = (b'{"caller_id":"\\ud800"}', b'{"a":[{"\\udc00":1}]}', b'{"id":NaN}', b'{"id":-Infinity}', b'{"id":1e999}')


def request(body: bytes) -> Request:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    return Request({"type": "http", "method": "POST", "path": "/", "headers": []}, receive)


@pytest.mark.parametrize("body", UNKEEPABLE)
async def test_a_body_that_cannot_be_kept_is_refused(body: bytes) -> None:
    """RFC 8259: NaN is no JSON; half of a surrogate pair is no text."""
    with pytest.raises(Refused) as caught:
        await _object(request(body))
    assert caught.value.reason == "malformed"
    with pytest.raises(Refused) as caught:
        _json_pairs(body)
    assert caught.value.reason == "bad-parameter"


async def test_text_outside_of_ascii_is_kept() -> None:
    assert await _object(request('{"a":"é\\ud83d\\ude00"}'.encode())) == {"a": "é😀"}


@pytest.mark.parametrize("number", [True, [1], {}])
async def test_an_id_is_a_text_a_number_or_null(number: Any) -> None:
    """JSON-RPC 2.0: the id "MUST contain a String, Number, or NULL value"; nothing is done for another one."""
    commands = cast(Any, Commands.__new__(Commands))
    answer = await commands._called(request(b""), ACCOUNT, {"jsonrpc": "2.0", "id": number, "method": "calling.end"})
    assert str(INVALID_REQUEST).encode() in answer.body


async def test_a_call_that_cannot_be_stored_is_hung_up_whatever_the_reason() -> None:
    """It would count against the account's limit for ever."""
    ended: list[str] = []

    async def refused() -> None:
        raise UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed")

    with pytest.raises(UnicodeEncodeError):
        await committed(cast(Any, SimpleNamespace(hangup=lambda: ended.append("hung up"))), refused())
    assert ended == ["hung up"]
