"""Every helper of FunctionResult, of both agents SDKs: acts on the call, on what later requests carry, or is told to have no effect."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.interop.test_signalwire_sdk import run_sdk

from hubbub.dialects.swml.functions import Declared, SwaigDesk
from hubbub.dialects.swml.replies import Memory
from hubbub.events import Link
from hubbub.verbs.held import FunctionCall, Reaction
from hubbub.verbs.model import (
    Connect,
    Hangup,
    PlayBeside,
    PlayTone,
    Refer,
    Speak,
    Tell,
)
from hubbub.verbs.program import Execute, Note, Program, Step, Transfer

pytestmark = pytest.mark.interop
RECORD = {"control_id": "c", "stereo": True, "format": "mp3", "beep": True, "terminators": "#", "max_length": 60, "initial_timeout": 4}
CALLS: list[tuple[str, list[Any], dict[str, Any]]] = [
    ("connect", ["+15551230000"], {"final": False, "from_addr": "+15550001"}),
    ("swml_transfer", ["https://x.test/doc", "bye"], {"final": False}),
    ("swml_transfer", ["https://x.test/doc", "bye"], {"final": True}),
    ("update_global_data", [{"a": 1}], {}),
    ("remove_global_data", [["b"]], {}),
    ("set_semantic_state", [{"a": 1}], {}),
    ("swml_user_event", [{"type": "cards"}], {}),
    ("hangup", [], {}),
    ("hold", [60], {}),
    ("stop", [], {}),
    ("say", ["hello"], {}),
    ("play_background_file", ["https://x.test/a.wav"], {"wait": True}),
    ("stop_background_file", [], {}),
    ("set_metadata", [{"m": 1}], {}),
    ("remove_metadata", ["n"], {}),
    ("toggle_functions", [[{"function": "other", "active": False}]], {}),
    ("record_call", [], {**RECORD, "direction": "both", "end_silence_timeout": 3, "status_url": "https://x.test/s"}),
    ("stop_record_call", [], {}),
    ("sip_refer", ["sip:a@b.test"], {}),
    ("tap", ["rtp://127.0.0.1:4000"], {"control_id": "t", "direction": "both", "codec": "PCMA", "rtp_ptime": 40}),
    ("tap", ["wss://x.test/t"], {}),
    ("stop_tap", ["t"], {}),
    ("send_sms", ["+15550001", "+15550002"], {"body": "x"}),
    ("pay", ["https://x.test/pay"], {}),
    ("join_room", ["x"], {}),
    ("rpc_dial", ["+15550001", "+15550002", "https://x.test/doc"], {}),
    ("rpc_ai_message", ["id", "text"], {}),
    ("rpc_ai_unhold", ["id"], {}),
    ("rpc_ai_global_data", ["id", {"a": 1}], {}),
    ("swml_change_step", ["one"], {}),
    ("swml_change_context", ["one"], {}),
    ("wait_for_user", [], {"enabled": True}),
    ("add_dynamic_hints", [["x"]], {}),
    ("clear_dynamic_hints", [], {}),
    ("set_end_of_speech_timeout", [500], {}),
    ("set_speech_event_timeout", [500], {}),
    ("enable_functions_on_timeout", [], {}),
    ("enable_extensive_data", [], {}),
    ("replace_in_history", ["x"], {}),
    ("update_settings", [{"temperature": 0.5}], {}),
    ("switch_context", [], {"system_prompt": "x"}),
    ("simulate_user_input", ["x"], {}),
    ("change_voice", ["x"], {}),
]
FAILS = {"send_sms", "pay", "join_room", "rpc_dial", "rpc_ai_message", "rpc_ai_unhold", "rpc_ai_global_data"}
"""Methods of services that are not here: they fail when they are reached."""
ON_THE_MODEL = {name for name, _, _ in CALLS[CALLS.index(("swml_change_step", ["one"], {})) :]}
REMEMBERED = {"update_global_data", "remove_global_data", "set_semantic_state", "set_metadata", "remove_metadata", "toggle_functions"}
DOES: dict[str, type[Any]] = {
    "connect": Connect,
    "hangup": Hangup,
    "hold": PlayTone,
    "say": Speak,
    "play_background_file": PlayBeside,
    "stop_background_file": PlayBeside,
    "swml_user_event": Tell,
    "sip_refer": Refer,
}


def reaction(said: dict[str, Any]) -> tuple[Reaction, Memory]:
    memory = Memory({"b": 2}, {"f": {"n": 1}})
    desk = SwaigDesk({"f": Declared(Link("http://app.test/f"), {"function": "f", "meta_data_token": "f"})}, "session", memory)
    return desk.reaction(FunctionCall("f", {}, {}, 0.0), json.dumps(said).encode(), "http://app.test/f"), memory


def all_steps(program: Program | None) -> list[Step]:
    """Those of a program and of the scripts that its actions carry."""
    found: list[Step] = []
    for step in program.main if program is not None else ():
        found.append(step)
        if isinstance(step, Execute) and isinstance(step.to, Program):
            found += all_steps(step.to)
    return found


@pytest.mark.parametrize("name", ["signalwire-sdk", "signalwire-agents"])
async def test_every_helper_acts_or_is_told(name: str) -> None:
    answer = await run_sdk(name, "helpers", {"calls": CALLS})
    assert answer["forgotten"] == []
    for helper, replies in answer["said"].items():
        for said in replies:
            if said is None:
                continue
            done, memory = reaction(said)
            assert bool(done.remarks) == (helper in ON_THE_MODEL), (helper, done.remarks)
            steps = all_steps(done.program)
            assert any(isinstance(step, Note) for step in steps) == (helper in FAILS), helper
            if helper in DOES:
                assert any(isinstance(step, DOES[helper]) for step in steps), helper
            changed = memory != Memory({"b": 2}, {"f": {"n": 1}})
            assert changed == (helper in REMEMBERED), helper
            assert steps or done.ends or changed or done.remarks, helper


@pytest.mark.parametrize("name", ["signalwire-sdk", "signalwire-agents"])
async def test_a_transfer_that_comes_back_is_an_execution(name: str) -> None:
    """ "Temporary transfer": with `final=False` the functions wait again when the other script has ended."""
    answer = await run_sdk(name, "helpers", {"calls": CALLS})
    back, away = (reaction(said)[0] for said in answer["said"]["swml_transfer"])
    assert (back.ends, away.ends) == (False, True)
    assert not any(isinstance(step, Transfer) for step in all_steps(back.program))
    assert any(isinstance(step, Transfer) for step in all_steps(away.program))
