"""Data maps: functions that are computed here, from expressions, one web request and templates, without an application (3.12).

Expressions come first, then the first webhook whose arguments are there, then the output; the first output ends it. The rules are those
that the vendor's SDK publishes with its simulation of the platform. Patterns are tried in the sandbox of expressions: they end in time.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from hubbub.dialects.readers import read_json
from hubbub.dialects.swml.document import PREFIX, wrong
from hubbub.dialects.swml.expressions import TOGETHER, EvaluationFailed, matches
from hubbub.dialects.swml.replies import is_true
from hubbub.dialects.swml.templates import MISSING, Budget, TooLong, expanded, expanded_all, item, look_up, url_encoded
from hubbub.errors import DocumentError, RequestFailed
from hubbub.verbs.held import FunctionCall, Reaction
from hubbub.webhooks.requester import HttpReply, HttpRequest, Limits

LIMITS = Limits(connect=30.0, total=120.0, retries=0)
REDIRECTS = 15
LARGEST_REPLY = 1 << 20
MOST_EXPRESSIONS = 64
MOST_ITEMS = 1000
FAILED = {"response": "There was an error processing this request."}
"""What the platform says where nothing gave an output."""
_CREDENTIALS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://)([^/?#@]*)@")
_FLAGGED = re.compile(r"/(.*)/([a-z]*)", re.DOTALL)


@dataclass(frozen=True)
class DataMap:
    """What computes a function."""

    given: Mapping[str, Any]

    @classmethod
    def read(cls, given: Mapping[str, Any], path: str) -> DataMap:
        """From a document. DocumentError names the path."""
        for name in ("expressions", "webhooks"):
            parts = item(given, name)
            if parts is not MISSING and not isinstance(parts, (list, dict)):
                raise wrong("method_parameter_invalid_value", f"{path}/{name}: must be a list of objects")
            for index, part in enumerate(_listed(parts)):
                if not isinstance(part, dict):
                    raise wrong("method_parameter_invalid_value", f"{path}/{name}[{index}]: must be an object")
                _check_expressions(item(part, "expressions") if name == "webhooks" else [part], f"{path}/{name}[{index}]")
        return cls(given)

    def data(
        self,
        told: Mapping[str, Any],
        global_data: Mapping[str, Any],
        meta_data: Mapping[str, Any],
        asked: FunctionCall,
        facts: Mapping[str, Any],
    ) -> dict[str, Any]:
        """What its templates read before there is a response."""
        variables = {**_moment(asked.now, facts.get("local_tz")), **{k: v for k, v in facts.items() if k != "local_tz"}, **global_data}
        found = {**told, "global_data": dict(global_data), "meta_data": {**global_data, **meta_data}, **variables}
        return {**found, "args": dict(asked.arguments), "input": {}, "prompt_vars": variables}

    @property
    def webhooks(self) -> list[Any]:
        """Its webhooks."""
        return _listed(item(self.given, "webhooks"))


def _check_expressions(given: Any, path: str) -> None:
    if len(_listed(given)) > MOST_EXPRESSIONS:
        raise wrong("method_parameter_invalid_value", f"{path}: has more than {MOST_EXPRESSIONS} expressions")


def _listed(value: Any) -> list[Any]:
    """A list, or the one that there is."""
    return value if isinstance(value, list) else [] if value is MISSING or value is None else [value]


def _moment(now: float, zone: Any) -> dict[str, str]:
    """What prompts may say of the time."""
    try:
        here = datetime.fromtimestamp(now, ZoneInfo(str(zone or "UTC")))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        here = datetime.fromtimestamp(now, UTC)
    part = "morning" if here.hour < 12 else "afternoon" if here.hour < 18 else "evening"
    return {"local_date": here.strftime("%A, %B %d, %Y"), "local_time": here.strftime("%I:%M:%S %p %z"), "time_of_day": part}


class Mapped:
    """A data map that is being computed."""

    def __init__(self, given: DataMap, data: Mapping[str, Any], now: float, react: Callable[[Any], Reaction]) -> None:
        self._given = given
        self._data = data
        self._now = now
        self._react = react
        self._webhook: Mapping[str, Any] | None = None
        self._known: Any = MISSING
        self.request: HttpRequest | None = None
        with self._bounded():
            self._known = self._first(item(given.given, "expressions"), data)
            if self._known is MISSING:
                self._webhook = next((each for each in given.webhooks if self._eligible(each)), None)
                self.request = self._made(self._webhook) if self._webhook is not None else None

    def reaction(self, found: HttpReply | RequestFailed | None) -> Reaction:
        """What it comes to, whatever its webhook said."""
        with self._bounded():
            if self._known is MISSING and self._webhook is not None:
                self._known = self._answered(self._webhook, _reply(found))
            if self._known is MISSING:
                output = item(self._given.given, "output")
                self._known = FAILED if output is MISSING else self._all(output, self._data)
        return self._react(self._known)

    @contextmanager
    def _bounded(self) -> Iterator[None]:
        """What is too much, too deep or too slow is a mistake of the document: before the request, and after it."""
        self._budget = Budget(TOGETHER)
        try:
            yield
        except (TooLong, RecursionError, EvaluationFailed) as error:
            raise DocumentError(PREFIX + "js_eval_error", f"the data map: {error}") from error

    def _first(self, expressions: Any, data: Mapping[str, Any]) -> Any:
        """The output of the first expression that has one."""
        for each in _listed(expressions):
            text, pattern, output = (item(each, name) for name in ("string", "pattern", "output"))
            if not isinstance(text, str) or output is MISSING:
                continue
            hit = isinstance(pattern, str) and self._hit(pattern, self._text(text, data))
            chosen = output if hit else item(each, "nomatch-output")
            if chosen is not MISSING:
                return self._all(chosen, data)
        return MISSING

    def _eligible(self, webhook: Mapping[str, Any]) -> bool:
        """Whether it has a URL, something to say afterwards, and one of the arguments that it needs."""
        needs = item(webhook, "require_args")
        there = needs is MISSING or any(isinstance(name, str) and item(self._data["args"], name) is not MISSING for name in _listed(needs))
        speaks = any(item(webhook, name) is not MISSING for name in ("output", "expressions"))
        return there and speaks and isinstance(item(webhook, "url"), str)

    def _made(self, webhook: Mapping[str, Any]) -> HttpRequest:
        """Its request: a POST where it says so or has parameters, else a GET."""
        address, user, password = str(item(webhook, "url")), "", ""
        credentials = _CREDENTIALS.match(address)
        if credentials is not None:
            user, _, password = credentials[2].partition(":")
            address = credentials[1] + address[credentials.end() :]
        form, params = item(webhook, "form_param"), item(webhook, "params")
        params = item(webhook, "body") if params is MISSING else params  # as the older SDK writes it
        if is_true(item(webhook, "input_args_as_params")):
            params = {**(params if isinstance(params, dict) else {}), **self._data["args"]}
        body = None
        kind = "application/json"
        if params is not MISSING:
            text = json.dumps(self._all(params, self._data), ensure_ascii=False)
            body = (f"{form}={url_encoded(text)}" if isinstance(form, str) else text).encode()
            kind = "application/x-www-form-urlencoded" if isinstance(form, str) else kind
        given = item(webhook, "headers")
        own = {str(name): value for name, value in given.items() if isinstance(value, str)} if isinstance(given, dict) else {}
        verb = item(webhook, "method")
        posts = body is not None or (isinstance(verb, str) and verb.lower() == "post")
        return HttpRequest(
            method="POST" if posts else "GET",
            url=self._text(address, self._data),
            headers={"User-Agent": "hubbub", "Content-Type": kind, **own},
            body=body if posts else None,
            limits=LIMITS,
            username=unquote(user),
            password=unquote(password),
            auth="preemptive",
            max_redirects=REDIRECTS,
            max_body=LARGEST_REPLY,
        )

    def _answered(self, webhook: Mapping[str, Any], reply: Any) -> Any:
        """What a webhook says to its reply: `foreach`, then `expressions`, then `output`; MISSING where it failed."""
        errors = ["parse_error", "protocol_error", *_listed(item(webhook, "error_keys"))]
        if any(isinstance(key, str) and item(reply, key) is not MISSING for key in errors):
            return MISSING
        data = {"array": reply} if isinstance(reply, list) else dict(reply) if isinstance(reply, dict) else {}
        shown = {name: value for name, value in self._data.items() if name != "prompt_vars"}
        for name, value in (("prompt_vars", self._data["prompt_vars"]), ("global_data", self._data["global_data"]), ("input", shown)):
            if item(data, name) is MISSING:
                data[name] = copy.deepcopy(value)
        self._walk(item(webhook, "foreach"), data)
        found = self._first(item(webhook, "expressions"), data)
        output = item(webhook, "output")
        return found if found is not MISSING or output is MISSING else self._all(output, data)

    def _walk(self, foreach: Any, data: dict[str, Any]) -> None:
        """Writes a text for each element of a list into the data."""
        source, target, each = (item(foreach, name) for name in ("input_key", "output_key", "append"))
        found = look_up(data, source, self._budget) if isinstance(source, str) else MISSING
        if not (isinstance(found, list) and isinstance(target, str) and isinstance(each, str)):
            return
        most = _whole(item(foreach, "max"))
        shown = {name: value for name, value in data.items() if name.lower() != "this"}
        texts = []
        for shown["this"] in found[: min(most or MOST_ITEMS, MOST_ITEMS)]:
            texts.append(self._text(each, shown))  # one object, however large it is, for all elements
        if item(data, target) is MISSING:
            data[target] = "".join(texts)

    def _hit(self, pattern: str, text: str) -> bool:
        """Whether a pattern is found anywhere: without regard to case, unless it is written as `/pattern/flags`."""
        flagged = _FLAGGED.fullmatch(pattern)
        if pattern.startswith("/") and flagged is None:
            return False
        self._budget.check_time()
        bare, flags = (flagged[1], flagged[2]) if flagged is not None else (pattern, "i")
        return matches(bare, "".join(flag for flag in "is" if flag in flags), text, self._budget.pass_time)

    def _text(self, template: str, data: Any) -> str:
        return expanded(template, data, self._now, self._budget)

    def _all(self, value: Any, data: Any) -> Any:
        return expanded_all(value, data, self._now, self._budget)


def _whole(value: Any) -> int:
    """A number of elements; 0 is all."""
    try:
        return max(0, int(float(value))) if value is not MISSING else 0
    except (TypeError, ValueError, OverflowError):
        return 0


def _reply(found: HttpReply | RequestFailed | None) -> Any:
    """The JSON of a reply; what is wrong with it stands under names that make it fail, but a status does not."""
    if not isinstance(found, HttpReply):
        return {"protocol_error": True, "http_code": getattr(found, "status", None) or 0}
    try:
        reply = read_json(found.body.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        reply = {"parse_error": True, "raw_response": found.body.decode("utf-8", "replace")}
    good = 200 <= found.status < 300
    return reply if good or not isinstance(reply, dict) else {**reply, "http_code": found.status}
