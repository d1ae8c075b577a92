"""Data maps and their templates: what is read from where, which webhook is asked, what ends it, and what is hostile (3.3, 3.12)."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from tests.support.facts import ACCOUNT, CALL, START

from hubbub.dialects.swml.expressions import EvaluationFailed, matches
from hubbub.dialects.swml.functions import Declared, SwaigDesk
from hubbub.dialects.swml.methods import compile_script
from hubbub.dialects.swml.replies import Memory
from hubbub.dialects.swml.templates import LONGEST_RESULT, Budget, TooLong, expanded, expanded_all
from hubbub.errors import DocumentError, Refused, RequestFailed
from hubbub.events import Link
from hubbub.sandbox.process import SandboxUnavailable
from hubbub.verbs.held import Asking, FunctionCall, HoldForFunctions
from hubbub.verbs.model import Speak, Stage
from hubbub.verbs.program import Execute, Scope, Template
from hubbub.webhooks.requester import HttpReply, HttpRequest

DATA = {
    "args": {"city": "New York/NY", "n": 3, "x": 72.5, "deep": {"a": [1, {"b": "two"}]}, "phone": "+15551234567", "WHO": "Ann"},
    "global_data": {"table": {"sales": "+1"}},
    "list": ["a", "b", "c"],
}


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("in ${args.city}, %{args.n}", "in New York/NY, 3"),
        ("${args.x} ${args.deep.a[1].b} ${list[-1]} ${list[9]}|${nobody.here}|${}", "72.500000 two c ||"),
        ("${ARGS.who} ${args.deep.a}", 'Ann [1, {"b": "two"}]'),
        ("${enc:args.city} ${lc:enc:args.city} ${enc:lc:args.city}", "New%20York/NY new%20york/ny new%20york/ny"),
        ("${enc:url:args.city}|${args.}|${list[0][1]}", "||"),
        ("${fmt_ph:args.phone} ${lc:fmt_ph:args.WHO}", "+15551234567 ann"),
        ("${global_data.table.${lc:args.kind}}|${list[${args.n}]}", "|"),
        ("@{separate AB${args.n}} @{echo x} @{expr (100 - 25) / 5} @{expr alert(1)} @{nothing x}", "A B 3 x 15  @{nothing x}"),
        ("@{strftime_tz UTC %Y-%m-%d %H} @{sleep 9}.", "2026-03-02 09 ."),
        (
            "@{fmt_ph international 2125551234} @{fmt_ph e164 2125551234} @{fmt_ph national:sep:- +12125551234}",
            "+1 212-555-1234 +12125551234 212-555-1234",
        ),
        ("open ${ and ${args.n} $5", "open ${ and 3 $5"),
    ],
)
def test_templates(template: str, text: str) -> None:
    """The vendor's SDK: `lc`, `enc`, `fmt_ph` in a fixed order, no `enc:url`, whole numbers, six places, names in whatever case."""
    assert expanded(template, DATA, START, Budget()) == text


def test_what_is_filled_in_is_not_read_again() -> None:
    data = {"args": {"evil": "${secret} @{echo x}"}, "secret": "s"}
    assert expanded_all({"${args.evil}": ["a ${args.evil}", 1, None]}, data, START, Budget()) == {
        "${secret} @{echo x}": ["a ${secret} @{echo x}", 1, None]
    }


@pytest.mark.parametrize("template", ["${" * 40_000, "@{echo " * 20_000 + "}" * 20_000, "{" * 50_000 + "}" * 50_000, "${a[" * 9000])
def test_hostile_templates_end(template: str) -> None:
    with suppress(TooLong):
        expanded(template, DATA, START, Budget())


