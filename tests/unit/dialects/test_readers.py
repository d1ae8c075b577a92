"""The two readers: XML, and JSON or YAML. Whatever comes in, a value or a DocumentError with line and column comes out."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.vectors import DIALECTS

from hubbub.dialects.readers import MAX_DEPTH, MAX_ELEMENTS, read_script, read_xml
from hubbub.dialects.tables import Node
from hubbub.dialects.twiml.document import TABLE
from hubbub.errors import DocumentError
from hubbub.verbs.model import Stage
from hubbub.verbs.program import Template


def xml(text: str | bytes) -> Node:
    return read_xml(text.encode() if isinstance(text, str) else text, TABLE)


def xml_error(text: str | bytes) -> DocumentError:
    with pytest.raises(DocumentError) as caught:
        xml(text)
    return caught.value


def script(text: str | bytes) -> Any:
    return read_script(text.encode() if isinstance(text, str) else text, malformed="parse_error", max_bytes=65536)


def script_error(text: str | bytes) -> DocumentError:
    with pytest.raises(DocumentError) as caught:
        script(text)
    assert caught.value.code == "parse_error"
    return caught.value


# -- XML -------------------------------------------------------------------------------------------------------


def test_elements_know_where_they_stand() -> None:
    root = xml("<Response>\n  <Say>a</Say>\n\n   <Dial><Conference/><Conference/></Dial></Response>")
    say, dial = root.children
    assert (say.at.line, say.at.column, say.at.path) == (2, 3, "/Response/Say[0]")
    assert (dial.at.line, dial.at.column) == (4, 4)
    assert dial.children[1].at.path == "/Response/Dial[0]/Conference[1]"


def test_blank_lines_before_the_declaration_are_skipped_and_counted() -> None:
    """Templates leave them; expat would refuse them."""
    root = xml("\n\n \n<?xml version='1.0'?>\n<Response><Say>a</Say></Response>")
    assert root.children[0].at.line == 5
    error = xml_error("\n\n<Response>\n<Say></Response>")
    assert (error.line, error.column) == (4, 8)


def test_text_is_trimmed_and_markup_kept() -> None:
    say = xml("<Response><Say> a <break time='1s'/> &lt;b&gt; </Say></Response>").children[0]
    assert say.text == "a  <b>"
    assert say.markup == 'a <break time="1s"></break> &lt;b&gt;'


def test_a_doctype_is_refused() -> None:
    error = xml_error("<?xml version='1.0'?>\n<!DOCTYPE Response [<!ENTITY a 'b'>]>\n<Response/>")
    assert "DOCTYPE" in error.message
    assert error.line == 2


def test_entities_cannot_explode_or_read_files() -> None:
    bomb = "<!DOCTYPE r [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;'>]><Response><Say>&b;</Say></Response>"
    assert "DOCTYPE" in xml_error(bomb).message
    file = "<!DOCTYPE r [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><Response><Say>&x;</Say></Response>"
    assert "DOCTYPE" in xml_error(file).message
    assert "undefined entity" in xml_error("<Response><Say>&nbsp;</Say></Response>").message


def test_deep_nesting_is_refused() -> None:
    xml("<Response>" + "<a>" * (MAX_DEPTH - 1) + "</a>" * (MAX_DEPTH - 1) + "</Response>")
    assert "deeply" in xml_error("<Response>" + "<a>" * MAX_DEPTH + "</a>" * MAX_DEPTH + "</Response>").message


def test_too_many_elements_are_refused() -> None:
    with pytest.raises(DocumentError, match="too many"):
        read_xml(b"<Response>" + b"<a/>" * MAX_ELEMENTS + b"</Response>", replace(TABLE, max_bytes=1 << 20))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "iso-8859-1", "windows-1252"])
def test_encodings(encoding: str) -> None:
    declared = encoding.removesuffix("-sig")
    root = xml(f"<?xml version='1.0' encoding='{declared}'?><Response><Say>Grüße</Say></Response>".encode(encoding))
    assert root.children[0].text == "Grüße"


@pytest.mark.parametrize("encoding", ["foo", "utf-7", "big5", "idna", "utf-16"])
def test_encodings_that_cannot_be_read(encoding: str) -> None:
    error = xml_error(f"<?xml version='1.0' encoding='{encoding}'?><Response/>")
    assert error.line == 1


def test_bytes_that_are_not_utf_8() -> None:
    assert "invalid token" in xml_error(b"<Response><Say>\xff</Say></Response>").message


def test_64_kilobytes_and_no_more() -> None:
    """> 64 kB -> 11750; the reader holds the same limit."""
    frame = b"<Response><Say></Say></Response>"
    whole = frame.replace(b"><", b">" + b"x" * (65536 - len(frame)) + b"<", 2).replace(b"x" * (65536 - len(frame)), b"", 1)
    assert len(whole) == 65536
    xml(whole)
    assert "65536" in xml_error(whole + b" ").message


# -- JSON and YAML ---------------------------------------------------------------------------------------------


def test_json_and_yaml_are_told_apart_by_looking() -> None:
    assert script('{"a": [1, 2.5, true, null, "x"]}') == {"a": [1, 2.5, True, None, "x"]}
    assert script("a: [1, 2.5, true, null, x]") == {"a": [1, 2.5, True, None, "x"]}
    assert script("{a: 1}") == {"a": 1}
    assert script('\ufeff{"a": 1}') == {"a": 1}
    assert script("  a: 1\n  b: 2\n") == {"a": 1, "b": 2}


def test_yaml_is_1_2() -> None:
    """Version 1.1 makes booleans of `no`, sexagesimal numbers of times, octal numbers of leading zeros and dates of dates."""
    text = "[yes, no, on, off, 1:30, 010, 1_000, 2026-01-01, 0o17, 0x1F, '1', \"true\", ~, <<]"
    assert script(text) == ["yes", "no", "on", "off", "1:30", 10, "1_000", "2026-01-01", 15, 31, "1", "true", None, "<<"]


def test_a_number_with_a_plus_stays_text() -> None:
    assert script("a: +15550001000") == {"a": "+15550001000"}


def test_keys_are_text_as_written() -> None:
    assert script("{1: a, true: b, ~: c, 01: d}") == {"1": "a", "true": "b", "~": "c", "01": "d"}


def test_tags_of_the_core_schema_only() -> None:
    assert script("[!!str 1, !!int '7', !!float '1.5']") == ["1", 7, 1.5]
    for text in ("!!python/object:os.system x", "[!!timestamp x]", "!!int abc", "!!bool abc", "!!binary x", "!mine {a: b}", "!!set {a, b}"):
        assert script_error(text).line == 1


def test_anchors_and_merge() -> None:
    assert script("a: &x [1]\nb: *x") == {"a": [1], "b": [1]}
    assert "no anchor" in script_error("a: &x [*x]").message
    assert "no anchor" in script_error("a: *x").message


def test_alias_bombs_are_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    assert "expands" in script_error("\n".join(lines)).message


@pytest.mark.parametrize("text", ["[" * 30_000, "- " * 30_000, "{a: " * 16_000, '{"a":' * 13_000, "[" * 900 + "]" * 900, "? " * 30_000])
def test_deep_nesting_cannot_kill_the_process(text: str) -> None:
    """The C library's own composer overflows the stack: such a document would end every call of the server."""
    assert script_error(text)


