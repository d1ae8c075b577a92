"""OUTCOMES: the variables that a method leaves behind (3.4, 3.5, 3.7)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from hubbub.dialects.swml.actions import DETECTED
from hubbub.events import RecordingRecord, RecordingStatus
from hubbub.verbs.capture import OpenStream, Record, StartRecording, TapLeg
from hubbub.verbs.dialect import OutcomeRule
from hubbub.verbs.model import (
    Connect,
    Detect,
    Gather,
    JoinRoom,
    Refer,
    SendRequest,
    SuppressNoise,
    TakeFromLine,
    WaitInLine,
)
from hubbub.verbs.program import Outcome, Verb

Address = Callable[[RecordingRecord], str]


def outcome_rules(address: Address) -> Mapping[type[Verb], OutcomeRule]:
    """The rules; `address`: where a recording is heard."""

    def recorded(prefix: str) -> Callable[[Outcome], dict[str, Any]]:
        def variables(outcome: Outcome) -> dict[str, Any]:
            recording = outcome["recording"]
            silent = recording is None or recording.status is RecordingStatus.ABSENT
            found = {f"{prefix}_result": "failed" if outcome.kind == "failed" else "no_input" if silent else "finished"}
            return {**found, f"{prefix}_url": address(recording) if recording is not None else ""}

        return variables

    return {
        JoinRoom: OutcomeRule(variables=_joined),
        Connect: OutcomeRule(variables=_connected),
        TakeFromLine: OutcomeRule(variables=_connected),
        WaitInLine: OutcomeRule(variables=_waited),
        Gather: OutcomeRule(variables=_gathered),
        Record: OutcomeRule(variables=recorded("record")),
        StartRecording: OutcomeRule(variables=recorded("record_call")),
        SendRequest: OutcomeRule(variables=_requested),
        Detect: OutcomeRule(variables=_detected),
        Refer: OutcomeRule(variables=_referred),
        OpenStream: OutcomeRule(variables=_streamed),
        TapLeg: OutcomeRule(variables=_streamed),
        SuppressNoise: OutcomeRule(variables=_denoised),
    }


def _joined(outcome: Outcome) -> dict[str, Any]:
    """`completed` after any stay, `failed` when the join was refused (3.7)."""
    value = "failed" if outcome.kind == "refused" else "completed"
    found = {"join_conference_result": value, "return_value": value}
    return {**found, "script_error": "relay_script_method_execute_failed"} if value == "failed" else found


def _connected(outcome: Outcome) -> dict[str, Any]:
    """`connected` or `failed`, and why: the status of the attempt."""
    if outcome["bridged"]:
        return {"connect_result": "connected", "return_value": "connected"}
    return {"connect_result": "failed", "return_value": "failed", "connect_failed_reason": str(outcome["status"] or outcome.reason)}


def _waited(outcome: Outcome) -> dict[str, Any]:
    """`connected` when somebody took the call, else why it waits no longer: `timeout`, `left`, `full`."""
    value = WAITED.get(str(outcome["result"]), "failed")
    return {"enter_queue_result": value, "return_value": value}


WAITED = {"bridged": "connected", "timeout": "timeout", "leave": "left", "full": "full"}


def _gathered(outcome: Outcome) -> dict[str, Any]:
    if outcome.kind == "speech":
        return {
            "prompt_result": "match_speech",
            "prompt_value": outcome["speech"],
            "prompt_digit_terminator": "",
            "prompt_speech_confidence": round(100 * outcome["confidence"], 2),
        }
    digits, finish = outcome["digits"] or "", outcome["finish"] or ""
    result = "match_digits" if digits else "no_match" if finish or outcome.reason == "not-understood" else "no_input"
    result = "failed" if outcome.kind == "failed" else result
    return {"prompt_result": result, "prompt_value": digits, "prompt_digit_terminator": finish}


def _detected(outcome: Outcome) -> dict[str, Any]:
    """`human`, `machine`, `fax` or `unknown`; nothing where the script does not wait for it."""
    if outcome["by"] is None:
        return {}
    value = DETECTED.get(outcome["by"], "unknown")
    beep = outcome["by"] == "machine-beep"
    return {"detect_result": value, "return_value": value, "detect_beep": beep, "detect_ms": round(1000 * outcome["seconds"])}


def _referred(outcome: Outcome) -> dict[str, Any]:
    """`success` where the new call was answered."""
    value = "success" if outcome.kind == "done" else "failed"
    codes = {"sip_refer_response_code": outcome["refer_code"], "sip_notify_response_code": outcome["notify_code"]}
    return {"sip_refer_result": value, "return_value": value, **{name: code for name, code in codes.items() if code is not None}}


def _denoised(outcome: Outcome) -> dict[str, Any]:
    """`on`, `off` or `failed`."""
    return {"denoise_result": "failed" if outcome.kind == "failed" else "on" if outcome["on"] else "off"}


def _streamed(outcome: Outcome) -> dict[str, Any]:
    found = {"stream_result": "failed" if outcome.kind == "failed" else "success"}
    source = outcome["source"]
    return found if source is None else {**found, "tap_rtp_src_addr": source[0], "tap_rtp_src_port": source[1]}


def _requested(outcome: Outcome) -> dict[str, Any]:
    if outcome.kind == "failed":
        return {"request_result": "failed", "return_value": "failed", "request_url": outcome["url"]}
    found: dict[str, Any] = {
        "request_result": "success",
        "return_value": "success",
        "request_url": outcome["url"],
        "request_response_code": outcome["status"],
        "request_response_headers": outcome["headers"],
        "request_response_body": outcome["body"],
    }
    return {**found, "request_response": outcome["read"]} if outcome["read"] is not None else found