def test_templates_have_a_bound() -> None:
    with pytest.raises(TooLong):
        expanded("${a}" * 100, {"a": "x" * (LONGEST_RESULT // 50)}, START, Budget())
    with pytest.raises(TooLong):
        expanded("${enc:a}", {"a": "x" * (LONGEST_RESULT + 1)}, START, Budget())


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ("2+2", "4"),
        ("-(1 + 2) * 3.5", "-10.500000"),
        ("2 ** 3 ** 2", "512"),
        (".5 + 1.", "1.500000"),
        ("1 /\n 3", "0.333333"),
        *((wrong, "") for wrong in ("1/0", "9**9**9**9", "(1", "7//2", "1 2", "()", "1(2)", "-8 ** .5 * (-8) ** .5", "1,2", "__import__")),
        *((wrong, "") for wrong in ("(" * 99 + ")" * 99, "9" * 200 + "1", "-" * 199 + "")),
    ],
)
def test_arithmetic(given: str, text: str) -> None:
    """`@{expr 2+2}`: numbers, `+ - * /`, powers and brackets; what is wrong, or no number, is empty."""
    assert expanded(f"@{{expr {given}}}", {}, START, Budget()) == text


# -- data maps -------------------------------------------------------------------------------------------------


def function(data_map: dict[str, Any], **more: Any) -> SwaigDesk:
    given = {"ai": {"SWAIG": {"functions": [{"function": "f", "data_map": data_map, **more}]}, "global_data": {"tier": "gold"}}}
    (held,) = compile_script({"sections": {"main": [given]}}, "", Stage.CALL).main
    assert isinstance(held, HoldForFunctions)
    assert isinstance(held.desk, SwaigDesk)
    return held.desk


def asking(desk: SwaigDesk, **arguments: Any) -> Asking:
    return desk.call(ACCOUNT, CALL, FunctionCall("f", arguments, {"v": 1}, START))


def request_of(desk: SwaigDesk, **arguments: Any) -> HttpRequest:
    request = asking(desk, **arguments).request
    assert request is not None
    return request


def reply(body: Any, status: int = 200) -> HttpReply:
    return HttpReply(status, {}, "application/json", body if isinstance(body, bytes) else json.dumps(body).encode(), "http://x", 0.0, 1)


def test_the_first_expression_with_an_output_ends_it() -> None:
    """ "can match anywhere in the value, without regard to case"; `/pattern/flags` sets them; `nomatch-output` ends it too."""
    start = {
        "string": "${args.command}",
        "pattern": "start.*",
        "output": {"response": "go ${args.file} ${meta_data.tier} ${prompt_vars.tier}"},
    }
    exact = {"string": "${args.command}", "pattern": "/^Stop$/", "output": {"response": "halt"}, "nomatch-output": {"response": "what?"}}
    desk = function({"expressions": [{"pattern": "x", "output": {"response": "never"}}, start, exact], "output": {"response": "never"}})
    for command, said in (("please START it", "go a.mp3 gold gold"), ("Stop", "halt"), ("stop", "what?")):
        found = asking(desk, command=command, file="a.mp3")
        assert found.request is None
        assert found.reaction(None).reply == {"response": said}


def test_one_webhook_is_asked_and_its_reply_is_the_root() -> None:
    """ "requests the first webhook whose `require_args` are met, and no other"; the arguments are under `input` afterwards."""
    walk = {"input_key": "results", "output_key": "lines", "max": 2, "append": "${this.title} of ${total};"}
    said = {"response": "${lines} ${input.args.q}|${args.q}|${global_data.tier}", "action": [{"say": "top: ${results[0].title}"}]}
    desk = function(
        {
            "webhooks": [
                {"url": "http://x/zip", "require_args": ["zip"], "output": {"response": "zip"}},
                {"url": "http://x/silent"},
                {"url": "http://u:p%40@x/find?q=${enc:args.q}", "headers": {"X-Key": "${args.q}"}, "foreach": walk, "output": said},
                {"url": "http://x/later", "output": {"response": "later"}},
            ],
            "output": {"response": "sorry, ${args.q}"},
        }
    )
    request = request_of(desk, q="a b")
    assert (request.method, request.url, request.body) == ("GET", "http://x/find?q=a%20b", None)
    assert (request.username, request.password, request.headers["X-Key"]) == ("u", "p@", "${args.q}")
    found = asking(desk, q="a b").reaction(reply({"total": 3, "results": [{"title": t} for t in "ABC"]}))
    assert found.reply["response"] == "A of 3;B of 3; a b||gold"
    assert found.program is not None
    assert found.program.main == (Speak(text="top: A"),)
    assert request_of(desk, zip="1").url == "http://x/zip"


@pytest.mark.parametrize(
    ("more", "found", "said"),
    [
        ({}, reply(b"no JSON"), "sorry"),
        ({}, RequestFailed("refused", "nobody listens"), "sorry"),
        ({}, reply({"title": "x", "error": None}, 404), "got x 404"),
        ({"error_keys": ["error"]}, reply({"title": "x", "error": None}), "sorry"),
        ({"error_keys": "http_code"}, reply({"title": "x"}, 500), "sorry"),
        ({}, reply([{"title": "y"}]), "got  "),
        ({"output": {"response": "${array[0].title}"}}, reply([{"title": "y"}]), "y"),
        ({"expressions": [{"string": "${title}", "pattern": "^x", "output": {"response": "an x"}}]}, reply({"title": "x"}), "an x"),
    ],
)
def test_what_a_webhook_answers(more: dict[str, Any], found: HttpReply | RequestFailed, said: str) -> None:
    """ "A status outside 200-299 isn't a failure by itself"; what is no JSON is; a key of `error_keys`, whatever its value, is."""
    webhook = {"url": "http://x/", "output": {"response": "got ${title} ${http_code}"}, **more}
    desk = function({"webhooks": [webhook], "output": {"response": "sorry"}})
    assert asking(desk).reaction(found).reply == {"response": said}


def test_parameters_make_it_a_post() -> None:
    """ "sent as a POST when `method` is "POST" or when it has params"; `input_args_as_params`, `form_param`."""
    hook = {"url": "http://x/", "output": {"response": "x"}}
    request = request_of(function({"webhooks": [{**hook, "params": {"q": "${args.q}", "n": 3}, "input_args_as_params": True}]}), q='a"b')
    assert (request.method, json.loads(request.body or b"")) == ("POST", {"q": 'a"b', "n": 3})  # type: ignore[arg-type]
    request = request_of(function({"webhooks": [{**hook, "params": {"q": "${args.q}"}, "form_param": "data"}]}), q="a b")
    assert (request.headers["Content-Type"], request.body) == (
        "application/x-www-form-urlencoded",
        b"data=%7B%22q%22%3A%20%22a%20b%22%7D",
    )
    assert request_of(function({"webhooks": [{**hook, "method": "post"}]})).method == "POST"
    assert request_of(function({"webhooks": [{**hook, "method": "DELETE"}]})).method == "GET"


def test_nothing_said_is_the_general_error() -> None:
    assert asking(function({"webhooks": []})).reaction(None).reply == {"response": "There was an error processing this request."}


def test_its_script_runs_on_the_call() -> None:
    script = {"version": "1.0.0", "sections": {"main": [{"join_conference": "${args.room}"}]}}
    found = asking(function({"output": {"response": "ok", "action": [{"SWML": script, "transfer": True}]}}), room="blue").reaction(None)
    assert found.ends
    assert found.program is not None
    (step,) = found.program.main
    assert isinstance(step, Execute)
    assert step.to.main[0].room == "blue"  # type: ignore[union-attr]


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|a?)+$", "(.*.*.*.*.*.*)x$"])
def test_a_pattern_that_does_not_end_is_told(pattern: str) -> None:
    desk = function({"expressions": [{"string": "a" * 60 + "b" + "a" * 5000, "pattern": pattern, "output": {"response": "x"}}]})
    with pytest.raises(DocumentError, match="takes too long"):
        asking(desk)


