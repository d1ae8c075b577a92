"""Runs in an SDK's own environment: the unmodified packages against a hubbub given on the command line.

`functions`: what an agents SDK answers to function webhooks. `helpers`: every other helper of its results.
`rest`: the compatibility SDK drives REST over https.
`validate`: its validator on requests that arrived. Prints one JSON object of what was seen.
"""

from __future__ import annotations

import json
import sys
from typing import Any


def functions(job: dict[str, Any]) -> dict[str, Any]:
    """Replies of FunctionResult, as the SDK serialises them."""
    try:
        from signalwire.core.function_result import FunctionResult as Result
    except ImportError:
        from signalwire_agents.core.function_result import SwaigFunctionResult as Result
    script = {"version": "1.0.0", "sections": {"main": [{"join_conference": "room"}]}}
    refused = {}
    for name, wrong in (("beep", {"beep": "loud"}), ("record", {"record": "always"}), ("name", {"name": " "})):
        try:
            Result("x").join_conference(**{"name": "room", **wrong})
        except ValueError as error:
            refused[name] = str(error)
    return {
        "plain": Result("ok").join_conference("room").to_dict(),
        "full": Result("ok").join_conference("room", **job["options"]).to_dict(),
        "transfer": Result("ok").execute_swml(script, transfer=True).to_dict(),
        "raw": Result("ok").execute_swml("no json at all").to_dict(),
        "nothing": Result("done").to_dict(),
        "refused": refused,
    }


def helpers(job: dict[str, Any]) -> dict[str, Any]:
    """What every helper of FunctionResult says, as the SDK serialises it; None where this version has none, and which are not asked."""
    try:
        from signalwire.core.function_result import FunctionResult as Result
    except ImportError:
        from signalwire_agents.core.function_result import SwaigFunctionResult as Result
    others = {"set_response", "set_tool_response", "set_post_process", "add_action", "add_actions", "to_dict", "execute_rpc"}
    others |= {"execute_swml", "join_conference", "create_payment_prompt", "create_payment_action", "create_payment_parameter"}
    said: dict[str, Any] = {}
    for name, args, kwargs in job["calls"]:
        helper = getattr(Result("ok"), name, None)
        said.setdefault(name, []).append(None if helper is None else helper(*args, **kwargs).to_dict())
    public = {name for name in dir(Result) if not name.startswith("_") and callable(getattr(Result, name))}
    return {"said": said, "forgotten": sorted(public - set(said) - others)}


def rest(job: dict[str, Any]) -> dict[str, Any]:
    """Conferences, participants, calls, errors, as an application would use them."""
    import certifi

    certifi.where = lambda: job["certificate"]  # the server's certificate is one of the test's own making
    from signalwire.rest import Client
    from twilio.base.exceptions import TwilioRestException

    client = Client(job["project"], job["token"], signalwire_space_url=job["host"])
    room = client.conferences.list(friendly_name="Room 1234", status="in-progress")[0]
    people = client.conferences(room.sid).participants.list()
    first = people[0].call_sid
    muted = client.conferences(room.sid).participants(first).update(muted=True)
    filtered = client.conferences(room.sid).participants.list(muted=True)
    call = client.calls(first).fetch()
    calls = client.calls.list(page_size=1, limit=3)
    ended = client.conferences(room.sid).update(status="completed")
    try:
        client.conferences("00000000-0000-4000-8000-00000000ffff").fetch()
    except TwilioRestException as error:
        missing = {"status": error.status, "code": error.code}
    return {
        "room": {"sid": room.sid, "status": room.status, "uri": room.uri},
        "people": len(people),
        "muted": muted.muted,
        "filtered": [person.call_sid for person in filtered] == [first],
        "call": {"sid": call.sid, "status": call.status, "direction": call.direction},
        "calls": len(calls),
        "ended": {"status": ended.status, "reason": ended.reason_conference_ended},
        "missing": missing,
    }


def validate(job: dict[str, Any]) -> dict[str, Any]:
    """The package's validator: forms (scheme B) and raw bodies (scheme A)."""
    from signalwire.request_validator import RequestValidator

    def verdicts(key: str) -> list[bool]:
        validator = RequestValidator(key)
        return [
            bool(validator.validate(r["url"], dict(r["fields"]) if r["fields"] else r["body"], r["signature"])) for r in job["requests"]
        ]

    return {"verdicts": verdicts(job["token"]), "forged": verdicts("PSK_other")}


if __name__ == "__main__":
    work = {"functions": functions, "helpers": helpers, "rest": rest, "validate": validate}[sys.argv[1]]
    print(json.dumps(work(json.load(sys.stdin))))
