"""What must hold for every table: no row that maps to nothing, no silence without a reason, no word without a translation."""

from __future__ import annotations

import ast
import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.vectors import DIALECTS, Vector, baselines, load, outcome, plain

from hubbub.api.rest import OPERATIONS as NEUTRAL
from hubbub.conference import policy
from hubbub.dialects import bxml, cxml, swml, twiml
from hubbub.dialects.bxml import callbacks as bxml_callbacks
from hubbub.dialects.bxml import document as bxml_document
from hubbub.dialects.bxml import errors as bxml_errors
from hubbub.dialects.bxml import operations as bxml_operations
from hubbub.dialects.cxml import document as cxml_document
from hubbub.dialects.cxml import streams as cxml_streams
from hubbub.dialects.swml import callbacks as swml_callbacks
from hubbub.dialects.swml import methods as swml_methods
from hubbub.dialects.tables import Attr, Element, Operation
from hubbub.dialects.twiml import document as twiml_document
from hubbub.dialects.twiml import live as twiml_live
from hubbub.dialects.twiml import nouns as twiml_nouns
from hubbub.dialects.twiml import operations, resources, words
from hubbub.dialects.twiml import recording as twiml_recording
from hubbub.dialects.twiml import streams as twiml_streams
from hubbub.dialects.twiml.errors import ERRORS, REFUSALS
from hubbub.events import EndReason, LeaveReason, RoomEventKind
from hubbub.verbs import capture, model, program
from hubbub.verbs.dialect import OutcomeRule
from hubbub.verbs.handlers import HANDLERS
from hubbub.verbs.hearing import StartTranscription, StopTranscription
from hubbub.verbs.held import HoldForFunctions
from hubbub.verbs.model import Stage
from hubbub.verbs.program import Verb

SOURCE = Path(__file__).parents[3] / "src" / "hubbub"
CONFERENCE = Element("Conference", None, twiml_document.CONFERENCE)


def different(element: Element, compatible: Element | None) -> Element:
    """Only the rows that are not those of the compatible dialect."""
    known = {(row.name, row.to, row.default, row.code) for row in compatible.attributes} if compatible else set()
    return dataclasses.replace(
        element, attributes=tuple(row for row in element.attributes if (row.name, row.to, row.default, row.code) not in known)
    )


ELEMENTS: dict[tuple[str, str], Element] = {
    **{
        ("cxml", name): different(element, twiml_document.TABLE.elements.get(name))
        for name, element in cxml_document.TABLE.elements.items()
    },
    ("cxml", "Stream"): different(Element("Stream", None, cxml_streams.ROOM_STREAM), Element("Stream", None, twiml_streams.STREAM)),
    ("cxml", "Conference"): different(cxml_document.TABLE.nested["Dial/Conference"], CONFERENCE),
    **{("twiml", name): element for name, element in twiml_document.TABLE.elements.items()},
    ("twiml", "Conference"): CONFERENCE,
    **{("twiml", element.name): element for element in twiml_nouns.NOUNS.values()},
    **{("bxml", element.name): element for element in bxml_document.TABLE.nested.values()},
    ("twiml", "Recording"): twiml_recording.NESTED["Start/Recording"],
    ("twiml", "Transcription"): twiml_live.NESTED["Start/Transcription"],
    **{("bxml", name): element for name, element in bxml_document.TABLE.elements.items()},
    **{("swml", name): element for name, element in swml_methods.METHODS.items()},
}
NESTED = (CONFERENCE, ELEMENTS["cxml", "Stream"], *twiml_nouns.NOUNS.values(), *bxml_document.TABLE.nested.values())
ROWS = [(dialect, name, row) for (dialect, name), element in ELEMENTS.items() for row in element.attributes]
FLOW = ("execute", "transfer", "return", "label", "goto", "cond", "switch", "set", "unset", "ai", "amazon_bedrock")
FREE = {(dialect, name, row.name) for dialect, name, row in ROWS if dialect == "swml" and name in FLOW}
"""Rows for parameters of any name; `result` and what it holds have vectors of whole documents."""
WHOLE = {("swml", "connect", "result"), ("swml", "join_conference", "name"), ("swml", "join_conference", "result")}


def ids(row: tuple[str, str, Attr]) -> str:
    return f"{row[0]} {row[1]} {row[2].name}"


