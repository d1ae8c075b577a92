"""What each dialect covers, read off its tables: for the documentation, and for whoever asks what works."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from hubbub.dialects.bxml import callbacks as bxml_callbacks
from hubbub.dialects.bxml import document as bxml
from hubbub.dialects.bxml.errors import ERRORS as BXML_ERRORS
from hubbub.dialects.bxml.operations import OPERATIONS as BXML_OPERATIONS
from hubbub.dialects.bxml.resources import RESOURCES as BXML_RESOURCES
from hubbub.dialects.bxml.rest import BxmlRest
from hubbub.dialects.cxml import CxmlDialect
from hubbub.dialects.cxml import document as cxml
from hubbub.dialects.cxml import face as cxml_face
from hubbub.dialects.cxml.rest import CxmlRest
from hubbub.dialects.own import OwnRest
from hubbub.dialects.swml import actions as swml_actions
from hubbub.dialects.swml import callbacks as swml_callbacks
from hubbub.dialects.swml import connecting as swml_connecting
from hubbub.dialects.swml import document as swml
from hubbub.dialects.swml import methods as swml_methods
from hubbub.dialects.swml.logs import CALL_LOGS, LOG_RESOURCES, ROOM_LOGS
from hubbub.dialects.swml.rest import ERRORS as SWML_ERRORS
from hubbub.dialects.swml.rest import CallingRest, CallLogsRest, RoomLogsRest
from hubbub.dialects.tables import DocumentTable, Element, ErrorRow, Operation, Out, Resource
from hubbub.dialects.twiml import callbacks as twiml_callbacks
from hubbub.dialects.twiml import document as twiml
from hubbub.dialects.twiml.errors import ERRORS, NEVER, REFUSALS
from hubbub.dialects.twiml.operations import OPERATIONS
from hubbub.dialects.twiml.resources import RESOURCES
from hubbub.dialects.twiml.rest import TwimlRest


@dataclass(frozen=True)
class Coverage:
    """The tables of one dialect."""

    name: str
    title: str
    spelling: str
    """How an element is written, with `{name}`."""
    table: DocumentTable
    elements: Mapping[str, Element]
    nested: Mapping[str, tuple[Element, ...]] = field(default_factory=dict)
    """Elements inside others, by what stands around them."""
    webhooks: Mapping[str, tuple[Out, ...]] = field(default_factory=dict)
    """The fields of each kind of request to an application."""
    base: str = ""
    """Where its REST begins; empty: none is built."""
    suffix: str = ""
    operations: tuple[Operation, ...] = ()
    resources: Mapping[str, Resource] = field(default_factory=dict)
    refusals: Mapping[str, str] = field(default_factory=dict)
    errors: Mapping[str, ErrorRow] = field(default_factory=dict)
    never: Mapping[str, str] = field(default_factory=dict)
    """Codes of the vendor that are never told, and why."""
    refused: Mapping[str, str] = field(default_factory=dict)
    """Operations that are known and cannot be obeyed, and why."""


def coverages() -> tuple[Coverage, ...]:
    """All dialects that are built."""
    return (_twiml(), _cxml(), _bxml(), _swml())


def own() -> Coverage:
    """hubbub's own REST, which no document belongs to."""
    return Coverage(
        name="own",
        title="Beyond the vendors",
        spelling="{name}",
        table=twiml.TABLE,
        elements={},
        base=OwnRest.base,
        operations=OwnRest.operations,
        resources=OwnRest.resources,
    )


def _nested(table: DocumentTable, *parents: str) -> dict[str, tuple[Element, ...]]:
    """What stands in these elements and has attributes of its own."""
    return {
        parent: tuple(
            inner
            for name, inner in table.nested.items()
            if name.startswith(f"{parent}/") and inner.attributes and inner.name not in table.elements
        )
        for parent in parents
    }


def _twiml() -> Coverage:
    return Coverage(
        name="twiml",
        title="TwiML",
        spelling="<{name}>",
        table=twiml.TABLE,
        elements=twiml.TABLE.elements,
        nested=_nested(twiml.TABLE, "Dial", "Start"),
        webhooks={
            "Every request of a call": twiml_callbacks.CALL,
            "Call progress adds": twiml_callbacks.PROGRESS,
            "Conference events": twiml_callbacks.ROOM,
            "Recording status": twiml_callbacks.RECORDING,
            "`transcribeCallback`": twiml_callbacks.TRANSCRIPT,
            "`amdStatusCallback`, `AsyncAmdStatusCallback`": twiml_callbacks.ALONE["detected"],
            "`partialResultCallback` adds": twiml_callbacks.HEARD["words"],
        },
        base=TwimlRest.base,
        suffix=TwimlRest.suffixes[0],
        operations=OPERATIONS,
        resources=RESOURCES,
        refusals=REFUSALS,
        errors=ERRORS,
        never=NEVER,
    )


