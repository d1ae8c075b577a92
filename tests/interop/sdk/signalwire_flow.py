"""Runs in an SDK's own environment: the unmodified packages against a hubbub given on the command line.

`functions`: what an agents SDK answers to function webhooks. `helpers`: every other helper of its results. `rest`: the compatibility SDK
drives REST over https. `validate`: its validator on requests that arrived. `calling`: an agents SDK's client drives a call by commands.
`compat`: its compatibility namespace, which sends JSON. Prints one JSON object of what was seen.
"""

from __future__ import annotations

import json
import sys
import time
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


def datamaps(job: dict[str, Any]) -> dict[str, Any]:
    """Functions that this SDK builds with DataMap; and what its own simulation makes of them, where it has the platform's rules."""
    try:
        from signalwire.core.data_map import DataMap, create_expression_tool, create_simple_api_tool
        from signalwire.core.function_result import FunctionResult as Result
    except ImportError:
        from signalwire_agents.core.data_map import DataMap, create_expression_tool, create_simple_api_tool
        from signalwire_agents.core.function_result import SwaigFunctionResult as Result
    base = job["base"]
    walk = {"input_key": "results", "output_key": "lines", "max": 2, "append": "${this.title} (${this.score}); "}
    found = Result("Found ${total}: ${lines}for ${input.args.query}").add_action("set_meta_data", {"last": "${input.args.query}"})
    room = {"version": "1.0.0", "sections": {"main": [{"join_conference": "${args.room}"}]}}
    built = [
        DataMap("search")
        .description("Search")
        .parameter("query", "string", "What", required=True)
        .webhook("POST", base + "/search?q=${lc:enc:args.query}", headers={"X-Key": "k"})
        .params({"query": "${args.query}", "limit": 3, "tier": "${global_data.tier}"})
        .foreach(walk)
        .output(found)
        .error_keys(["error"])
        .fallback_output(Result("no luck with ${args.query}")),
        DataMap("array").webhook("GET", base + "/array").output(Result("${array[0].joke} ${array[-1].joke} %{global_data.tier}")),
        DataMap("failing")
        .webhook("GET", base + "/failing")
        .output(Result("x"))
        .error_keys(["error"])
        .fallback_output(Result("sorry ${args.q}")),
        DataMap("broken").webhook("GET", base + "/broken").output(Result("x")).fallback_output(Result("broken")),
        DataMap("post_expressions")
        .webhook("GET", base + "/array")
        .webhook_expressions([{"string": "${array[0].joke}", "pattern": "^KNOCK", "output": Result("who is there").to_dict()}])
        .output(Result("not a joke")),
        DataMap("chosen")
        .webhook("GET", base + "/nobody", require_args=["zip"])
        .output(Result("zip"))
        .webhook("GET", base + "/array", require_args=["city"])
        .output(Result("city ${input.args.city}")),
        DataMap("join").expression("${args.room}", r"^[a-z]+$", Result("joining").execute_swml(room), nomatch_output=Result("bad name")),
        create_expression_tool("files", {"${args.command}": (r"start.*", Result("go").add_action("say", "${args.file}"))}),
        create_simple_api_tool(
            "simple", base + "/search?q=${args.query}", "total ${total}", method="POST", body={"query": "${args.query}"}
        ),
    ]
    functions = {tool["function"]: tool for tool in (each.to_swaig_function() for each in built)}
    simulated = {}
    if job["simulate"]:
        from signalwire.cli.execution.datamap_exec import execute_datamap_function

        for index, (name, arguments) in enumerate(job["calls"]):
            simulated[str(index)] = execute_datamap_function(functions[name], arguments, call_data={"global_data": {"tier": "gold"}})
    return {"functions": list(functions.values()), "simulated": simulated}


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


def _client(job: dict[str, Any]) -> tuple[Any, type[Exception]]:
    """The client of either agents SDK, and its error."""
    try:
        from signalwire.rest._base import SignalWireRestError as Error
        from signalwire.rest.client import RestClient as Client
    except ImportError:
        from signalwire_agents.rest._base import SignalWireRestError as Error
        from signalwire_agents.rest.client import SignalWireClient as Client
    return Client(job["project"], job["token"], job["host"]), Error