VECTORS: dict[tuple[str, str, str], list[Vector]] = {}
for vector in load():
    VECTORS.setdefault((vector.dialect, vector.element.partition(" ")[0], vector.attribute), []).append(vector)
BASELINES = baselines()


# -- attributes ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("row", [row for row in ROWS if (row[0], row[1], row[2].name) not in FREE | WHOLE], ids=ids)
def test_every_attribute_has_a_vector_and_an_effect(row: tuple[str, str, Attr]) -> None:
    """A row that is mapped changes the program; one that is not says why, and changes nothing."""
    dialect, element, attribute = row
    vectors = VECTORS.get((dialect, element, attribute.name), [])
    assert vectors, "no vector"
    good = [vector for vector in vectors if vector.error is None and not vector.remarks]
    changes = [_program(vector) != _program(BASELINES[dialect, vector.element]) for vector in good]
    if attribute.to is None:
        assert attribute.why
        assert not any(changes), "it is said to have no effect"
    else:
        assert any(changes), "it is consumed by nothing"


def _program(vector: Vector) -> object:
    program, error = outcome(vector)
    return error if program is None else plain(program.main)


@pytest.mark.parametrize("row", ROWS, ids=ids)
def test_every_row_is_sound(row: tuple[str, str, Attr]) -> None:
    attribute = row[2]
    assert attribute.to is not None or attribute.why, "without effect, and nobody knows why"
    assert attribute.read.__doc__, "nobody knows what it allows"


def test_what_is_not_built_says_so() -> None:
    assert [name for name, element in ELEMENTS.items() if element not in NESTED and element.build is None and not element.why] == []


def test_names_are_given_once() -> None:
    for (dialect, name), element in ELEMENTS.items():
        names = [row.name for row in element.attributes]
        assert sorted(set(names)) == sorted(names), f"{dialect} {name}"


# -- verbs and outcomes ----------------------------------------------------------------------------------------

VERBS = {
    kind
    for module in (model, capture, program)
    for kind in vars(module).values()
    if isinstance(kind, type) and issubclass(kind, Verb) and kind is not Verb
}
VERBS |= {HoldForFunctions, StartTranscription, StopTranscription}
IN_ROOM = {capture.StartRecording, capture.StopRecording, capture.PauseRecording, capture.ResumeRecording}


def test_every_verb_is_done_somewhere() -> None:
    """On a call by a handler, or in a room by its stage."""
    assert set(HANDLERS) == VERBS
    stages = (SOURCE / "verbs" / "beside.py").read_text()
    assert all(re.search(rf"case .*\b{kind.__name__}\(\)", stages) for kind in IN_ROOM)


def test_verbs_that_need_more_than_sound_stay_on_calls() -> None:
    """What runs beside a call or in a room can only be heard, or go on with another document."""
    heard = {model.Speak, model.PlayAudio, model.PlayTone, model.Pause, model.SendDigits, model.Redirect}
    for vector in load():
        program, _ = outcome(vector)
        if program is not None and vector.stage not in (Stage.CALL, Stage.CALLEE, Stage.LINE):
            assert {type(step) for step in program.main} <= heard | IN_ROOM, vector.name


@pytest.mark.parametrize("dialect", sorted(DIALECTS))
def test_outcomes_name_existing_verbs(dialect: str) -> None:
    for verb, rule in DIALECTS[dialect].outcomes.items():
        assert verb in VERBS
        assert isinstance(rule, OutcomeRule)


NOT_USED = {
    "Subscription.style": "one style",
    "RecordingWish.style": "one style",
}
OWN = ("model.py", "program.py", "capture.py", "policy.py")
READERS = ("verbs", "conference", "calls", "dialects")


def test_every_field_of_the_model_is_read_somewhere() -> None:
    """What a row fills and nobody reads would be lost in silence."""
    paths = [path for folder in READERS for path in (SOURCE / folder).rglob("*.py") if path.name not in OWN]
    text = "\n".join(path.read_text() for path in paths)
    fields = {
        f"{kind.__name__}.{field.name}"
        for module in (model, program, capture, policy)
        for kind in vars(module).values()
        if isinstance(kind, type) and kind.__module__ == module.__name__ and dataclasses.is_dataclass(kind)
        for field in dataclasses.fields(kind)
        if not re.search(rf'\.{field.name}\b|"{field.name}"', text)
    }
    assert fields <= set(NOT_USED)


# -- words -----------------------------------------------------------------------------------------------------

