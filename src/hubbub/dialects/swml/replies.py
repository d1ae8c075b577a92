"""What the reply of a function asks for: the actions of SWAIG, read one by one (3.12)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urljoin

from hubbub.dialects.readers import read_json
from hubbub.dialects.swml.document import PREFIX, compile_script, mistake
from hubbub.dialects.tables import loose_url
from hubbub.errors import DocumentError
from hubbub.events import Link
from hubbub.verbs.held import Reaction
from hubbub.verbs.model import Hangup, PlayBeside, PlayTone, Speak, Stage, Tell
from hubbub.verbs.program import Execute, Position, Program, Remark, Step, Transfer

ON_THE_MODEL = frozenset(
    {
        *("context_switch", "change_context", "change_step", "change_voice", "settings", "replace_in_history", "user_input"),
        *("wait_for_user", "back_to_back_functions", "add_dynamic_hints", "clear_dynamic_hints", "end_of_speech_timeout"),
        *("speech_event_timeout", "functions_on_speaker_timeout", "extensive_data"),
    }
)
"""Actions on the model, which is not here: their author is told."""
HOLD_SECONDS, LONGEST_HOLD = 300.0, 900.0


@dataclass
class Memory:
    """What the replies of functions have changed, for as long as the `ai` lasts."""

    global_data: dict[str, Any]
    meta_data: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By token."""
    inactive: set[str] = field(default_factory=set)
    log: list[dict[str, Any]] = field(default_factory=list, compare=False)
    """The conversation."""


@dataclass(frozen=True)
class Allowed:
    """What functions may do, by the parameters of their `ai`."""

    scripts: bool = True
    settings: bool = True
    global_data: bool = True


def reaction(reply: Any, base: str, allowed: Allowed, memory: Memory, token: str) -> Reaction:
    """What a reply asks for. DocumentError where it is none."""
    actions = reply.get("action", []) if isinstance(reply, dict) else None
    actions = [actions] if isinstance(actions, dict) else actions
    if not isinstance(actions, list) or not all(isinstance(action, dict) for action in actions):
        raise DocumentError(PREFIX + "element_wrong_type", "the reply must be an object with 'response' and a list of actions")
    reading = _Reading(base, allowed, memory, token)
    for action in actions:
        reading.take(action)
    program = Program({"main": tuple(reading.steps)}, base) if reading.steps else None
    return Reaction(program, reading.ends, reply, tuple(reading.remarks))