def test_one_document_only() -> None:
    assert "more than one" in script_error("a: 1\n---\nb: 2").message


def test_errors_have_line_and_column() -> None:
    error = script_error('{"a":\n  1,\n "b" 2}')
    assert (error.line, error.column) == (3, 6)
    error = script_error("\n\na: 1\nb: c: d")
    assert (error.line, error.column) == (4, 5)


@pytest.mark.parametrize(
    "text",
    ['{"a": 1' + "0" * 5000 + "}", '{"a": 1e999}', '{"a": NaN}', '{"a": -Infinity}', '{"a": "\\ud800"}', '["a": 1}', "a: \x07", "\x00"],
)
def test_what_cannot_be_sent_on_is_refused(text: str) -> None:
    assert script_error(text)


def test_what_is_not_a_number_in_yaml_is_text() -> None:
    assert script("a: [" + "9" * 5000 + ", .nan, 1e400, -x]") == {"a": ["9" * 5000, ".nan", "1e400", "-x"]}


def test_scripts_have_the_same_limit() -> None:
    assert script('{"a": "' + "x" * (65536 - 9) + '"}')
    assert "65536" in script_error('{"a": "' + "x" * (65536 - 8) + '"}').message


# -- fuzz ------------------------------------------------------------------------------------------------------

NAMES = st.sampled_from(
    """
    Response Bxml Say Play Pause Gather Record Dial Conference Redirect Hangup Reject Enqueue SpeakSentence PlayAudio Ring
    Tag SendDtmf StartRecording StopRecording Number break x
    """.split()  # noqa: SIM905
)
ATTRIBUTES = st.sampled_from(
    """
    muted beep coach waitUrl waitMethod maxParticipants loop digits length action method timeout finishOnKey numDigits mute
    hold tag name callbackTimeout conferenceEventUrl redirectUrl duration gender statusCallbackEvent version xmlns
    """.split()  # noqa: SIM905
)
VALUES = st.one_of(
    st.sampled_from(
        [
            "",
            "true",
            "1",
            "-1",
            "0",
            "1e9",
            "²",
            "٣",
            "/a",
            "http://[",
            "http://x:99999999/",
            "//",
            "#",
            "POST",
            "a b",
            "9" * 400,
        ]
    ),
    st.text(max_size=20),
)
ESCAPES = {ord("&"): "&amp;", ord("<"): "&lt;", ord('"'): "&quot;"}


