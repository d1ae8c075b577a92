"""DOCUMENT: TwiML verbs and their attributes, with the codes of their errors."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from hubbub.conference.policy import Policy
from hubbub.conference.roles import ROLES
from hubbub.dialects.builders import EVENT_GROUPS, RoomDefaults, join_room, link, recording_wish, spoken
from hubbub.dialects.tables import (
    Attr,
    Compiler,
    DocumentTable,
    Element,
    Node,
    boolean,
    choice,
    decimal,
    integer,
    mapping,
    matching,
    method,
    text,
    url,
    words,
)
from hubbub.dialects.twiml import beyond, callbacks, nouns, recording, speech, streams
from hubbub.events import Link
from hubbub.verbs.capture import Record
from hubbub.verbs.model import (
    Echo,
    Gather,
    Hangup,
    JoinRoom,
    Pause,
    PlayAudio,
    Redirect,
    Reject,
    SendDigits,
    Speak,
    Stage,
)
from hubbub.verbs.program import Step, Verb

EVERYWHERE = frozenset({Stage.CALL, Stage.CALLEE, Stage.LINE, Stage.BESIDE, Stage.ANNOUNCEMENT})
BEFORE_BRIDGE = frozenset({Stage.CALL, Stage.CALLEE, Stage.LINE})
"""Also where a callee is asked before it is connected, and where a call waits in a queue."""
ROOM = RoomDefaults("twiml", Policy(minimum_to_start=2, capacity=250), bad_name="13237", jitter=60)
FOREVER = 1000
"""`loop="0"` plays up to a thousand times."""

RECORDING_EVENTS = words({name: frozenset({name}) for name in ("in-progress", "completed", "absent", "failed")})
RECORD_FLAG = mapping({"do-not-record": False, "record-from-start": True, "true": True, "false": False})
TRIM = mapping({"trim-silence": True, "do-not-trim": False})
BEEP = mapping({"true": "both", "false": "none", "onEnter": "enter", "onExit": "exit"})
JITTER = mapping({"off": 0, "small": 20, "medium": 40, "large": 60})

ROOMS = "conference"
"""How REST begins the names of what belongs to the conference, where a participant has its own."""

CONFERENCE = (
    Attr("muted", "muted", boolean, False, "13230"),
    Attr("beep", "beep", BEEP, "both", "13235"),
    Attr("startConferenceOnEnter", "start_on_enter", boolean, True, "13232"),
    Attr("endConferenceOnExit", "end_on_exit", boolean, False, "13231", "error"),
    Attr("participantLabel", "label", text, "", "16023", aliases=("label",)),
    Attr("jitterBufferSize", "jitter_ms", JITTER, 60, "16002"),
    *beyond.CONFERENCE,
    Attr("waitUrl", "wait_url", url, None, "13233"),
    Attr("waitMethod", "wait_method", method, "POST", "13234"),
    Attr("maxParticipants", "max_members", integer(1, 250), None, "16002"),
    Attr("record", "record", RECORD_FLAG, False, "16002", aliases=("conferenceRecord",)),
    Attr("trim", "trim", TRIM, True, "13239", "error", aliases=("conferenceTrim",)),
    Attr("coach", "coach", text, None, "13240", aliases=("callSidToCoach",)),
    Attr(
        "region",
        "region",
        choice("us1", "us2", "ie1", "de1", "sg1", "br1", "au1", "jp1"),
        "",
        "16002",
        why="reported back; mixing is local",
    ),
    Attr("statusCallback", "status_url", url, None, "16002", aliases=("conferenceStatusCallback",)),
    Attr("statusCallbackMethod", "status_method", method, "POST", "16002", aliases=("conferenceStatusCallbackMethod",)),
    Attr("statusCallbackEvent", "status_events", words(EVENT_GROUPS), None, "16002", aliases=("conferenceStatusCallbackEvent",)),
    Attr("recordingStatusCallback", "recording_url", url, None, "13256", aliases=("conferenceRecordingStatusCallback",)),
    Attr("recordingStatusCallbackMethod", "recording_method", method, "POST", "16002", aliases=(f"{ROOMS}RecordingStatusCallbackMethod",)),
    Attr(
        "recordingStatusCallbackEvent",
        "recording_events",
        RECORDING_EVENTS,
        None,
        "13621",
        aliases=(f"{ROOMS}RecordingStatusCallbackEvent",),
    ),
    Attr("recordingConfigurationId", None, why="names a storage set-up that exists in the cloud only"),
    Attr("eventCallbackUrl", "event_url", url, None, "16002", why="told of the recording; deprecated for recordingStatusCallback"),
)

DIAL = (
    Attr("action", "action", url, None, "13210"),
    Attr("method", "action_method", method, "POST", "13210"),
    Attr("timeLimit", "time_limit", integer(1), None, "13216"),
    Attr("hangupOnStar", "leave_on_star", boolean, False, "13213"),
    Attr("timeout", "ring_seconds", integer(5, 600), 30, "13212", why="and five seconds more; a conference does not ring"),
    Attr("callerId", "caller", nouns.caller_id, None, "13214", why="a conference is not called"),
    Attr("answerOnBridge", "answer_on_bridge", boolean, False, "13219", why="with a conference the call is answered as it joins"),
    Attr("sequential", "sequential", boolean, False, "13218", why="a conference is one target"),
    Attr("ringTone", "ring_country", nouns.RINGS, "us", "13220", why="a conference does not ring"),
    Attr("record", "dial_record", nouns.RECORD, None, "13217"),
    Attr("recordingTrack", "dial_track", choice("inbound", "outbound", "both"), "both", "13217"),
    Attr("trim", "dial_trim", TRIM, False, "13217"),
    Attr("recordingStatusCallback", "dial_recording_url", url, None, "13256"),
    Attr("recordingStatusCallbackMethod", "dial_recording_method", method, "POST", "13256"),
    Attr("recordingStatusCallbackEvent", "dial_recording_events", recording.EVENTS, None, "13621"),
    Attr("referUrl", "refer_url", url, None, "13210", why="asked when somebody who was called sends a SIP REFER; a conference sends none"),
    Attr("referMethod", "refer_method", method, "POST", "13210", why="a conference sends no SIP REFER"),
    Attr("callReason", None, why="shown by carriers only"),
    Attr("events", None, why="numbers only"),
    Attr("passports", None, why="shown by carriers only"),
    Attr("recordingConfigurationId", None, why="names a storage set-up that exists in the cloud only"),
)


def dial(compiler: Compiler, node: Node, values: dict[str, Any]) -> Sequence[Step] | None:
    """`<Dial>`: into a conference, or to somebody who is called."""
    conferences = [child for child in node.children if child.name == "Conference"]
    if not conferences:
        verb = nouns.connect(compiler, node, values)
        return None if verb is None else [verb]
    if len(node.children) > 1 or node.text:
        compiler.object("13000", "<Conference> must be the only noun of <Dial>: the others are ignored", node.at)
    return [_conference(compiler, conferences[0], values)]


def _conference(compiler: Compiler, node: Node, dial_values: dict[str, Any]) -> JoinRoom:
    rows = compiler.table.nested["Dial/Conference"].attributes
    values = compiler.values(rows, node)
    given = {row.to for row in rows if any(name in node.attributes for name in (row.name, *row.aliases))}
    values |= {name: value for name, value in ROLES.get(values["role"], {}).items() if name not in given}
    rooms = compiler.table.rooms
    refused = ""
    if not 1 <= len(node.text) <= rooms.longest_name:
        compiler.object(rooms.bad_name, f"the name of a conference has 1 to {rooms.longest_name} characters", node.at)
        refused = "invalid-name"
    if not valid_label(values["label"]):
        compiler.object("16023", f"participantLabel {LABEL_RULE}", node.at, "error")
        refused = "invalid-label"
    values |= _record_end(values, rooms)
    values["coach"] = (values["coach"].strip(),) if values["coach"] else ()
    joins = join_room(compiler, rooms, {**dial_values, **values, "room": node.text, "refused": refused}, node.at)
    return replace(joins, recording=nouns.recording(compiler, dial_values))


def _record_end(values: dict[str, Any], rooms: RoomDefaults) -> dict[str, Any]:
    """Who is told `conference-record-end`: "eventCallbackUrl, or statusCallback when no recordingStatusCallback" (4.1)."""
    target = values["event_url"] or values["status_url"]
    if values["recording_url"]:
        return {"end_url": values["event_url"]} if rooms.tells_end_besides else {}
    if not target:
        return {}
    how = "POST" if values["event_url"] else values["status_method"]
    return {"recording_url": target, "recording_method": how, "recording_events": None, "recording_style": callbacks.RECORD_END_STYLE}


LABEL_RULE = "has at most 128 characters, does not look like a call SID, and holds no slash"


def valid_label(label: str) -> bool:
    """A label has at most 128 characters, does not look like a call SID, and holds no slash."""
    return len(label) <= 128 and not re.fullmatch(r"CA[0-9a-f]{32}", label) and "/" not in label and "%2F" not in label


VOICE = matching(r"|man|woman|alice|[A-Za-z]+\.\S+", "must be man, woman, alice, or a voice of an engine: Engine.Name")
LANGUAGE = matching(r"|[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8}){0,3}", "must be a language tag such as en-US")
SAY = (
    Attr("voice", "voice", VOICE, "", "13511"),
    Attr("language", "language", LANGUAGE, "", "13512"),
    Attr("loop", "loops", integer(0), 1, "13510"),
)
LONGEST_SPEECH, LONGEST_POLLY = 4096, 3000


def say(compiler: Compiler, node: Node, values: dict[str, Any]) -> Verb | None:
    """`<Say>`."""
    words_to_say = spoken(node)
    if not words_to_say:
        compiler.object("13520", "<Say> has nothing to say", node.at)
        return None
    longest = LONGEST_POLLY if values["voice"].startswith("Polly.") else LONGEST_SPEECH
    if len(words_to_say) > longest:
        compiler.object("13521", f"<Say> is longer than {longest} characters", node.at)
        return None
    return Speak(text=words_to_say, voice=values["voice"], language=values["language"], loops=values["loops"] or FOREVER, at=node.at)


PLAY = (
    Attr("loop", "loops", integer(0), 1, "13410"),
    Attr("digits", "digits", matching(r"[0-9A-Da-d*#wW]*", "may hold 0-9 A-D * # w W"), "", "13430"),
)


NO_DIGITS = Attr(
    "digits", None, matching(r"", "are not played while digits are gathered"), why="told to the author: only audio is played there"
)


def play(compiler: Compiler, node: Node, values: dict[str, Any], bad_url: str = "11100") -> Verb | None:
    """`<Play>` of a URL or of digits; what is no URL is told by that code."""
    if values.get("digits"):
        return SendDigits(digits=values["digits"], at=node.at)
    if not node.text:
        compiler.object("13420", "<Play> has no URL", node.at)
        return None
    target = compiler.linked(node, bad_url)
    return None if target is None else PlayAudio(link=Link(target, "GET"), loops=values["loops"] or FOREVER, at=node.at)


def pause(_compiler: Compiler, node: Node, values: dict[str, Any]) -> Verb:
    """`<Pause>`."""
    return Pause(seconds=float(values["seconds"]), at=node.at)


GATHER = (
    Attr("action", "action", url, "", "13310"),
    Attr("method", "method", method, "POST", "13312"),
    Attr("timeout", "timeout", decimal(0, 600), 5.0, "13313"),
    Attr("finishOnKey", "finish_on", matching(r"[0-9*#]?", "must be one of 0-9 # * or empty"), "#", "13311"),
    Attr("numDigits", "max_digits", integer(1), None, "13314"),
    Attr("actionOnEmptyResult", "ask_when_empty", boolean, False, "13338"),
    *speech.GATHER,
    Attr("debug", None, why="shown in the cloud's console only"),
)


def gather(compiler: Compiler, node: Node, values: dict[str, Any]) -> Verb:
    """`<Gather>` with its prompts."""
    prompts = [step for child in node.children for step in compiler.nested(node, child)]
    return Gather(
        prompts=tuple(step for step in prompts if isinstance(step, Verb)),
        on_done=link(compiler, values["action"], values["method"]),
        max_digits=values["max_digits"],
        finish_on=values["finish_on"],
        first_timeout=values["timeout"],
        next_timeout=values["timeout"],
        ask_when_empty=values["ask_when_empty"],
        speech=speech.listening(compiler, values),
        at=node.at,
    )


RECORD = (
    Attr("action", "action", url, "", "11100"),
    Attr("method", "method", method, "POST", "13610"),
    Attr("timeout", "silence", decimal(0), 5.0, "13611"),
    Attr("finishOnKey", "finish_on", matching(r"[0-9*#]*", "may hold 0-9 * #"), "1234567890*#", "13613"),
    Attr("maxLength", "max_seconds", integer(1, 86400), 3600, "13612"),
    Attr("playBeep", "beep", boolean, True, "13616"),
    Attr("trim", "trim", TRIM, True, "13699"),
    Attr("recordingStatusCallback", "recording_url", url, None, "13256"),
    Attr("recordingStatusCallbackMethod", "recording_method", method, "POST", "13256"),
    Attr("recordingStatusCallbackEvent", "recording_events", RECORDING_EVENTS, None, "13621"),
    Attr("transcribe", "transcribe", boolean, False, "13614"),
    Attr("transcribeCallback", "transcript_url", url, None, "11100", why="asks for a transcript too"),
    Attr("recordingConfigurationId", None, why="names a storage set-up that exists in the cloud only"),
)


def record(compiler: Compiler, node: Node, values: dict[str, Any]) -> Verb:
    """`<Record>`."""
    return Record(
        on_done=link(compiler, values["action"], values["method"]),
        silence_seconds=values["silence"],
        finish_on=values["finish_on"],
        max_seconds=float(values["max_seconds"]),
        beep=values["beep"],
        trim=values["trim"],
        notices=recording_wish(compiler, values),
        at=node.at,
    )


def redirect(compiler: Compiler, node: Node, values: dict[str, Any]) -> Verb:
    """`<Redirect>`; without a URL it is the current document again. One that is no URL is requested all the same, and fails."""
    target = compiler.linked(node, "11100")
    return Redirect(link=Link(node.text if target is None else target, values["method"]), at=node.at)


def hangup(_compiler: Compiler, node: Node, _values: dict[str, Any]) -> Verb:
    """`<Hangup>`."""
    return Hangup(at=node.at)


WHOLE_CALL = 86_400.0


def echo(_compiler: Compiler, node: Node, _values: dict[str, Any]) -> Verb:
    """`<Echo>`: as long as the call lasts."""
    return Echo(seconds=WHOLE_CALL, at=node.at)


def reject(_compiler: Compiler, node: Node, values: dict[str, Any]) -> Verb:
    """`<Reject>`."""
    return Reject(reason=values["reason"], at=node.at)


SSML = ("break", "emphasis", "lang", "p", "phoneme", "prosody", "s", "say-as", "sub", "w")
PAUSE = Element("Pause", pause, (Attr("length", "seconds", integer(0, 86400), 1, "13910"),), EVERYWHERE)
SAY_ELEMENT = Element("Say", say, SAY, EVERYWHERE, children=("*",))
PLAY_ELEMENT = Element("Play", play, PLAY, EVERYWHERE)

ELSEWHERE = {
    "Pay": "money is no part of a conference server",
    "Prompt": "belongs to <Pay>",
    "Sms": "there are no text messages here",
    "Queue": "a noun of <Dial>; alone it was never documented",
}
"""Verbs of the vendor's builder that are none here, and why."""
ELSEWHERE_INSIDE = {
    ("Dial", "WhatsApp"): "there is no such network here",
    ("Enqueue", "Task"): "belongs to the vendor's task router",
    ("Reject", "Parameter"): "means nothing to a SIP peer",
    ("Hangup", "Parameter"): "means nothing to a SIP peer",
}