UNTOLD: dict[str, dict[object, str]] = {
    "twiml": {RoomEventKind.CREATED: "the vendor tells the start only"},
    "cxml": {RoomEventKind.CREATED: "the vendor tells the start only"},
    "bxml": {
        **{
            kind: "There is no event for mute, hold, coach change, speaker change, recording started, or announcement finished (5.1)"
            for kind in RoomEventKind
            if kind not in (RoomEventKind.CREATED, RoomEventKind.JOINED, RoomEventKind.LEFT, RoomEventKind.ENDED)
        },
        **dict.fromkeys(LeaveReason, "conferenceMemberExit names no reason (5.2)"),
        **dict.fromkeys(EndReason, "conferenceCompleted names no reason (5.2)"),
    },
    "swml": {
        RoomEventKind.CREATED: "the vendor tells the start only",
        **dict.fromkeys(LeaveReason, "participant-leave names no reason (3.8)"),
        **{
            reason: "all ends that are no participant's doing are told as conference-ended-via-api (3.8)"
            for reason in EndReason
            if reason not in swml_callbacks.REASONS
        },
    },
}
TOLD: dict[str, set[object]] = {
    "twiml": {*words.ROOM_EVENTS, *words.LEAVE_REASONS, *words.END_REASONS},
    "cxml": {*words.ROOM_EVENTS, *words.LEAVE_REASONS, *words.END_REASONS},
    "bxml": {*bxml_callbacks.EVENTS},
    "swml": {*swml_callbacks.STATUS, *swml_callbacks.REASONS},
}


@pytest.mark.parametrize("dialect", sorted(DIALECTS))
@pytest.mark.parametrize("kind", [*RoomEventKind, *LeaveReason, *EndReason], ids=lambda kind: f"{type(kind).__name__} {kind}")
def test_every_word_is_spelled_or_untold_for_a_reason(dialect: str, kind: object) -> None:
    assert (kind in TOLD[dialect]) != (kind in UNTOLD[dialect])


def test_words_that_belong_together() -> None:
    assert set(words.END_TEXTS) == set(words.END_REASONS)


# -- refusals --------------------------------------------------------------------------------------------------

NOT_BY_REST = {"no-such-reason"}
IN_DOCUMENTS = {"line-full"}
"""Reasons that a document meets, and no request."""
NOT_BY_V2 = {
    *("line-taken", "line-busy", "bad-name"),
    *("line-full", "not-bridged", "announce-held", "room-not-live", "label-taken", "already-in", "coach-too-early"),
    *("bad-application", "bad-number", "configured", "number-taken", "no-sip-password", "several-recordings"),
    *("bad-stream-url", "detection-untold", "too-many-rooms"),
    *("call-not-live", "recording-live", "recording-over"),
}
"""Reasons of operations that REST v2 does not have."""


BY_COMMAND = ("api/commands.py", "api/controls.py")
"""What only commands ask for; their face tells every refusal by its own word."""
BY_OWN = (
    "dialects/own/",
    *(
        f"{layer}/{noun}.py"
        for layer in ("api", "conference", "verbs")
        for noun in ("upgrade", "upgrades", "transfer", "transfers", "grants")
    ),
)
"""What only hubbub's own REST asks for, which tells every refusal by its neutral word."""


def raised() -> dict[str, set[str]]:
    """The reasons of every Refused in the source, and the files that name them."""
    found: dict[str, set[str]] = {}
    for path in sorted(SOURCE.rglob("*.py")):
        if "sip" in path.parts:
            continue  # the SIP reader has a Refused of its own
        for reason in re.findall(r"Refused\(\s*\"([a-z-]+)\"", path.read_text()):
            found.setdefault(reason, set()).add(str(path.relative_to(SOURCE)))
    return found


def test_the_source_is_read() -> None:
    assert {"full", "label-taken", "not-found", "page-size"} <= set(raised())


def test_rest_has_an_answer_to_every_refusal() -> None:
    others = ("dialects/bxml/", "dialects/swml/", "dialects/cxml/", *BY_COMMAND, *BY_OWN)
    own = {reason: {path for path in where if not path.startswith(others)} for reason, where in raised().items()}
    assert {reason: where for reason, where in own.items() if where and reason not in {*ERRORS, *IN_DOCUMENTS}} == {}


