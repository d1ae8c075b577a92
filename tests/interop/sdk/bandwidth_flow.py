"""Runs in the SDK's own environment: the unmodified official package against a hubbub given on the command line.

Only `Configuration(host=…)` names another server. Prints one JSON object of what was seen.
"""

from __future__ import annotations

import inspect
import json
import sys
import time
from typing import Any

import bandwidth
from bandwidth.models import bxml
from bandwidth.models.bxml.verb import Verb


def client(job: dict[str, Any], **credentials: str) -> bandwidth.ApiClient:
    """A client of the SDK; with Basic authentication unless told otherwise."""
    given = credentials or {"username": job["username"], "password": job["password"]}
    settings = bandwidth.Configuration(host=job["base"] + "/api/v2", ignore_operation_servers=True, **given)
    return bandwidth.ApiClient(settings)


def status_of(work: Any) -> dict[str, Any]:
    """Status and type of the error that some work ends with."""
    try:
        work()
    except bandwidth.ApiException as error:
        body = json.loads(error.body or "{}")
        return {"status": error.status, "type": body.get("type"), "description": body.get("description")}
    return {"status": 200}


def document(job: dict[str, Any]) -> dict[str, Any]:
    """A document that the SDK writes."""
    conference = bxml.Conference("sdk-room", conference_event_url=job["events"], tag="by sdk", callback_timeout="5")
    return {"document": str(bxml.Bxml([bxml.SpeakSentence("hello"), conference]).to_bxml())}


def rest(job: dict[str, Any]) -> dict[str, Any]:
    """Calls and conferences as an application would use them."""
    account, api = job["account"], client(job)
    calls, rooms, recordings = bandwidth.CallsApi(api), bandwidth.ConferencesApi(api), bandwidth.RecordingsApi(api)
    wanted = bandwidth.CreateCall(
        to=job["callee"], var_from="+15550002000", application_id=job["application"], answer_url=job["answer"], tag="T", call_timeout=20
    )
    made = calls.create_call_with_http_info(account, wanted)
    call = made.data.call_id
    room = until(lambda: rooms.list_conferences(account, name="sdk-room"))[0]
    shown = until(lambda: (found := rooms.get_conference(account, room.id)).active_members and found)
    member = shown.active_members[0]
    rooms.update_conference_member(account, room.id, call, bandwidth.UpdateConferenceMember(mute=True))
    muted = rooms.get_conference_member(account, room.id, call).mute
    rooms.update_conference_bxml(account, room.id, str(bxml.Bxml([bxml.StartRecording()]).to_bxml()))
    rooms.update_conference(account, room.id, bandwidth.UpdateConference(redirect_url=job["redirected"]))
    time.sleep(1.5)
    rooms.update_conference_bxml(account, room.id, str(bxml.Bxml([bxml.StopRecording()]).to_bxml()))
    recorded = until(lambda: [each for each in rooms.list_conference_recordings(account, room.id) if each.status == "complete"])[0]
    media = rooms.download_conference_recording(account, room.id, recorded.recording_id)
    state = calls.get_call_state(account, call)
    calls.update_call_bxml(account, call, str(bxml.Bxml([bxml.Pause(duration="30")]).to_bxml()))
    gone = until(lambda: (found := rooms.get_conference(account, room.id)).completed_time and found)
    calls.update_call(account, call, bandwidth.UpdateCall(state="completed"))
    over = until(lambda: (found := calls.get_call_state(account, call)).state == "disconnected" and found)
    missing = "conf-00000000-00000000-0000-0000-0000-000000000000"
    bad = bandwidth.CreateCall(to="+1invalid", var_from="+15550002000", application_id=job["application"], answer_url=job["answer"])
    return {
        "created": {"status": made.status_code, "tag": made.data.tag, "timeout": made.data.call_timeout, "method": made.data.answer_method},
        "room": {"tag": room.tag, "name": room.name, "listed_members": room.active_members},
        "member": {"call": member.call_id == call, "muted": muted},
        "recording": {"seconds": recorded.duration, "size": len(media), "format": recorded.file_format},
        "state": {"state": state.state, "direction": state.direction, "answered": state.answer_time is not None},
        "members_after": len(gone.active_members or []),
        "over": {"state": over.state, "cause": over.disconnect_cause},
        "listed": call in [each.call_id for each in calls.list_calls(account, var_from="+15550002000")],
        "recordings": len(recordings.list_call_recordings(account, call)),
        "statistics": bandwidth.StatisticsApi(api).get_statistics(account).current_call_queue_size,
        "missing": status_of(lambda: rooms.get_conference(account, missing)),
        "foreign": status_of(lambda: rooms.list_conferences("5555555")),
        "wrong": status_of(lambda: bandwidth.CallsApi(client(job, username="a", password="b")).list_calls(account)),
        "bad_to": status_of(lambda: calls.create_call(account, bad)),
        "no_redirect": status_of(lambda: calls.update_call(account, call, bandwidth.UpdateCall(state="active"))),
        "changed_late": status_of(lambda: calls.update_call(account, call, bandwidth.UpdateCall(state="completed"))),
        "no_xml": status_of(lambda: calls.update_call_bxml(account, call, "not xml")),
    }