class _Reading:
    """Reads the actions of one reply, in order; what is wrong with one costs that one."""

    def __init__(self, base: str, allowed: Allowed, memory: Memory, token: str) -> None:
        self._base = base
        self._allowed = allowed
        self._memory = memory
        self._token = token
        self.steps: list[Step] = []
        self.ends = False
        self.remarks: list[Remark] = []

    def take(self, action: Mapping[str, Any]) -> None:
        """Do one action; `transfer` beside `SWML` belongs to that."""
        for key, value in action.items():
            if key == "SWML":
                self._script(value, is_true(action.get("transfer")))
            elif key == "transfer" and "SWML" in action:
                continue
            elif key in REFUSABLE and not REFUSABLE[key][1](self._allowed):
                self._warn(f"{REFUSABLE[key][0]} is false: the action {key!r} is not done")
            elif key in ACTIONS:
                ACTIONS[key](self, value)
            elif key in ON_THE_MODEL:
                self._warn(f"the action {key!r} has no effect: no model listens here")
            else:
                self._warn(f"the action {key[:100]!r} is not known")

    def _say(self, value: Any) -> None:
        if isinstance(value, str) and value:
            self.steps.append(Speak(text=value))

    def _hangup(self, value: Any) -> None:
        if is_true(value):
            self.steps.append(Hangup())

    def _stop(self, value: Any) -> None:
        self.ends = self.ends or is_true(value)

    def _hold(self, value: Any) -> None:
        """Hold music for so many seconds; then `ai` goes on."""
        given = value.get("timeout", HOLD_SECONDS) if isinstance(value, dict) else value
        try:
            wished = float(given)
        except (TypeError, ValueError, OverflowError):
            wished = math.nan
        seconds = min(max(wished, 0.0), LONGEST_HOLD) if math.isfinite(wished) else HOLD_SECONDS
        self.steps.append(PlayTone(kind="music", seconds=seconds))

    def _background(self, value: Any) -> None:
        target = value.get("file") if isinstance(value, dict) else value
        try:
            link = Link(urljoin(self._base, loose_url(str(target or ""))), "GET")
        except ValueError as error:
            self._warn(f"the action 'playback_bg': {error}")
            return
        self.steps.append(PlayBeside(link=link))

    def _event(self, value: Any) -> None:
        self.steps.append(Tell(event=value))

    def _set_global(self, value: Any) -> None:
        self._memory.global_data.update(value if isinstance(value, dict) else {})

    def _unset_global(self, value: Any) -> None:
        for name in _names(value):
            self._memory.global_data.pop(name, None)

    def _set_meta(self, value: Any) -> None:
        self._memory.meta_data.setdefault(self._token, {}).update(value if isinstance(value, dict) else {})

    def _unset_meta(self, value: Any) -> None:
        for name in _names(value):
            self._memory.meta_data.get(self._token, {}).pop(name, None)

    def _toggle(self, value: Any) -> None:
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, dict) and isinstance(each.get("function"), str):
                (self._memory.inactive.discard if is_true(each.get("active")) else self._memory.inactive.add)(each["function"])

    def _script(self, script: Any, transfer: bool) -> None:
        if not self._allowed.scripts:
            self._warn("swaig_allow_swml is false: the script is not run")
            return
        try:
            if isinstance(script, str):
                script = read_json(script)
            if isinstance(script, dict):
                inside = script.get("transfer")  # one SDK puts it there
                script = {key: value for key, value in script.items() if key != "transfer"}
                transfer = transfer or is_true(inside)
            program = compile_script(script, self._base, Stage.CALL)
        except (DocumentError, ValueError, RecursionError) as error:
            self._warn(f"the script of an action is wrong: {error}")
            return
        note = mistake("nested_too_deep", "an action's script is nested too deeply", Position("/action/SWML"), ends=True)
        self.steps.append(Execute(program if transfer else _coming_back(program), {}, note, note))
        self.ends = self.ends or transfer

    def _transfer(self, value: Any) -> None:
        dest = value.get("dest") if isinstance(value, dict) else value
        if not isinstance(dest, str) or not dest.startswith(("http://", "https://")):
            self._warn("the action 'transfer' needs a URL here")
            return
        note = mistake("too_many_transfers", "more than 32 transfers in one call", Position("/action/transfer"), ends=True)
        self.steps.append(Transfer(Link(dest, "POST"), {}, note, note))
        self.ends = True

    def _warn(self, message: str) -> None:
        self.remarks.append(Remark(PREFIX + "method_parameter_invalid_value", message))


ACTIONS: Mapping[str, Callable[[_Reading, Any], None]] = {
    "say": _Reading._say,
    "hangup": _Reading._hangup,
    "stop": _Reading._stop,
    "hold": _Reading._hold,
    "transfer": _Reading._transfer,
    "user_event": _Reading._event,
    "playback_bg": _Reading._background,
    "stop_playback_bg": lambda reading, _value: reading.steps.append(PlayBeside()),
    "set_global_data": _Reading._set_global,
    "unset_global_data": _Reading._unset_global,
    "set_meta_data": _Reading._set_meta,
    "unset_meta_data": _Reading._unset_meta,
    "toggle_functions": _Reading._toggle,
}
REFUSABLE: Mapping[str, tuple[str, Callable[[Allowed], bool]]] = {
    "settings": ("swaig_allow_settings", lambda allowed: allowed.settings),
    "set_global_data": ("swaig_set_global_data", lambda allowed: allowed.global_data),
    "unset_global_data": ("swaig_set_global_data", lambda allowed: allowed.global_data),
}
"""Actions that a parameter of `ai` may switch off, and its name."""


def _coming_back(program: Program) -> Program:
    """A script after which `ai` goes on: its transfers come back too."""

    def steps(given: tuple[Step, ...]) -> tuple[Step, ...]:
        return tuple(Execute(step.to, step.params, step.missing, step.too_many) if isinstance(step, Transfer) else step for step in given)

    return replace(program, sections={name: steps(section) for name, section in program.sections.items()})


def _names(value: Any) -> list[str]:
    """The texts of a list, or the one that there is."""
    return [name for name in (value if isinstance(value, list) else [value]) if isinstance(name, str)]


def is_true(value: Any) -> bool:
    """`true` and "true"."""
    return value is True or str(value).lower() == "true"