def _cxml_nested() -> dict[str, tuple[Element, ...]]:
    """The stream of a room stands in the noun, which stands in the verb."""
    found = _nested(cxml.TABLE, "Dial", "Start")
    return {**found, "Dial": (*found["Dial"], cxml.TABLE.nested["Conference/Stream"])}


def _cxml() -> Coverage:
    return Coverage(
        name="cxml",
        title="cXML",
        spelling="<{name}>",
        table=cxml.TABLE,
        elements=cxml.TABLE.elements,
        nested=_cxml_nested(),
        webhooks={
            "Every request of a call": CxmlDialect.call_rows,
            "Call progress adds": CxmlDialect.progress_rows,
            "Conference events": CxmlDialect.room_rows,
            "Recording status": CxmlDialect.recording_rows,
            "Media streams": cxml_face.STREAM,
        },
        base=CxmlRest.base,
        suffix=CxmlRest.suffixes[0],
        operations=CxmlRest.operations,
        resources=CxmlRest.resources,
        refusals=CxmlDialect.refusals,
        errors=CxmlRest.errors,
    )


def _bxml() -> Coverage:
    return Coverage(
        name="bxml",
        title="BXML",
        spelling="<{name}>",
        table=bxml.TABLE,
        elements=bxml.TABLE.elements,
        nested=_nested(bxml.TABLE, "Transfer", "StartStream"),
        webhooks={
            "Call events": bxml_callbacks.OF_CALL,
            "`initiate`": bxml_callbacks.INITIATE,
            "`gather`": bxml_callbacks.GATHER,
            "`recordComplete`": bxml_callbacks.RECORD_COMPLETE,
            "`transferComplete`": bxml_callbacks.TRANSFER_COMPLETE,
            "`bridgeComplete`": bxml_callbacks.BRIDGE_COMPLETE,
            "`referComplete`": bxml_callbacks.REFER_COMPLETE,
            "`mediaStreamStarted`, `mediaStreamStopped`, `mediaStreamRejected`": bxml_callbacks.MEDIA_STREAM,
            "`dtmf` adds": bxml_callbacks.DTMF,
            "`disconnect` adds": bxml_callbacks.DISCONNECT,
            "`recordingAvailable`": bxml_callbacks.RECORDING_AVAILABLE,
            "`transcriptionAvailable`": bxml_callbacks.TRANSCRIPTION_AVAILABLE,
            "`conferenceRedirect`": bxml_callbacks.REDIRECTED_ROOM,
            "Conference events": bxml_callbacks.ROOM,
            "Events of members add": bxml_callbacks.MEMBER,
            "`conferenceRecordingAvailable`": bxml_callbacks.ROOM_RECORDING_AVAILABLE,
        },
        base=BxmlRest.base,
        operations=BXML_OPERATIONS,
        resources=BXML_RESOURCES,
        errors=BXML_ERRORS,
    )


def _under(base: str, operations: tuple[Operation, ...]) -> tuple[Operation, ...]:
    """Operations of another base, with their whole paths."""
    return tuple(replace(operation, path=f"{base}{operation.path}") for operation in operations)


def _swml() -> Coverage:
    return Coverage(
        name="swml",
        title="SWML",
        spelling="{name}",
        table=swml.TABLE,
        elements=swml_methods.METHODS,
        nested={"connect": (Element("device", None, swml_connecting.DEVICE), Element("ringback", None, swml_connecting.RINGBACK))},
        webhooks={
            "Around the `params` of every notice": swml_callbacks.ENVELOPE,
            "`call` of a document request": swml_callbacks.CALL,
            "Conference events": swml_callbacks.ROOM,
            "Recording notices of a conference": swml_callbacks.RECORDING,
            "Recording notices of a call": swml_callbacks.CALL_RECORDING,
            **{f"`{kind.event_type}`": kind.rows for kind in (*swml_actions.KINDS.values(), swml_actions.WARNED)},
            "`params` of a change of a call's state": swml_callbacks.STATE,
        },
        base=CallingRest.base,
        refused=CallingRest.unsupported,
        operations=(*CallingRest.operations, *_under(RoomLogsRest.base, ROOM_LOGS), *_under(CallLogsRest.base, CALL_LOGS)),
        resources=LOG_RESOURCES,
        errors=SWML_ERRORS,
    )
