"""Runs in the SDK's own environment: the unmodified official package against a hubbub given on the command line.

Only the host is changed, through the package's own HttpClient. Prints one JSON object of what was seen.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import requests
from twilio.base.exceptions import TwilioException, TwilioRestException
from twilio.credential.client_credential_provider import ClientCredentialProvider
from twilio.http.client_token_manager import ClientTokenManager
from twilio.http.http_client import TwilioHttpClient
from twilio.request_validator import RequestValidator
from twilio.rest import Client


class OtherHost(TwilioHttpClient):  # type: ignore[misc]
    """Sends everything to one host."""

    def __init__(self, base: str) -> None:
        super().__init__()
        self._base = base

    def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> Any:
        for host in ("https://api.twilio.com", "https://insights.twilio.com", "https://oauth.twilio.com"):
            url = url.replace(host, self._base)
        return super().request(method, url, *args, **kwargs)


def rest(job: dict[str, Any]) -> dict[str, Any]:
    """Every resource that the server has, as an application would use it."""
    client = Client(job["sid"], job["token"], http_client=OtherHost(job["base"]))
    room = client.conferences.list(friendly_name="standup", status="in-progress")[0]
    people = client.conferences(room.sid).participants.list()
    first = people[0]
    muted = client.conferences(room.sid).participants(first.call_sid).update(muted=True)
    filtered = client.conferences(room.sid).participants.list(muted=True)
    client.conferences(room.sid).participants(first.call_sid).update(muted=False)
    created = client.conferences("standup").participants.create(
        to=job["callee"],
        from_="+15550001000",
        label="by sdk",
        beep="false",
        early_media=True,
        status_callback_event=["answered", "completed"],
    )
    call = client.calls(first.call_sid).fetch()
    calls = client.calls.list(page_size=1, limit=3)
    ended = client.conferences(room.sid).update(status="completed")
    try:
        client.conferences("CF" + "0" * 32).fetch()
    except TwilioRestException as error:
        missing = {"status": error.status, "code": error.code}
    try:
        Client(job["sid"], "wrong", http_client=OtherHost(job["base"])).calls(first.call_sid).fetch()
    except TwilioRestException as error:
        refused = {"status": error.status, "code": error.code}
    return {
        "room": {"sid": room.sid, "status": room.status, "created": room.date_created.isoformat()},
        "people": len(people),
        "muted": muted.muted,
        "filtered": [person.call_sid for person in filtered],
        "first": first.call_sid,
        "created": {"label": created.label, "status": created.status, "queue_time": created.queue_time},
        "call": {"sid": call.sid, "status": call.status, "direction": call.direction, "to": call.to},
        "calls": [found.sid for found in calls],
        "ended": {"status": ended.status, "reason": ended.reason_conference_ended},
        "missing": missing,
        "refused": refused,
    }


def directory(job: dict[str, Any]) -> dict[str, Any]:
    """Numbers, applications, keys, events and notifications; pages of one item."""
    client = Client(job["sid"], job["token"], http_client=OtherHost(job["base"]))
    apps = [client.applications.create(friendly_name=f"app {n}", voice_url=job["url"]) for n in range(4)]
    number = client.incoming_phone_numbers.create(phone_number="+15550003000", voice_application_sid=apps[0].sid)
    number = client.incoming_phone_numbers(number.sid).update(friendly_name="Main", voice_url=job["url"], voice_method="GET")
    listed = client.incoming_phone_numbers.list(phone_number="+15550003000")
    paged = [app.friendly_name for app in client.applications.list(page_size=1, limit=3)]
    client.applications(apps[3].sid).delete()
    key = client.new_keys.create(friendly_name="ci")
    through = Client(key.sid, key.secret, job["sid"], http_client=OtherHost(job["base"]))
    call = through.calls.list()[0]
    events = through.calls(call.sid).events.list()
    notes = through.calls(call.sid).notifications.list()
    client.keys(key.sid).delete()
    try:
        client.calls.list(page_size=1001)
    except TwilioException as error:
        page = "20007" in str(error)
    return {
        "number": [number.phone_number, number.friendly_name, number.voice_method, number.voice_application_sid == apps[0].sid],
        "listed": [found.sid == number.sid for found in listed],
        "paged": paged,
        "left": len(client.applications.list()),
        "keys": len(client.keys.list()),
        "events": [event.request["url"] for event in events],
        "notes": [[note.error_code, note.log, client.calls(call.sid).notifications(note.sid).fetch().sid == note.sid] for note in notes],
        "page": page,
    }


def insights(job: dict[str, Any]) -> dict[str, Any]:
    """Conference summaries."""
    client = Client(job["sid"], job["token"], http_client=OtherHost(job["base"]))
    rooms = client.insights.v1.conferences.list(friendly_name="standup", status="completed", page_size=1)
    room = client.insights.v1.conferences(rooms[0].conference_sid).fetch()
    people = client.insights.v1.conferences(room.conference_sid).conference_participants.list(page_size=1)
    one = client.insights.v1.conferences(room.conference_sid).conference_participants(people[0].participant_sid).fetch()
    return {
        "found": len(rooms),
        "ended": len(client.insights.v1.conferences.list(end_reason="last_participant_left")),
        "other": len(client.insights.v1.conferences.list(end_reason="conference_ended_via_api")),
        "status": room.status,
        "reason": room.end_reason,
        "ended_by": room.ended_by,
        "most": room.max_concurrent_participants,
        "unique": room.unique_participants,
        "state": room.processing_state,
        "times": [room.create_time <= room.end_time, room.start_time is not None, room.connect_duration_seconds >= 0],
        "people": [[person.label, person.call_type, person.call_status, person.is_moderator] for person in people],
        "events": sorted(one.events),
        "same": one.participant_sid == people[0].participant_sid,
    }


def recordings(job: dict[str, Any]) -> dict[str, Any]:
    """Recordings in all three places: create, list, fetch, update, delete, media."""
    client = Client(job["sid"], job["token"], http_client=OtherHost(job["base"]))
    mine = client.calls(job["call"]).recordings
    begun = mine.create(recording_channels="dual", recording_track="both", trim="do-not-trim")
    time.sleep(1.5)
    current = client.calls(job["call"]).recordings("Twilio.CURRENT")
    paused = current.update(status="paused", pause_behavior="skip")
    time.sleep(1.0)
    resumed = current.update(status="in-progress")
    time.sleep(0.5)
    stopped = mine(begun.sid).update(status="stopped")
    while (done := mine(begun.sid).fetch()).status != "completed":
        time.sleep(0.1)
    room = client.conferences.list(friendly_name="standup", status="in-progress")[0]
    of_room = client.conferences(room.sid).recordings.list()
    over = client.conferences(room.sid).recordings(of_room[0].sid).update(status="stopped")
    account_wide = client.recordings.list(call_sid=job["call"])
    media = requests.get(account_wide[0].media_url, auth=(job["sid"], job["token"]), timeout=10)
    gone = [client.recordings(begun.sid).delete(), begun.sid in [found.sid for found in client.recordings.list()]]
    try:
        mine(begun.sid).fetch()
    except TwilioRestException as error:
        missing = {"status": error.status, "code": error.code}
    noted = [note.error_code for note in client.notifications.list(log=1) if "stops+no+recording" in note.message_text.replace(" ", "+")]
    return {
        "begun": [begun.status, begun.source, begun.channels, begun.track],
        "noted": noted,
        "fine": [paused.status, resumed.status, stopped.status, over.status],
        "sids": [paused.sid, done.sid],
        "sid": begun.sid,
        "done": [done.status, done.duration, done.start_time is not None],
        "room": [[found.source, found.status, found.conference_sid == room.sid] for found in of_room],
        "account": [found.sid for found in account_wide],
        "media": [media.status_code, media.headers["Content-Type"], media.content[:4].decode()],
        "gone": gone,
        "deleted": [found.status for found in client.recordings.list(include_soft_deleted=True) if found.sid == begun.sid],
        "missing": missing,
    }


def tokens(job: dict[str, Any]) -> dict[str, Any]:
    """Credentials of every kind: an access token for a key, and the secondary auth token."""
    host = OtherHost(job["base"])
    client = Client(job["sid"], job["secondary"], http_client=host)
    key = client.new_keys.create(friendly_name="oauth")
    manager = ClientTokenManager("client_credentials", key.sid, key.secret)
    manager.client = Client("none", "none", http_client=host)
    through = Client(account_sid=job["sid"], credential_provider=ClientCredentialProvider(key.sid, key.secret, manager), http_client=host)
    through.username = through.password = None
    calls = len(through.calls.list())
    app = client.applications.create(voice_url=job["url"])
    added = client.conferences("standup").participants.create(to=f"app:{app.sid}?topic=tea", from_="+15550001000", label="bot")
    to = client.calls(added.call_sid).fetch().to == f"app:{app.sid}"
    client.keys(key.sid).delete()
    try:
        through.calls.list()
    except TwilioException as error:
        refused = "401" in str(error)
    return {"calls": calls, "refused": refused, "to": to, "label": added.label}


def validate(job: dict[str, Any]) -> dict[str, Any]:
    """The package's own validator on every request that arrived."""
    validator = RequestValidator(job["token"])
    verdicts = [bool(validator.validate(request["url"], dict(request["fields"]), request["signature"])) for request in job["requests"]]
    wrong = RequestValidator("0" * 32)
    forged = [bool(wrong.validate(request["url"], dict(request["fields"]), request["signature"])) for request in job["requests"]]
    return {"verdicts": verdicts, "forged": forged}


if __name__ == "__main__":
    works = (tokens, recordings, rest, directory, insights, validate)
    work = {each.__name__: each for each in works}[sys.argv[1]]
    print(json.dumps(work(json.load(sys.stdin))))