def oauth(job: dict[str, Any]) -> dict[str, Any]:
    """A token for client credentials, as the SDK fetches it, and with it a list."""
    settings = bandwidth.Configuration(
        host=job["base"] + "/api/v2",
        ignore_operation_servers=True,
        access_token_url=job["base"] + "/api/v1/oauth2/token",
        client_id=job["username"],
        client_secret=job["password"],
    )
    listed = bandwidth.ConferencesApi(bandwidth.ApiClient(settings)).list_conferences(job["account"])
    return {"rooms": len(listed), "token": settings.temp_access_token, "left": settings.temp_access_token_expiration - time.time()}


def callbacks(job: dict[str, Any]) -> dict[str, Any]:
    """Each webhook that arrived, read by its model of the SDK; what the model does not know is named."""
    unknown: dict[str, list[str]] = {}
    for event in job["events"]:
        name = event["eventType"][0].upper() + event["eventType"][1:] + "Callback"
        read = getattr(bandwidth, name.replace("RecordComplete", "RecordingComplete")).from_dict(event)
        known = {field.alias or key for key, field in type(read).model_fields.items()}
        unknown.setdefault(event["eventType"], []).extend(sorted(set(event) - known))
        assert read.event_type == event["eventType"]
    return unknown


def words(job: dict[str, Any]) -> dict[str, Any]:
    """The attributes of every verb and the fields of every model that the SDK has."""
    verbs = {}
    for name, kind in vars(bxml).items():
        if inspect.isclass(kind) and issubclass(kind, Verb) and kind is not Verb:
            given = {key: [] if key in ("audio_verbs", "transfer_to", "stream_params", "custom_params") else "x" for key in needed(kind)}
            verbs[name] = sorted((kind(**given)._attributes or {}).keys())
    models = {}
    for name, kind in vars(bandwidth).items():
        if hasattr(kind, "model_fields"):
            models[name] = sorted(field.alias or key for key, field in kind.model_fields.items() if key != "additional_properties")
    return {"verbs": verbs, "models": models}


def needed(kind: type) -> list[str]:
    """The parameters of a constructor that have no default."""
    parameters = list(inspect.signature(kind).parameters.values())
    return [p.name for p in parameters if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD]


def until(work: Any, seconds: float = 8.0) -> Any:
    """What some work gives, as soon as it gives anything."""
    deadline = time.monotonic() + seconds
    while not (found := work()):
        assert time.monotonic() < deadline, "in vain"
        time.sleep(0.1)
    return found


if __name__ == "__main__":
    works = {"rest": rest, "oauth": oauth, "callbacks": callbacks, "words": words, "document": document}
    work = works[sys.argv[1]]
    print(json.dumps(work(json.load(sys.stdin))))