def test_patterns_are_bounded_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each keeps its limit, all of a map keep one together: before its request, and after it."""
    never = [{"string": "abc", "pattern": "x", "output": {"response": "never"}}] * 64
    before = function({"expressions": never, "output": {"response": "y"}})
    after = function({"webhooks": [{"url": "http://x/", "expressions": never, "output": {"response": "y"}}]})
    assert asking(before).reaction(None).reply == asking(after).reaction(reply({})).reply == {"response": "y"}
    begun: list[str] = []

    def costly(pattern: str, flags: str, text: str, spend: Callable[[float], None]) -> bool:
        begun.append(pattern)
        spend(0.1)
        return False

    monkeypatch.setattr("hubbub.dialects.swml.datamap.matches", costly)
    for late in (lambda: asking(before), lambda: asking(after).reaction(reply({}))):
        begun.clear()
        with pytest.raises(DocumentError, match="too long together"):
            late()
        assert len(begun) in (5, 6)


def test_all_that_a_map_writes_has_one_bound() -> None:
    """A list of strangers, a text for each: no text is long, all together are."""
    walk = {"input_key": "list", "output_key": "all", "append": "${this}" * 100}
    desk = function({"webhooks": [{"url": "http://x/", "foreach": walk, "output": {"response": "x"}}]})
    assert asking(desk).reaction(reply({"list": ["y" * 100] * 10})).reply == {"response": "x"}
    with pytest.raises(DocumentError, match="more than"):
        asking(desk).reaction(reply({"list": ["y" * 100] * 1000}))


@pytest.mark.parametrize("each", ["@{expr}", "${}", "${nothing}"])
def test_what_a_map_computes_has_a_bound(each: str) -> None:
    """Nothing else is done meanwhile, so a map ends in time, even one that writes nothing."""
    walk = {"input_key": "list", "output_key": "all", "append": each * 10}
    desk = function({"webhooks": [{"url": "http://x/", "foreach": walk, "output": {"response": "x"}}]})
    assert asking(desk).reaction(reply({"list": [1] * 500})).reply == {"response": "x"}
    with pytest.raises(DocumentError, match="more than"):
        asking(desk).reaction(reply({"list": [1] * 1000}))


def test_a_search_among_many_names_has_a_bound() -> None:
    """Names are matched without regard to case: what is not there is compared with all."""
    found = reply({**{f"k{number}": 1 for number in range(5_000)}, "title": "x"})
    hits, misses = (function({"webhooks": [{"url": "http://x/", "output": {"response": each * 60}}]}) for each in ("${title}", "${no}"))
    assert asking(hits).reaction(found).reply == {"response": "x" * 60}
    with pytest.raises(DocumentError, match="more than"):
        asking(misses).reaction(found)


@pytest.mark.parametrize("pattern", ["(", "[", "a{9999999999}", "(?i)ABC", "(?P<n>abc)"])
def test_patterns_of_another_engine(pattern: str) -> None:
    desk = function({"expressions": [{"string": "abc", "pattern": pattern, "output": {"response": "hit"}}]})
    hit = pattern.startswith("(?")
    assert (asking(desk).reaction(None).reply["response"] == "hit") == hit


@pytest.mark.parametrize(
    ("data_map", "path"),
    [
        ("x", "/data_map"),
        ({"webhooks": "x"}, "/webhooks"),
        ({"webhooks": [1]}, r"/webhooks\[0\]"),
        ({"expressions": [[]]}, r"/expressions\[0\]"),
    ],
)
def test_what_has_another_shape_is_wrong(data_map: Any, path: str) -> None:
    with pytest.raises(DocumentError, match=path):
        function(data_map)


def test_only_its_own_templates_are_left_to_it() -> None:
    """Variables of the script beside it are bound when `ai` is reached; what its prompt says is never evaluated."""
    kept = {"function": "f", "data_map": {"output": {"response": "${args.a}"}}}
    asked = {"function": "g", "web_hook_url": "${vars.base}/g"}
    given = {"prompt": {"text": "${no JavaScript at all"}, "SWAIG": {"functions": [kept, asked]}, "global_data": {"n": "${vars.n}"}}
    (late,) = compile_script({"sections": {"main": [{"ai": given}]}}, "", Stage.CALL).main
    assert isinstance(late, Template)
    (held,) = late.bind(Scope({"base": "http://app.test", "n": 3}))
    assert isinstance(held, HoldForFunctions)
    assert isinstance(held.desk, SwaigDesk)
    assert held.desk.memory.global_data == {"n": 3}
    assert held.desk.functions["g"].link == Link("http://app.test/g", "POST")
    assert asking(held.desk, a="b").reaction(None).reply == {"response": "b"}


# -- what functions are asked ----------------------------------------------------------------------------------


def posted(params: dict[str, Any], memory: Memory | None = None, **declared: Any) -> dict[str, Any]:
    desk = SwaigDesk({"f": Declared(Link("http://app.test/f"), {"function": "f", **declared})}, "session", memory or Memory({}), params)
    called = FunctionCall("f", {"a": 1}, {"x": 1, "y": 2}, START)
    desk.reaction(called, b'{"response": "fine"}', "http://app.test/f")
    request = desk.call(ACCOUNT, CALL, called).request
    assert request is not None
    found: dict[str, Any] = json.loads(request.body or b"")  # type: ignore[arg-type]
    return found


ALWAYS = {
    *(
        "function",
        "argument",
        "argument_desc",
        "description",
        "purpose",
        "call_id",
        "ai_session_id",
        "app_name",
        "meta_data_token",
        "meta_data",
    ),
    *("channel_active", "channel_offhook", "channel_ready", "content_type", "content_disposition", "version", "global_data"),
    *("caller_id_name", "caller_id_num", "project_id", "space_id"),
}


@pytest.mark.parametrize(
    ("params", "more"),
    [
        ({}, {}),
        ({"swaig_post_swml_vars": True}, {"SWMLVars": {"x": 1, "y": 2}, "SWMLCall": ...}),
        ({"swaig_post_swml_vars": ["y"]}, {"SWMLVars": {"y": 2}, "SWMLCall": ...}),
        ({"conversation_id": "c-1"}, {"conversation_id": "c-1", "conversation_type": "voice"}),
        ({"swaig_post_conversation": True}, {"call_log": ..., "raw_call_log": ...}),
    ],
)
def test_the_request_of_a_function(params: dict[str, Any], more: dict[str, Any]) -> None:
    """3.12: what is told always, and what is "optional": by the parameters of the `ai`."""
    found = posted(params)
    assert set(found) == ALWAYS | set(more)
    assert {name: found[name] for name, value in more.items() if value is not ...} == {k: v for k, v in more.items() if v is not ...}
    assert found["argument"] == {"parsed": [{"a": 1}], "raw": '{"a": 1}', "substituted": ""}
    if "call_log" in more:
        assert [entry["role"] for entry in found["call_log"]] == ["assistant", "tool"]
        assert found["call_log"][0]["tool_calls"][0]["function"] == {"name": "f", "arguments": '{"a": 1}'}
        assert (found["call_log"][1]["content"], found["call_log"][1]["timestamp"]) == ("fine", round(START * 1e6))


def test_meta_data_is_shared_by_token_or_by_url() -> None:
    """ "Scoping token for meta_data. If not supplied, metadata will be scoped to function's `web_hook_url`"."""
    assert posted({}, Memory({}, {"http://app.test/f": {"seen": 1}}))["meta_data"] == {"seen": 1}
    assert posted({}, Memory({}, {"t": {"seen": 2}}), meta_data_token="t", meta_data={"own": 1})["meta_data"] == {"own": 1, "seen": 2}


@pytest.mark.parametrize(
    ("param", "action"),
    [
        ("swaig_allow_swml", {"SWML": {"sections": {"main": []}}}),
        ("swaig_allow_settings", {"settings": {"temperature": 1}}),
        ("swaig_set_global_data", {"set_global_data": {"a": 1}}),
    ],
)
def test_what_functions_may_do_can_be_switched_off(param: str, action: dict[str, Any]) -> None:
    memory = Memory({})
    desk = SwaigDesk({"f": Declared(Link("http://app.test/f"), {"function": "f"})}, "session", memory, {param: False})
    done = desk.reaction(FunctionCall("f", {}, {}, START), json.dumps({"action": [action]}).encode(), "")
    assert param in done.remarks[0].message
    assert memory.global_data == {}
    assert done.program is None


def test_a_function_that_is_declared_inactive_waits_to_be_toggled() -> None:
    desk = function({"output": {"response": "x"}}, active=False)
    with pytest.raises(Refused):
        asking(desk)
    desk.memory.inactive.clear()
    assert asking(desk).reaction(None).reply == {"response": "x"}


def test_a_call_that_is_over_has_no_channel() -> None:
    desk = SwaigDesk({"f": Declared(Link("http://app.test/f"), {"function": "f"})}, "session", Memory({}))
    over = replace(CALL, status=type(CALL.status).COMPLETED)
    request = desk.call(ACCOUNT, over, FunctionCall("f", {}, {}, START)).request
    assert request is not None
    assert json.loads(request.body or b"")["channel_active"] is False  # type: ignore[arg-type]


def test_a_sandbox_that_cannot_be_asked_says_nothing_of_a_pattern(monkeypatch: pytest.MonkeyPatch) -> None:
    """Law 6: "Every failure is seen": it is no pattern that does not match."""

    def gone(*_: object) -> bool:
        raise SandboxUnavailable("the sandbox could not be asked: Too many open files")

    monkeypatch.setattr("hubbub.dialects.swml.expressions._sandbox", SimpleNamespace(evaluate=gone))
    with pytest.raises(EvaluationFailed, match="Too many open files"):
        matches("a+", "", "aa", lambda seconds: None)