TABLE = DocumentTable(
    roots=("Response",),
    elements={
        element.name: element
        for element in (
            Element("Dial", dial, DIAL, children=("Conference", *nouns.CALLED, "Queue")),
            SAY_ELEMENT,
            PLAY_ELEMENT,
            PAUSE,
            Element("Gather", gather, GATHER, BEFORE_BRIDGE, children=("Say", "Play", "Pause")),
            Element("Record", record, RECORD),
            recording.START,
            recording.STOP,
            Element("Enqueue", nouns.enqueue, nouns.ENQUEUE),
            Element("Refer", nouns.refer, nouns.REFER, children=("Sip",)),
            Element("Leave", nouns.leave, stages=frozenset({Stage.CALL, Stage.LINE})),
            Element("Redirect", redirect, (Attr("method", "method", method, "POST", "13710"),), EVERYWHERE),
            Element("Hangup", hangup, stages=BEFORE_BRIDGE, children=("Parameter",)),
            Element("Reject", reject, (Attr("reason", "reason", mapping({"rejected": "declined", "busy": "busy"}), "declined", "13810"),)),
            Element("Echo", echo),
            streams.CONNECT_ELEMENT,
            *(Element(name, None, why=why, children=("*",)) for name, why in ELSEWHERE.items()),
        )
    },
    nested={
        **{f"{parent}/{name}": Element(name, None, why=why) for (parent, name), why in ELSEWHERE_INSIDE.items()},
        "Dial/Conference": Element("Conference", None, CONFERENCE, why="made by what stands around it"),
        **nouns.NOUNS,
        "Refer/Sip": Element("Sip", None, why="made by what stands around it"),
        **recording.NESTED,
        **streams.NESTED,
        "Gather/Say": SAY_ELEMENT,
        "Gather/Play": Element("Play", play, (PLAY[0], NO_DIGITS), EVERYWHERE),
        "Gather/Pause": PAUSE,
    },
    malformed="12100",
    wrong_root="12102",
    unknown="12200",
    wrong_stage="13238",
    wrong_callee="13201",
    bad_value="12200",
    rooms=ROOM,
)
