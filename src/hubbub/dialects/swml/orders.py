"""What commands of Calling REST order, out of the flat values that their rows give: documents, sounds, and methods of scripts (4).

Whatever a script can do by a method, a command does by that method's own row, beside the script of the call.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from hubbub.dialects.readers import read_script
from hubbub.dialects.swml.commands import UNSUPPORTED
from hubbub.dialects.swml.connecting import NUMBER, SIP
from hubbub.dialects.swml.document import PREFIX, TABLE, one_step
from hubbub.dialects.swml.expressions import spelled
from hubbub.dialects.swml.methods import METHODS, compile_script
from hubbub.dialects.tables import Compiler, Converter, decimal, loose_url, text
from hubbub.errors import DocumentError, Refused
from hubbub.events import Link
from hubbub.ids import new_id
from hubbub.verbs.hearing import Manner, StartTranscription, StopTranscription, Timers
from hubbub.verbs.model import Gather, Pause, PlayAudio, PlayTone, Speak, Stage
from hubbub.verbs.program import Program, Verb

Values = Mapping[str, Any]
LONGEST_SCRIPT = 65536
INTERRUPTIONS = "detect_interruptions"
"""Of a detection: every sound counts, so that it has no effect."""
RECORDED: Mapping[str, Any] = {
    "format": "mp3",
    "direction": "speak",
    "initial_timeout": 4,
    "end_silence_timeout": 0.5,
    "terminators": "#",
}
"""Where `audio` says nothing: other defaults than those of the method."""


def wrong(message: str, where: str = "", reason: str = "bad-parameter") -> Refused:
    """A refusal that names its parameter."""
    return Refused(reason, message, where=where)


def _object(value: Any, where: str) -> Mapping[str, Any]:
    """An object within a parameter; null is an empty one. Raises Refused."""
    if not isinstance(value or {}, dict):
        raise wrong("must be an object", where)
    return value or {}


def program_of(document: Any, where: str = "swml") -> Program:
    """A script, given as an object or as text. Raises Refused (bad-document)."""
    try:
        value = document
        if isinstance(document, str):
            value = read_script(document.encode(), malformed=PREFIX + "parse_error", max_bytes=LONGEST_SCRIPT)
        return compile_script(value, "", Stage.CALL)
    except DocumentError as error:
        raise wrong(str(error), where, "bad-document") from error


def method_program(name: str, params: Mapping[str, Any], where: str = "params") -> Program:
    """One method of a script as a program. Raises Refused where its parameters are wrong, or where it is not built."""
    method = METHODS.get(name)
    if method is None or method.build is None:
        raise wrong(f"{name} is not built: {method.why if method is not None else 'there is no such method'}", where, "unsupported")
    given = {key: value for key, value in params.items() if value is not None}
    try:
        return Program({"main": tuple(one_step(Compiler(TABLE, "", Stage.CALL), name, given, f"/{where}"))})
    except DocumentError as error:
        raise wrong(error.message, where) from error


def destination(dest: Any) -> dict[str, Any]:
    """`dest` of a transfer: a script (object or text), the URL of one, a number, a SIP address. Raises Refused."""
    if isinstance(dest, dict):
        return {"program": program_of(dest, "dest")}
    given = dest.strip()
    if given.startswith(("http://", "https://")):
        return {"url": given}
    if NUMBER.fullmatch(given) or SIP.fullmatch(given):
        return {"program": method_program("connect", {"to": given}, "dest")}
    return {"program": program_of(given, "dest")}


# -- sounds ----------------------------------------------------------------------------------------------------


def _read(read: Converter, given: Mapping[str, Any], name: str, where: str, default: Any) -> Any:
    if name not in given:
        return default
    try:
        return read(spelled(given[name]))
    except ValueError as error:
        raise wrong(f"{where}/{name}: {error}", where) from error


def _audio(params: Values, where: str) -> Verb:
    target = _read(loose_url, params, "url", where, "")
    if not target.startswith(("http://", "https://")):
        raise wrong(f"{where}/url: must be an absolute URL", where)
    return PlayAudio(link=Link(target, "GET"))


def _spoken(params: Values, where: str) -> Verb:
    said = _read(text, params, "text", where, "")
    if not said:
        raise wrong(f"{where}/text: is needed", where)
    voice, language, gender = (spelled(params.get(name)) for name in ("voice", "language", "gender"))
    return Speak(text=said, voice=voice, language=language, gender=gender)


def _silence(params: Values, where: str) -> Verb:
    return Pause(seconds=_read(decimal(0, 600), params, "duration", where, 1.0))


def _ringtone(params: Values, where: str) -> Verb:
    seconds = _read(decimal(0.1, 600), params, "duration", where, 5.0)
    return PlayTone(kind="ring", seconds=seconds, country=_read(text, params, "name", where, "us") or "us")


SOUNDS: Mapping[str, Callable[[Values, str], Verb]] = {"audio": _audio, "tts": _spoken, "silence": _silence, "ringtone": _ringtone}


def sounds(items: list[dict[str, Any]]) -> tuple[Verb, ...]:
    """What `play` lists: objects of `type` and `params`. Raises Refused."""
    found = []
    for index, item in enumerate(items):
        where = f"play[{index}]"
        make, params = SOUNDS.get(str(item.get("type"))), item.get("params", {})
        if make is None or not isinstance(params, dict):
            raise wrong(f"{where}: needs 'type' (one of {', '.join(SOUNDS)}) and 'params'", "play")
        found.append(make(params, where))
    return tuple(found)


# -- methods ---------------------------------------------------------------------------------------------------


def _recorded(values: Values, control: str) -> dict[str, Any]:
    audio = _object(values.get("audio", values.get("record", {}).get("audio")), "audio")
    params = {**RECORDED, **audio, "control_id": control, "status_url": values.get("told_to")}
    return {"program": method_program("record_call", params, "audio"), "stopper": _stopper("stop_record_call", control), "action": ""}


def _collected(values: Values, control: str) -> dict[str, Any]:
    digits, speech = values.get("digits"), values.get("speech")
    params: dict[str, Any] = {"play": ["silence:0"], "initial_timeout": values.get("initial_timeout", 4.0)}
    if digits is not None:
        params |= {
            "max_digits": digits.get("max", 1),
            "digit_timeout": digits.get("digit_timeout"),
            "terminators": digits.get("terminators"),
        }
    if speech is not None:
        params |= {f"speech_{name}": speech.get(name) for name in ("language", "hints", "engine")}
        params |= {"speech_end_timeout": speech.get("end_silence_timeout"), "speech_timeout": speech.get("speech_timeout", 60)}
    if digits is None and speech is None:
        raise wrong("needs 'digits' or 'speech'", "digits", "missing")
    program = method_program("prompt", params, "digits")
    timers = None if values.get("timers_run", True) else Timers()
    manner = Manner(timers=timers, **{name: values.get(name, False) for name in ("continuous", "partial", "beginning")})
    steps = tuple(replace(step, manner=manner) if isinstance(step, Gather) else step for step in program.main)
    return {"program": replace(program, sections={**program.sections, "main": steps})}


def _detected(values: Values, control: str) -> dict[str, Any]:
    detect = values["detect"]
    given = _object(detect.get("params"), "detect")
    kind, params = detect.get("type"), {name: value for name, value in given.items() if name != INTERRUPTIONS}
    timeout = values.get("timeout", 30.0)
    if kind in ("machine", "fax"):
        detectors = "amd" if kind == "machine" else "fax"
        return {"program": method_program("detect_machine", {**params, "detectors": detectors, "timeout": timeout}, "detect")}
    raise wrong("type must be machine or fax: digits are collected", "detect", "unsupported")


def _tapped(values: Values, control: str) -> dict[str, Any]:
    device = values["device"]
    where, params = _object(device.get("params"), "device"), _object(values["tap"].get("params"), "tap")
    uri = f"rtp://{where.get('addr')}:{where.get('port')}" if device.get("type") == "rtp" else where.get("uri")
    given = {"uri": uri, "direction": params.get("direction"), "codec": where.get("codec"), "rtp_ptime": where.get("ptime")}
    given |= {"control_id": control, "status_url": values.get("told_to")}
    return {"program": method_program("tap", given, "device"), "stopper": _stopper("stop_tap", control), "action": ""}


def _streamed(values: Values, control: str) -> dict[str, Any]:
    params = {
        "url": values["stream_url"],
        "name": values.get("name"),
        "codec": values.get("codec"),
        "track": values.get("track"),
        "realtime": values.get("realtime"),
        "authorization_bearer_token": values.get("bearer"),
        "custom_parameters": values.get("parameters"),
        "control_id": control,
        "status_url": values.get("told_to"),
        "status_url_method": values.get("told_by"),
    }
    return {"program": method_program("stream", params, "url"), "stopper": _stopper("stop_stream", control), "action": ""}


def _denoised(values: Values, control: str) -> dict[str, Any]:
    return {"control": "denoise", "program": method_program("denoise", {}), "stopper": _stopper("stop_denoise")}


def _transcribed(values: Values, control: str) -> dict[str, Any]:
    """There is no such method of scripts."""
    start, stop = StartTranscription(name=control), StopTranscription(name=control)
    return {"program": Program({"main": (start,)}), "stopper": Program({"main": (stop,)}), "action": "transcription"}


def _transcribed_live(values: Values, control: str) -> dict[str, Any]:
    return {"program": method_program("live_transcribe", {"action": values["live"]}, "action"), "action": ""}


def _referred(values: Values, control: str) -> dict[str, Any]:
    device = values["device"]
    to = str(_object(device.get("params"), "device").get("to", ""))
    if device.get("type") != "sip" or not SIP.fullmatch(to):
        raise wrong("must be {'type': 'sip', 'params': {'to': 'sip:…'}}", "device")
    return {"program": method_program("sip_refer", {"to_uri": to, "status_url": values.get("told_to")}, "device"), "action": ""}


def _told_user(values: Values, control: str) -> dict[str, Any]:
    return {"program": method_program("user_event", {"event": values["event"]}, "event")}


def _stopper(name: str, control: str = "") -> Program:
    return method_program(name, {"control_id": control} if control else {})


METHOD_OF: Mapping[str, Callable[[Values, str], dict[str, Any]]] = {
    "calling.record": _recorded,
    "calling.collect": _collected,
    "calling.detect": _detected,
    "calling.tap": _tapped,
    "calling.stream": _streamed,
    "calling.denoise": _denoised,
    "calling.transcribe": _transcribed,
    "calling.live_transcribe": _transcribed_live,
    "calling.refer": _referred,
    "calling.user_event": _told_user,
}
ACTIONS: Mapping[str, str] = {"play": "playing", "collect": "gathering", "detect": "detection"}
"""What is told of a command, where it is called otherwise; a method that tells by itself is told of by nobody else."""
CHANGES = ("pause", "resume", "stop", "volume", "start_input_timers")


def completed(command: str, values: dict[str, Any]) -> dict[str, Any]:
    """The values of a command with what it orders. Raises Refused."""
    if command in UNSUPPORTED:
        raise wrong(f"{command}: {UNSUPPORTED[command]}", "command", "unsupported")
    if command == "dial":
        return _dialled(values)
    if command == "calling.transfer":
        return destination(values["dest"])
    if command in ("calling.hold", "calling.unhold"):
        return {"held": command == "calling.hold"}
    if command.startswith("calling.ai"):
        change = {"calling.ai_hold": "hold", "calling.ai.stop": "stop"}.get(command, "wake")
        return {"change": change, "seconds": values.get("seconds", 300.0)}
    name, _, last = command.removeprefix("calling.").rpartition(".")
    if last in CHANGES:
        return {**values, "control": values.get("control", name), "kind": name, "change": last}
    values = {**values, "kind": last, "action": ACTIONS.get(last, last), "control": values.get("control") or str(new_id())}
    if last == "play":
        values["sounds"] = sounds(values["play"])
    make = METHOD_OF.get(command)
    return values if make is None else {**values, **make(values, values["control"])}


def _dialled(values: dict[str, Any]) -> dict[str, Any]:
    if "to_script" in values:
        raise wrong("scripts are not hosted here, so that none can be called", "to_script", "unsupported")
    if "to" not in values:
        raise wrong("to is required", "to", "missing")
    if ("url" in values) == ("document" in values):
        raise wrong("needs one of 'url' and 'swml'", "url", "missing")
    kept = {"envs": values.pop("envs", {}), "url": values.get("url")}
    return {**values, "extra": {name: value for name, value in kept.items() if value}}
