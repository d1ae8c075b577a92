"""DOCUMENT and REQUESTS of `ai`: it holds the call; its functions are asked as SWAIG webhooks, and their replies act on the call (3.12)."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar
from urllib.parse import urljoin

from hubbub.dialects.readers import read_json
from hubbub.dialects.swml.document import ANYTHING, METHODS, ON_CALL, PREFIX, compile_script, listed, mistake, wrong
from hubbub.dialects.swml.requests import facts as facts_of
from hubbub.dialects.swml.requests import http_request
from hubbub.dialects.tables import Attr, Compiler, Element, Node, loose_url
from hubbub.errors import DocumentError, Refused
from hubbub.events import CallRecord, Link
from hubbub.ids import new_id
from hubbub.settings import Account
from hubbub.verbs.held import HoldForFunctions, Reaction
from hubbub.verbs.model import (
    Hangup,
    PlayBeside,
    PlayTone,
    Speak,
    Stage,
    Tell,
)
from hubbub.verbs.program import (
    Execute,
    Position,
    Program,
    Remark,
    Step,
    Transfer,
)
from hubbub.webhooks.requester import HttpRequest, Limits

LIMITS = Limits(connect=30.0, total=120.0, retries=3, retry_on=frozenset({"connect", "timeout", "5xx"}))
ON_THE_MODEL = frozenset(
    {
        *("context_switch", "change_context", "change_step", "change_voice", "settings", "replace_in_history", "user_input"),
        *("wait_for_user", "back_to_back_functions", "add_dynamic_hints", "clear_dynamic_hints", "end_of_speech_timeout"),
        *("speech_event_timeout", "functions_on_speaker_timeout", "extensive_data"),
    }
)
"""Actions on the model, which is not here: their author is told."""
HOLD_SECONDS, LONGEST_HOLD = 300.0, 900.0
Shape = TypeVar("Shape", dict[str, Any], list[Any])


@dataclass(frozen=True)
class Declared:
    """One function of an `ai`."""

    link: Link
    given: Mapping[str, Any]

    @property
    def token(self) -> str:
        """Whose `meta_data` it shares."""
        return str(self.given.get("meta_data_token") or self.given["function"])


@dataclass
class Memory:
    """What the replies of functions have changed, for as long as the `ai` lasts."""

    global_data: dict[str, Any]
    meta_data: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By token."""
    inactive: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class SwaigDesk:
    """The functions of one `ai`."""

    functions: Mapping[str, Declared]
    allows_scripts: bool
    session: str
    memory: Memory

    def request(
        self, account: Account, call: CallRecord, name: str, arguments: Mapping[str, Any], variables: Mapping[str, Any]
    ) -> HttpRequest:
        """The SWAIG request. Raises Refused (not-found)."""
        if name not in self.functions or name in self.memory.inactive:
            raise Refused("not-found", f"the document declares no function {name!r} with a URL, or it is toggled off")
        link, declared = self.functions[name].link, self.functions[name].given
        kept = self.memory.meta_data.get(self.functions[name].token, {})
        facts = facts_of(account, call)
        body = {
            "function": name,
            "argument": {"parsed": [dict(arguments)], "raw": json.dumps(dict(arguments))},
            "argument_desc": declared.get("argument") or declared.get("parameters") or {},
            "description": declared.get("description") or declared.get("purpose") or "",
            "call_id": facts["call"].get("call_id", ""),
            "ai_session_id": self.session,
            "app_name": "hubbub",
            "meta_data_token": declared.get("meta_data_token") or "",
            "meta_data": {**(declared.get("meta_data") or {}), **kept},
            "channel_active": True,
            "channel_offhook": True,
            "channel_ready": True,
            "content_type": "text/swaig",
            "content_disposition": "SWAIG Function",
            "version": "2.0",
            "global_data": dict(self.memory.global_data),
            "caller_id_name": call.caller.display,
            "caller_id_num": call.caller.value,
            "project_id": facts["call"].get("project_id", ""),
            "space_id": facts["call"].get("space_id", ""),
            "SWMLVars": dict(variables),
            "SWMLCall": facts["call"],
        }
        return http_request(account, link, body, LIMITS)

    def reaction(self, name: str, body: bytes, base: str) -> Reaction:
        """What a reply asks for. DocumentError where it is none."""
        try:
            reply = read_json(body) if body.strip() else {}
        except (ValueError, RecursionError) as error:
            raise DocumentError(PREFIX + "parse_error", f"the reply is not JSON: {error}") from error
        actions = reply.get("action", []) if isinstance(reply, dict) else None
        actions = [actions] if isinstance(actions, dict) else actions
        if not isinstance(actions, list) or not all(isinstance(action, dict) for action in actions):
            raise DocumentError(PREFIX + "element_wrong_type", "the reply must be an object with 'response' and a list of actions")
        reading = _Reading(base, self.allows_scripts, self.memory, self.functions[name].token)
        for action in actions:
            reading.take(action)
        program = Program({"main": tuple(reading.steps)}, base) if reading.steps else None
        return Reaction(program, reading.ends, reply, tuple(reading.remarks))