@st.composite
def xmlish(draw: st.DrawFn, depth: int = 0) -> str:
    name = draw(NAMES if depth else st.sampled_from(["Response", "Bxml"]))
    given_ = draw(st.dictionaries(ATTRIBUTES, VALUES, max_size=3))
    spelled = "".join(f' {key}="{value.translate(ESCAPES)}"' for key, value in given_.items())
    children = st.lists(xmlish(depth + 1), max_size=3).map("".join) if depth < 3 else st.just("")
    inside = draw(st.one_of(VALUES.map(lambda v: v.translate(ESCAPES)), children))
    return f"<{name}{spelled}>{inside}</{name}>"


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    VALUES,
    st.sampled_from(["say: x", "silence:y", "ring:", "${a}", "%{a.b}", "start end", "silence:٣", "ring:1:2:3"]),
)
ANYTHING = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(VALUES, inner, max_size=3), max_leaves=6)
PARAMETERS = st.sampled_from(
    """
    name muted beep wait_url max_participants coach result variable case default url urls duration reason
    status_callback_event say_voice
    """.split()  # noqa: SIM905
)
METHODS = st.sampled_from("answer hangup sleep play join_conference switch set prompt dance".split())  # noqa: SIM905
PARAMS = st.one_of(ANYTHING, st.dictionaries(PARAMETERS, ANYTHING, max_size=4))
STEPS = st.lists(st.one_of(METHODS, st.dictionaries(METHODS, PARAMS, min_size=1, max_size=1), ANYTHING), max_size=4)
NESTED = st.builds(lambda steps: [{"switch": {"variable": "a", "case": {"b": steps}, "default": steps}}], STEPS)
SCRIPTS = st.one_of(ANYTHING, st.builds(lambda steps: {"sections": {"main": steps}}, st.one_of(STEPS, NESTED)))

QUICK = settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True, database=None)


def survive(dialect: str, body: bytes, kind: str, stage: Stage) -> None:
    """Compile; bind what is bound late. Only DocumentError may come out."""
    try:
        program = DIALECTS[dialect].compile(body, kind, "http://app.test/a", stage)
        for steps in program.sections.values():
            for step in steps:
                if isinstance(step, Template):
                    step.bind({"a": {"b": 1}})
    except DocumentError as error:
        str(error).encode()
        return
    repr(program).encode("utf-8", "surrogatepass")


KINDS = st.sampled_from(["text/xml", "text/plain", "application/json", ""])


@QUICK
@given(st.sampled_from(sorted(DIALECTS)), st.binary(max_size=200), KINDS, st.sampled_from(list(Stage)))
def test_any_bytes(dialect: str, body: bytes, kind: str, stage: Stage) -> None:
    survive(dialect, body, kind, stage)


@QUICK
@given(st.sampled_from(["twiml", "bxml"]), xmlish(), KINDS, st.sampled_from(list(Stage)))
def test_anything_like_xml(dialect: str, text: str, kind: str, stage: Stage) -> None:
    survive(dialect, text.encode("utf-8", "replace"), kind, stage)


@QUICK
@given(SCRIPTS, st.sampled_from(list(Stage)))
def test_anything_like_json(value: Any, stage: Stage) -> None:
    survive("swml", json.dumps(value).encode(), "application/json", stage)


YAMLISH = st.lists(
    st.sampled_from(
        [
            "sections:",
            " main:",
            "- ",
            "\n",
            "  ",
            ": ",
            "{",
            "}",
            "[",
            "]",
            "&a ",
            "*a",
            "!!int ",
            "!",
            "|",
            ">",
            "? ",
            "'",
            '"',
            "play",
            "sleep",
            "x",
            "08",
            "~",
            "#",
            ",",
            "%",
            "---",
            "\t",
        ]
    ),
    max_size=25,
).map("".join)


@QUICK
@given(YAMLISH)
def test_anything_like_yaml(text: str) -> None:
    survive("swml", text.encode(), "application/yaml", Stage.CALL)
    survive("swml", b"sections: {main: [" + text.encode() + b"]}", "application/yaml", Stage.CALL)
