"""DOCUMENT and REQUESTS of `ai`: it holds the call; its functions, webhooks or data maps, act on the call (3.12)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from hubbub.dialects.readers import read_json
from hubbub.dialects.swml.callbacks import CALL_STATES
from hubbub.dialects.swml.datamap import DataMap, Mapped
from hubbub.dialects.swml.document import ANYTHING, METHODS, ON_CALL, PREFIX, mistake, steps_within, wrong
from hubbub.dialects.swml.expressions import EvaluationFailed, filled, has_variables, is_slow
from hubbub.dialects.swml.replies import Allowed, Memory, is_true, reaction
from hubbub.dialects.swml.requests import facts as facts_of
from hubbub.dialects.swml.requests import http_request
from hubbub.dialects.tables import Attr, Compiler, Element, Node, loose_url
from hubbub.errors import DocumentError, Refused, RequestFailed
from hubbub.events import CallRecord, Link
from hubbub.ids import new_id
from hubbub.settings import Account
from hubbub.verbs.held import Asking, FunctionCall, HoldForFunctions, Reaction
from hubbub.verbs.program import Remark, Scope, Step, Template
from hubbub.webhooks.requester import HttpReply, HttpRequest, Limits

LIMITS = Limits(connect=30.0, total=120.0, retries=3, retry_on=frozenset({"connect", "timeout", "5xx"}))
Shape = TypeVar("Shape", dict[str, Any], list[Any])


@dataclass(frozen=True)
class Declared:
    """One function of an `ai`: what is asked for it, or what computes it."""

    link: Link | None
    given: Mapping[str, Any]
    data_map: DataMap | None = None

    @property
    def token(self) -> str:
        """Whose `meta_data` it shares: "If not supplied, metadata will be scoped to function's `web_hook_url`"."""
        return str(self.given.get("meta_data_token") or (self.link.url if self.link is not None else ""))


@dataclass(frozen=True)
class SwaigDesk:
    """The functions of one `ai`."""

    functions: Mapping[str, Declared]
    session: str
    memory: Memory
    params: Mapping[str, Any] = field(default_factory=dict)
    """Of the `ai`."""

    def call(self, account: Account, call: CallRecord, asked: FunctionCall) -> Asking:
        """One function that is being called. Raises Refused (not-found)."""
        name = asked.name
        if name not in self.functions or name in self.memory.inactive:
            raise Refused("not-found", f"the document declares no function {name!r} with a URL or a data map, or it is toggled off")
        declared = self.functions[name]
        found = self._facts(account, call, declared, asked)
        if declared.data_map is not None:
            told = {key: found[key] for key in COMPUTED_FROM if key in found}
            data = declared.data_map.data(told, self.memory.global_data, self._meta_data(declared), asked, self._prompt_variables(call))
            return Mapped(declared.data_map, data, asked.now, lambda reply: self._reaction(declared, reply, asked, ""))
        assert declared.link is not None
        body = {**found, **self._posted(declared, asked, facts_of(account, call)["call"])}
        return Webhook(self, declared, asked, http_request(account, declared.link, body, LIMITS))

    def reaction(self, asked: FunctionCall, body: bytes, base: str) -> Reaction:
        """What the reply of a webhook asks for. DocumentError where it is none."""
        try:
            reply = read_json(body) if body.strip() else {}
        except (ValueError, RecursionError) as error:
            raise DocumentError(PREFIX + "parse_error", f"the reply is not JSON: {error}") from error
        return self._reaction(self.functions[asked.name], reply, asked, base)

    def _reaction(self, declared: Declared, reply: Any, asked: FunctionCall, base: str) -> Reaction:
        params = self.params
        names = ("swaig_allow_swml", "swaig_allow_settings", "swaig_set_global_data")
        allowed = Allowed(*(not _false(params.get(name)) for name in names))
        found = reaction(reply, base, allowed, self.memory, declared.token)
        self.memory.log = [*self.memory.log, *_logged(asked, reply)][-LONGEST_LOG:]
        return found

    def _meta_data(self, declared: Declared) -> dict[str, Any]:
        return {**(declared.given.get("meta_data") or {}), **self.memory.meta_data.get(declared.token, {})}

    def _facts(self, account: Account, call: CallRecord, declared: Declared, asked: FunctionCall) -> dict[str, Any]:
        """What is told of every function."""
        given = declared.given
        purpose = given.get("description") or given.get("purpose") or ""
        facts = facts_of(account, call)["call"]
        told = {
            "function": asked.name,
            "argument": {"parsed": [dict(asked.arguments)], "raw": json.dumps(dict(asked.arguments)), "substituted": ""},
            "argument_desc": given.get("argument") or given.get("parameters") or {},
            "description": purpose,
            "purpose": purpose,
            "call_id": facts.get("call_id", ""),
            "ai_session_id": self.session,
            "app_name": str(self.params.get("app_name") or "hubbub"),
            "channel_active": not call.status.final,
            "channel_offhook": CALL_STATES.get(call.status.value) == "answered",
            "channel_ready": not call.status.final,
            "content_type": "text/swaig",
            "content_disposition": "SWAIG Function",
            "version": "2.0",
            "global_data": dict(self.memory.global_data),
            "caller_id_name": call.caller.display,
            "caller_id_num": call.caller.value,
            "project_id": facts.get("project_id", ""),
            "space_id": facts.get("space_id", ""),
        }
        tracked = self.params.get("conversation_id")
        return {**told, "conversation_id": str(tracked), "conversation_type": "voice"} if tracked else told

    def _posted(self, declared: Declared, asked: FunctionCall, call: Mapping[str, Any]) -> dict[str, Any]:
        """What webhooks are told besides."""
        found: dict[str, Any] = {"meta_data_token": declared.given.get("meta_data_token") or "", "meta_data": self._meta_data(declared)}
        wished = self.params.get("swaig_post_swml_vars")
        if isinstance(wished, list) or is_true(wished):
            names = set(asked.variables) if not isinstance(wished, list) else {name for name in wished if isinstance(name, str)}
            found |= {"SWMLVars": {name: value for name, value in asked.variables.items() if name in names}, "SWMLCall": dict(call)}
        if is_true(self.params.get("swaig_post_conversation")):
            found |= {"call_log": list(self.memory.log), "raw_call_log": list(self.memory.log)}
        return found

    def _prompt_variables(self, call: CallRecord) -> dict[str, Any]:
        direction = "inbound" if call.direction == "inbound" else "outbound"
        found = {"call_direction": direction, "caller_id_name": call.caller.display, "caller_id_number": call.caller.value}
        return {**found, "local_tz": self.params.get("local_tz")}


@dataclass(frozen=True)
class Webhook:
    """A function that is asked of an application, which has to answer."""

    desk: SwaigDesk
    declared: Declared
    asked: FunctionCall
    request: HttpRequest | None

    def reaction(self, found: HttpReply | RequestFailed | None) -> Reaction:
        """What its reply asks for. Raises RequestFailed or DocumentError."""
        if not isinstance(found, HttpReply):
            assert found is not None
            raise found
        if found.status >= 300:
            raise RequestFailed("status", f"the application answered {found.status}", status=found.status, url=found.url)
        return self.desk.reaction(self.asked, found.body, found.url)


COMPUTED_FROM = (
    *("function", "call_id", "ai_session_id", "app_name", "conversation_id", "caller_id_name", "caller_id_num", "project_id", "space_id"),
)
"""What data maps may read of a call, beside arguments and data."""
LONGEST_LOG = 200


def _logged(asked: FunctionCall, reply: Any) -> list[dict[str, Any]]:
    """The conversation as far as there is one without a model: the call of a function, and what it gave; times in microseconds."""
    said = reply.get("response", "") if isinstance(reply, dict) else ""
    identity, moment = str(new_id()), round(asked.now * 1e6)
    function = {"name": asked.name, "arguments": json.dumps(dict(asked.arguments))}
    return [
        {"role": "assistant", "timestamp": moment, "tool_calls": [{"id": identity, "type": "function", "function": function}]},
        {"role": "tool", "timestamp": moment, "tool_call_id": identity, "content": said if isinstance(said, str) else json.dumps(said)},
    ]


def _ai(compiler: Compiler, node: Node, values: dict[str, Any]) -> Step:
    """Variables are bound when it is reached, but for those of data maps, and what only a model would read."""
    given = _given(values["params"], dict, node.at.path)
    swaig = _given(given.get("SWAIG"), dict, f"{node.at.path}/SWAIG")
    functions = _given(swaig.get("functions"), list, f"{node.at.path}/SWAIG/functions")
    maps = {index: each["data_map"] for index, each in enumerate(functions) if isinstance(each, dict) and "data_map" in each}
    bare = [{k: v for k, v in each.items() if k != "data_map"} if isinstance(each, dict) else each for each in functions]
    read = {"SWAIG": {**swaig, "functions": bare}, "params": given.get("params"), "global_data": given.get("global_data")}
    if not has_variables(read):
        return _held(compiler, node, read, maps)

    def bind(scope: Scope) -> tuple[Step, ...]:
        try:
            return (_held(compiler, node, filled(read, scope), maps),)
        except EvaluationFailed as error:
            return (mistake("js_eval_error", f"{node.at.path}: {error}", node.at),)

    return Template(bind, node.at, slow=is_slow(read))


def _held(compiler: Compiler, node: Node, params: Mapping[str, Any], maps: Mapping[int, Any]) -> HoldForFunctions:
    swaig = params["SWAIG"]
    defaults = _given(swaig.get("defaults"), dict, f"{node.at.path}/SWAIG/defaults")
    functions: dict[str, Declared] = {}
    for index, given in enumerate(swaig["functions"]):
        path = f"{node.at.path}/SWAIG/functions[{index}]"
        if not isinstance(given, dict) or not isinstance(given.get("function"), str):
            raise wrong("method_parameter_missing", f"{path}: needs 'function'")
        declared = _declared(compiler, node, {**given, "data_map": maps.get(index)}, defaults, path)
        if declared is not None:
            functions[given["function"]] = declared
    if swaig.get("includes"):
        compiler.remarks.append(Remark(PREFIX + "method_parameter_undefined", f"{node.at.path}/SWAIG/includes has no effect", node.at))
    settings = _given(params.get("params"), dict, f"{node.at.path}/params")
    data = _given(params.get("global_data"), dict, f"{node.at.path}/global_data")
    inactive = {name for name, declared in functions.items() if _false(declared.given.get("active"))}
    desk = SwaigDesk(functions, str(new_id()), Memory(dict(data), inactive=inactive), settings)
    return HoldForFunctions(desk=desk, at=node.at)


def _declared(compiler: Compiler, node: Node, given: dict[str, Any], defaults: Mapping[str, Any], path: str) -> Declared | None:
    """A function with a data map, or with a URL of its own or of all; None where it has neither."""
    _given(given.get("meta_data"), dict, f"{path}/meta_data")
    if given.get("gates"):
        told = f"{path}/gates has no effect: no model decides here"
        compiler.remarks.append(Remark(PREFIX + "method_parameter_invalid_value", told, node.at))
    computed = given.get("data_map")
    if computed is not None:
        return Declared(None, given, DataMap.read(_given(computed, dict, f"{path}/data_map"), f"{path}/data_map"))
    link = _webhook(compiler, {**defaults, **given}, path)
    return None if link is None else Declared(link, given)


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


PARAMS = Attr(ANYTHING, "params", steps_within, None, why="the model's own settings have no effect: the call is held for its functions")
AI: Sequence[Element] = tuple(Element(name, _ai, (PARAMS,), ON_CALL) for name in ("ai", "amazon_bedrock"))
METHODS.update({method.name: method for method in AI})