class _Reading:
    """Reads the actions of one reply, in order; what is wrong with one costs that one."""

    def __init__(self, base: str, allows_scripts: bool, memory: Memory, token: str) -> None:
        self._base = base
        self._allows = allows_scripts
        self._memory = memory
        self._token = token
        self.steps: list[Step] = []
        self.ends = False
        self.remarks: list[Remark] = []

    def take(self, action: Mapping[str, Any]) -> None:
        """Do one action; `transfer` beside `SWML` belongs to that."""
        for key, value in action.items():
            if key == "SWML":
                self._script(value, _true(action.get("transfer")))
            elif key == "transfer" and "SWML" in action:
                continue
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
        if _true(value):
            self.steps.append(Hangup())

    def _stop(self, value: Any) -> None:
        self.ends = self.ends or _true(value)

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
                (self._memory.inactive.discard if _true(each.get("active")) else self._memory.inactive.add)(each["function"])

    def _script(self, script: Any, transfer: bool) -> None:
        if not self._allows:
            self._warn("swaig_allow_swml is false: the script is not run")
            return
        try:
            if isinstance(script, str):
                script = read_json(script)
            if isinstance(script, dict):
                inside = script.get("transfer")  # one SDK puts it there
                script = {key: value for key, value in script.items() if key != "transfer"}
                transfer = transfer or _true(inside)
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


def _coming_back(program: Program) -> Program:
    """A script after which `ai` goes on: its transfers come back too."""

    def steps(given: tuple[Step, ...]) -> tuple[Step, ...]:
        return tuple(Execute(step.to, step.params, step.missing, step.too_many) if isinstance(step, Transfer) else step for step in given)

    return replace(program, sections={name: steps(section) for name, section in program.sections.items()})


def _names(value: Any) -> list[str]:
    """The texts of a list, or the one that there is."""
    return [name for name in (value if isinstance(value, list) else [value]) if isinstance(name, str)]


def _true(value: Any) -> bool:
    """`true` and "true"."""
    return value is True or str(value).lower() == "true"


def _ai(compiler: Compiler, node: Node, values: dict[str, Any]) -> Step:
    params = _given(values["params"], dict, node.at.path)
    swaig = _given(params.get("SWAIG"), dict, f"{node.at.path}/SWAIG")
    defaults = _given(swaig.get("defaults"), dict, f"{node.at.path}/SWAIG/defaults")
    functions = {}
    for index, declared in enumerate(_given(swaig.get("functions"), list, f"{node.at.path}/SWAIG/functions")):
        if not isinstance(declared, dict) or not isinstance(declared.get("function"), str):
            raise wrong("method_parameter_missing", f"{node.at.path}/SWAIG/functions[{index}]: needs 'function'")
        _given(declared.get("meta_data"), dict, f"{node.at.path}/SWAIG/functions[{index}]/meta_data")
        link = _webhook(compiler, {**defaults, **declared}, f"{node.at.path}/SWAIG/functions[{index}]")
        if link is not None:
            functions[declared["function"]] = Declared(link, declared)
    allows = _given(params.get("params"), dict, f"{node.at.path}/params").get("swaig_allow_swml", True)
    data = _given(params.get("global_data"), dict, f"{node.at.path}/global_data")
    return HoldForFunctions(desk=SwaigDesk(functions, not _false(allows), str(new_id()), Memory(dict(data))), at=node.at)


def _given(value: Any, kind: type[Shape], path: str) -> Shape:
    """A value of that shape; null and an empty text are an empty one. DocumentError names the path."""
    if value is None or value == "":
        return kind()
    if not isinstance(value, kind):
        raise wrong("method_parameter_invalid_value", f"{path}: must be {'an object' if kind is dict else 'a list'}")
    return value


def _webhook(compiler: Compiler, declared: Mapping[str, Any], path: str) -> Link | None:
    target = declared.get("web_hook_url")
    if not target:
        return None
    try:
        user, password = declared.get("web_hook_auth_user") or "", declared.get("web_hook_auth_password") or ""
        return Link(compiler.absolute(loose_url(str(target))), "POST", str(user), str(password))
    except ValueError as error:
        raise wrong("method_parameter_invalid_value", f"{path}/web_hook_url: {error}") from error


def _false(value: Any) -> bool:
    return value is False or str(value).lower() == "false"


PARAMS = Attr(ANYTHING, "params", listed, None, why="the model's own settings have no effect: the call is held for its functions")
AI: Sequence[Element] = tuple(Element(name, _ai, (PARAMS,), ON_CALL) for name in ("ai", "amazon_bedrock"))
METHODS.update({method.name: method for method in AI})