def test_rest_v2_has_an_answer_to_every_refusal() -> None:
    """What other dialects alone refuse cannot be met there."""
    others = ("dialects/twiml/", "dialects/cxml/", "dialects/swml/", *BY_COMMAND, *BY_OWN)
    own = {reason: {path for path in where if not path.startswith(others)} for reason, where in raised().items()}
    assert {reason: where for reason, where in own.items() if where and reason not in bxml_errors.ERRORS and reason not in NOT_BY_V2} == {}
    assert {param.error for operation in bxml_operations.OPERATIONS for param in operation.params} <= set(bxml_errors.ERRORS)


def test_every_answer_of_rest_v2_is_given_somewhere() -> None:
    """A row that nothing raises is a promise that nobody keeps; a bad parameter names its row itself."""
    named = set(raised()) | {param.error for operation in bxml_operations.OPERATIONS for param in operation.params}
    assert set(bxml_errors.ERRORS) - named == set()


def test_rest_has_an_answer_to_every_bad_parameter() -> None:
    assert {param.error for operation in operations.OPERATIONS for param in operation.params} <= set(ERRORS)


def test_documents_have_a_code_for_every_refusal_of_a_room() -> None:
    """Refusals that a running document can meet are raised by the conference core and by what brings a call into a room."""
    met = {reason for reason, where in raised().items() if where & {"conference/state.py", "verbs/handlers.py"}}
    assert met - {"absent"} <= set(REFUSALS)


def test_error_codes_are_numbers() -> None:
    assert all(row.code.isdigit() and 400 <= row.status < 600 for row in ERRORS.values())
    assert all(code.isdigit() for code in REFUSALS.values())


# -- REST ------------------------------------------------------------------------------------------------------


def test_every_operation_exists() -> None:
    assert {operation.does for operation in operations.OPERATIONS} <= set(NEUTRAL)
    assert all(operation.shows in {"", *resources.RESOURCES} for operation in operations.OPERATIONS)


def params() -> Iterator[tuple[Operation, str, str]]:
    for operation in operations.OPERATIONS:
        for param in operation.params:
            assert param.to is not None or param.why, f"{operation.does} {param.name}"
            if param.to is not None:
                yield operation, param.name, param.to


@pytest.mark.parametrize(("operation", "name", "to"), list(params()), ids=lambda part: getattr(part, "does", part))
def test_every_parameter_is_consumed(operation: Operation, name: str, to: str) -> None:
    """Its neutral name is written somewhere in the operation, or in what the operation calls; a filter on a time is a column."""
    param = next(param for param in operation.params if param.name == name)
    known = COLUMNS[operation.does] if param.read.__doc__ in (operations.FILTER, operations.BEFORE) else written(operation.does)
    assert re.sub(r"\d+$", "", to.rstrip("<>")) in known, f"{name} is read and then forgotten"


def columns(table: str) -> set[str]:
    body = re.search(
        rf"CREATE TABLE {table} \((.*?)\) ?(STRICT|WITHOUT ROWID)?;", (SOURCE / "storage" / "schema.sql").read_text(), re.DOTALL
    )
    assert body is not None
    return set(re.findall(r"^\s*([a-z]+)\b", body[1], re.MULTILINE))


COLUMNS = {f"list_{table}": columns(table) for table in ("calls", "rooms", "recordings", "notifications")}


FUNCTIONS: dict[str, ast.AST] = {
    node.name: node
    for path in (
        *SOURCE.glob("api/*.py"),
        SOURCE / "dialects/builders.py",
        SOURCE / "dialects/machines.py",
        SOURCE / "dialects/twiml/rest.py",
    )
    for node in ast.walk(ast.parse(path.read_text()))
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
} | {"ANSWERING": ast.parse((SOURCE / "api/directory.py").read_text())}


def written(name: str, seen: frozenset[str] = frozenset()) -> set[str]:
    """The texts in a function and in the functions that it names."""
    found: set[str] = set()
    for node in ast.walk(FUNCTIONS[name]):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.add(node.value)
        called = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
        if called in FUNCTIONS and called not in seen | {name}:
            found |= written(called, seen | {name})
    return found


# -- the faces -------------------------------------------------------------------------------------------------


def test_dialects_are_called_what_they_are() -> None:
    assert {name: dialect.name for name, dialect in DIALECTS.items()} == {name: name for name in DIALECTS}
    assert {type(dialect) for dialect in DIALECTS.values()} == {twiml.TwimlDialect, cxml.CxmlDialect, bxml.BxmlDialect, swml.SwmlDialect}