def calling(job: dict[str, Any]) -> dict[str, Any]:
    """A call is made, played to, recorded, cleaned of noise, transferred and ended by commands; the logs show it."""
    client, error = _client(job)
    script = {"version": "1.0.0", "sections": {"main": [{"answer": {}}, {"sleep": 60000}]}}
    newer = "signalwire.rest.client" in sys.modules
    made = client.calling.dial(**{"from_" if newer else "from": job["from"], "to": job["to"], "swml": script})
    call, deadline = made["id"], time.monotonic() + 20
    while client.logs.voice.get(call)["status"] != "answered" and time.monotonic() < deadline:
        time.sleep(0.05)
    told = {"extras": {"status_url": job["told"]}} if newer else {"status_url": job["told"]}
    item = {"type": "audio", "params": {"url": job["audio"]}}
    seen: dict[str, Any] = {"call": call, "direction": made["direction"]}
    seen["control"] = client.calling.play(call, play=[item], control_id="song", **told)["control_id"]
    for step in ("play_pause", "play_resume"):
        getattr(client.calling, step)(call, control_id="song")
    client.calling.play_volume(call, control_id="song", volume=-10)
    client.calling.play_stop(call, control_id="song")
    audio = {"direction": "speak", "end_silence_timeout": 0, "initial_timeout": 0}
    client.calling.record(call, control_id="tape", audio=audio, **told)
    time.sleep(1.0)
    client.calling.record_stop(call, control_id="tape")
    client.calling.collect(call, control_id="keys", digits={"max": 1}, initial_timeout=0.1, **told)
    seen["denoised"] = [client.calling.denoise(call)["id"], client.calling.denoise_stop(call)["id"]]
    seen["transferred"] = client.calling.transfer(call, dest=script)["id"]
    client.calling.update(id=call, status="completed")
    errors = {}
    for name, attempt in {
        "unknown": lambda: client.calling.end("00000000-0000-4000-8000-00000000ffff"),
        "wrong": lambda: client.calling.dial(**{"from_" if newer else "from": job["from"], "to": "nobody at all", "swml": script}),
    }.items():
        try:
            attempt()
        except error as caught:
            errors[name] = [caught.status_code, caught.body]  # type: ignore[attr-defined]
    while client.logs.voice.get(call)["status"] != "completed" and time.monotonic() < deadline:
        time.sleep(0.05)
    seen["logged"] = client.logs.voice.get(call)["status"]
    seen["events"] = len(client.logs.voice.list_events(call)["data"])
    seen["rooms"] = [room["type"] for room in client.logs.conferences.list(page_size=1)["data"]]
    return {**seen, "errors": errors}


def compat(job: dict[str, Any]) -> dict[str, Any]:
    """The compatibility namespace: JSON bodies, no suffix, the vendor's base path."""
    client, error = _client(job)
    rooms = client.compat.conferences
    room = rooms.list(FriendlyName="Room 1234", Status="in-progress")["conferences"][0]
    people = rooms.list_participants(room["sid"])["participants"]
    one = people[0]["call_sid"]
    seen = {
        "room": rooms.get(room["sid"])["status"],
        "people": len(people),
        "muted": rooms.update_participant(room["sid"], one, Muted=True)["muted"],
        "filtered": len(rooms.list_participants(room["sid"], Muted="true")["participants"]),
        "unmuted": rooms.update_participant(room["sid"], one, Muted=False)["muted"],
        "member": rooms.get_participant(room["sid"], one)["status"],
        "call": client.compat.calls.get(one)["status"],
    }
    tape = client.compat.calls.start_recording(one, RecordingChannels="dual")
    time.sleep(1.0)
    seen["taped"] = client.compat.calls.update_recording(one, tape["sid"], Status="stopped")["status"]
    made = client.compat.calls.create(To=job["to"], From=job["from"], Laml='<Response><Pause length="30"/></Response>')
    seen["made"] = made["direction"]
    client.compat.calls.update(made["sid"], Status="completed")
    rooms.remove_participant(room["sid"], one)
    seen["left"] = len(rooms.list_participants(room["sid"])["participants"])
    seen["ended"] = rooms.update(room["sid"], Status="completed")["status"]
    try:
        rooms.get("00000000-0000-4000-8000-00000000ffff")
    except error as caught:
        seen["missing"] = [caught.status_code, json.loads(caught.body)["code"] if isinstance(caught.body, str) else caught.body["code"]]  # type: ignore[attr-defined]
    return seen


if __name__ == "__main__":
    work = {
        "datamaps": datamaps,
        "functions": functions,
        "rest": rest,
        "validate": validate,
        "calling": calling,
        "compat": compat,
        "helpers": helpers,
    }[sys.argv[1]]
    print(json.dumps(work(json.load(sys.stdin))))
