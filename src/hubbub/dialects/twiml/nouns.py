"""DOCUMENT: who is called by `<Dial>`: `<Number>`, `<Sip>`, `<Client>`, `<Queue>`, or a number as its text (1.7, 1.8); `<Enqueue>`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote

from hubbub.calls.call import ProgressWish
from hubbub.conference.policy import RecordingOrder
from hubbub.dialects.builders import link, recording_wish, wait
from hubbub.dialects.tables import Attr, Compiler, Element, Node, boolean, described, integer, mapping, matching, method, text, url, words
from hubbub.dialects.twiml import machine
from hubbub.dialects.twiml.directory import APPLICATION_SID
from hubbub.dialects.twiml.words import srtp_of
from hubbub.events import Party
from hubbub.verbs.model import (
    Connect,
    LeaveLine,
    Refer,
    TakeFromLine,
    Target,
    WaitInLine,
)
from hubbub.verbs.program import Verb

LARGEST_GROUP = 10
BUFFER_SECONDS = 5.0
"""`timeout` is a little more than it says."""
LONGEST_HEADERS = 1024
LONGEST_LINE = 64
PLAIN_HEADERS = frozenset({"user-to-user", "remote-party-id", "p-preferred-identity", "p-called-party-id"})
"""SIP headers that may be sent beside `X-…`."""
CODEC = re.compile(r"[A-Z0-9][A-Z0-9./-]{0,31}")
HEADER_NAME = re.compile(r"[A-Za-z0-9-]{1,100}")
SIP_URI = re.compile(r"sips?:[^\x00-\x20\x7f<>\"?]+", re.IGNORECASE)
DIGITS = re.compile(r"\+?[0-9]{1,15}")
PROGRESS = words({name: frozenset({name}) for name in ("initiated", "ringing", "answered", "completed")})
RINGS = mapping(
    {
        name: name
        for name in (
            *("at", "au", "be", "bg", "br", "ch", "cl", "cn", "cz", "de", "dk", "ee", "es", "fi", "fr", "gr", "hu", "il", "in", "it"),
            *("jp", "lt", "mx", "my", "nl", "no", "nz", "ph", "pl", "pt", "ru", "se", "sg", "th", "tw", "uk", "us", "us-old", "ve", "za"),
        )
    }
)

RECORD = mapping(
    {
        "do-not-record": None,
        "record-from-answer": (1, False),
        "record-from-ringing": (1, True),
        "record-from-answer-dual": (2, False),
        "record-from-ringing-dual": (2, True),
        "true": (1, False),
        "false": None,
    }
)

SCREENED = (
    Attr("url", "document_url", url, None, "11100"),
    Attr("method", "document_method", method, "POST", "13221"),
)
TOLD = (
    Attr("statusCallback", "progress_url", url, None, "11100"),
    Attr("statusCallbackMethod", "progress_method", method, "POST", "13221"),
    Attr("statusCallbackEvent", "progress_events", PROGRESS, frozenset({"completed"}), "21626"),
)
NUMBER = (
    *SCREENED,
    *TOLD,
    Attr("sendDigits", "digits", matching(r"[0-9A-Da-d*#wW]{0,32}", "may hold up to 32 of 0-9 A-D * # w W"), "", "13222"),
    Attr("byoc", None, why="routes are configured"),
    Attr("phoneNumberSid", None, why="numbers need no SID to be called"),
    *machine.NOUN,
)


def _names(value: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip().upper() for name in value.split(",")))
    if not all(CODEC.fullmatch(name) for name in names):
        raise ValueError("must be names of codecs, separated by commas")
    return names


CODECS = described(_names, "names of codecs separated by commas, in the order in which they are offered")
SIP = (
    *SCREENED,
    *TOLD,
    Attr("username", "username", text, ""),
    Attr("password", "password", text, ""),
    Attr(
        "codecs", "codecs", CODECS, (), why="what is not spoken here is left out; where nothing is left, all of `media.codecs` is offered"
    ),
    *machine.NOUN,
)
CLIENT = (*SCREENED, *TOLD)
APPLICATION = (
    *SCREENED,
    *TOLD,
    Attr("customerId", "customer", text, "", why="told to the application, as `CustomerId`"),
    Attr("copyParentTo", "copies_callee", boolean, False, why="the application sees whom its caller had called"),
)
QUEUE = (
    *SCREENED,
    Attr("reservationSid", None, why="work is distributed in the cloud only"),
    Attr("postWorkActivitySid", None, why="work is distributed in the cloud only"),
)
NOUNS: Mapping[str, Element] = {
    "Dial/Number": Element("Number", None, NUMBER),
    "Dial/Sip": Element(
        "Sip",
        None,
        SIP,
        children=("Uri", "Headers"),
        why="`;secure=true`: its audio is encrypted or it is not called; SIP itself goes by UDP",
    ),
    "Dial/Client": Element("Client", None, CLIENT, children=("Identity", "Parameter")),
    "Dial/Application": Element("Application", None, APPLICATION, children=("ApplicationSid", "Parameter"), why="one of this account"),
    "Dial/Sim": Element("Sim", None, CLIENT, why="a registered phone of that name: there is no mobile network here"),
    "Dial/Queue": Element("Queue", None, QUEUE),
}
CALLED = ("Number", "Sip", "Client", "Application", "Sim")
"""Nouns that are called."""


def connect(compiler: Compiler, node: Node, values: Mapping[str, Any]) -> Verb | None:
    """`<Dial>` of numbers, SIP addresses, registered phones, or of a queue."""
    queues = [child for child in node.children if child.name == "Queue"]
    if queues:
        if len(node.children) > 1 or node.text:
            compiler.object("13215", "<Queue> must be the only noun of <Dial>: the others are ignored", node.at)
        return _queue(compiler, node, queues[0], values)
    targets = [target for child in node.children if (target := _target(compiler, node, child)) is not None]
    if not node.children:
        targets = _plain(compiler, node)
    elif node.text:
        compiler.object("13215", "<Dial>: the text beside its nouns is ignored", node.at)
    if len(targets) > LARGEST_GROUP:
        compiler.object("13215", f"<Dial> calls at most {LARGEST_GROUP}: the others are ignored", node.at)
        targets = targets[:LARGEST_GROUP]
    groups = tuple((target,) for target in targets) if values["sequential"] else (tuple(targets),)
    return Connect(
        groups=groups,
        on_done=link(compiler, values["action"], values["action_method"]),
        caller=values["caller"],
        display=values.get("caller_name", ""),
        ring_seconds=values["ring_seconds"] + BUFFER_SECONDS,
        time_limit_seconds=values["time_limit"],
        leave_on_star=values["leave_on_star"],
        answer_on_bridge=values["answer_on_bridge"],
        ring_country=values["ring_country"],
        on_referred=link(compiler, values["refer_url"], values["refer_method"]),
        recording=recording(compiler, values),
        record_ringing=values["dial_record"] is not None and values["dial_record"][1],
        at=node.at,
    )


def recording(compiler: Compiler, values: Mapping[str, Any]) -> RecordingOrder | None:
    """What of the leg is recorded; `dual` keeps what it says and what it hears apart."""
    if values["dial_record"] is None:
        return None
    channels, _ringing = values["dial_record"]
    told = {name: values[f"dial_{name}"] for name in ("recording_url", "recording_method", "recording_events")}
    told |= {name: values.get(f"dial_{name}") for name in ("storage_url", "storage_method")}
    wish = recording_wish(compiler, told)
    return RecordingOrder("dial", compiler.table.rooms.dialect, values["dial_track"], channels, values["dial_trim"], wish)


def caller_id(value: str) -> Party:
    """A number, `client:NAME`, or the user part of a SIP address."""
    stripped = value.strip()
    number = number_of(stripped)
    if number:
        return Party("number", number, "")
    if stripped.startswith("client:") and stripped[7:]:
        return Party("phone", stripped[7:], "")
    if SIP_URI.fullmatch(stripped):
        return Party("sip", stripped.partition(":")[2].partition("@")[0], stripped)
    if re.fullmatch(r"[A-Za-z0-9+_.-]{1,100}", stripped):
        return Party("phone", stripped, "")
    raise ValueError("must be a number, client:NAME, or a SIP user")


def number_of(spelled: str) -> str:
    """A number in E.164, as people write it; empty where it is none. Ten digits are of the vendor's own country."""
    digits = re.sub(r"[\s().-]", "", spelled)
    if not DIGITS.fullmatch(digits):
        return ""
    if digits.startswith("+"):
        return digits
    return f"+1{digits}" if len(digits) == 10 else f"+{digits}"


def _plain(compiler: Compiler, node: Node) -> list[Target]:
    """The number that is the text of `<Dial>`."""
    if not node.text:
        compiler.object("13215", "<Dial> says nobody to call", node.at, "error")
        return []
    number = number_of(node.text)
    if not number:
        compiler.object("13223", f"<Dial>: {node.text!r} is no phone number", node.at, "error")
        return []
    return [Target(callee=Party("number", number, ""))]


def _target(compiler: Compiler, dial: Node, node: Node) -> Target | None:
    """One noun; None, and its author told, where it cannot be called."""
    element = compiler.table.nested.get(f"{dial.name}/{node.name}")
    if element is None or node.name not in READERS:
        return None
    for child in node.children:
        if child.name not in element.children:
            compiler.object(compiler.table.unknown, f"<{child.name}> is not allowed in <{node.name}>", child.at)
    values = compiler.values(element.attributes, node)
    found = READERS[node.name](compiler, node)
    if found is None:
        return None
    callee, headers, parameters = found
    customer = {"CustomerId": values["customer"]} if values.get("customer") else {}
    return Target(
        callee=callee,
        headers=headers,
        parameters={**parameters, **customer},
        copies_callee=values.get("copies_callee", False),
        codecs=values.get("codecs", ()),
        srtp=srtp_of(callee.uri),
        username=values.get("username", ""),
        password=values.get("password", ""),
        digits=values.get("digits", ""),
        document=link(compiler, values["document_url"], values["document_method"]),
        progress=_progress(compiler, values),
        detection=machine.wished(compiler, node, values),
    )


def _progress(compiler: Compiler, values: Mapping[str, Any]) -> tuple[ProgressWish, ...]:
    target = link(compiler, values["progress_url"], values["progress_method"])
    return () if target is None else (ProgressWish(target, values["progress_events"]),)


Found = tuple[Party, dict[str, str], dict[str, str]]
"""Who is called, with SIP headers, and with parameters of its requests."""


def _number(compiler: Compiler, node: Node) -> Found | None:
    number = number_of(node.text)
    if not number:
        compiler.object("13223", f"<Number>: {node.text!r} is no phone number", node.at, "error")
        return None
    return Party("number", number, ""), {}, {}


def _sip(compiler: Compiler, node: Node) -> Found | None:
    address = next((child.text for child in node.children if child.name == "Uri"), node.text)
    uri, _, query = address.partition("?")
    if not SIP_URI.fullmatch(uri):
        compiler.object("13224", f"<Sip>: {uri!r} is no SIP URI", node.at, "error")
        return None
    pairs = parse_qsl(query, keep_blank_values=True)
    for child in node.children:
        if child.name == "Headers":
            pairs += [(item.attributes.get("name", ""), item.attributes.get("value", "")) for item in child.children]
    if sum(len(name) + len(value) for name, value in pairs) > LONGEST_HEADERS:
        compiler.object(compiler.table.bad_value, f"<Sip>: headers have at most {LONGEST_HEADERS} characters: they are not sent", node.at)
        pairs = []
    user = uri.partition(":")[2].partition("@")[0] if "@" in uri else ""
    return Party("sip", unquote(user), uri), _headers(compiler, node, pairs), {}


def _headers(compiler: Compiler, node: Node, pairs: list[tuple[str, str]]) -> dict[str, str]:
    found = {}
    for name, value in pairs:
        if not HEADER_NAME.fullmatch(name) or not (name.lower().startswith("x-") or name.lower() in PLAIN_HEADERS):
            compiler.object("13252", f"<Sip>: the header name {name!r} may not be used", node.at)
        elif not value.isprintable():
            compiler.object(compiler.table.bad_value, f"<Sip>: the value of {name} cannot be sent", node.at)
        else:
            found[name] = value
    return found


def _named(node: Node, inner: str) -> tuple[str, dict[str, str]]:
    """What a noun names, as its text or in an element of its own, and the parameters beside it or behind a `?`."""
    written = next((child.text for child in node.children if child.name == inner), node.text)
    name, _, query = written.partition("?")
    pairs = parse_qsl(query, keep_blank_values=True)
    pairs += [(child.attributes.get("name", ""), child.attributes.get("value", "")) for child in node.children if child.name == "Parameter"]
    return name, {key: value for key, value in pairs if key}


def _client(compiler: Compiler, node: Node) -> Found | None:
    name, parameters = _named(node, "Identity")
    if not name:
        compiler.object("13215", "<Client> has no identity", node.at, "error")
        return None
    headers = _headers(compiler, node, [(f"X-{key}", value) for key, value in parameters.items()])
    return Party("phone", name, ""), headers, parameters


def _application(compiler: Compiler, node: Node) -> Found | None:
    name, parameters = _named(node, "ApplicationSid")
    found = application_party(name)
    if found is None:
        compiler.object("13215", f"<Application>: {name!r} is no application's SID", node.at, "error")
        return None
    return found, {}, parameters


def application_party(sid: str) -> Party | None:
    """The application that an SID names, as somebody who can be called."""
    identity = APPLICATION_SID.read(sid)
    return None if identity is None else Party("application", identity, f"app:{APPLICATION_SID.write(identity)}")


def _sim(compiler: Compiler, node: Node) -> Found | None:
    if not node.text:
        compiler.object("13215", "<Sim> names no SIM", node.at, "error")
        return None
    return Party("phone", node.text, ""), {}, {}


READERS = {"Number": _number, "Sip": _sip, "Client": _client, "Application": _application, "Sim": _sim}


def _queue(compiler: Compiler, dial: Node, node: Node, values: Mapping[str, Any]) -> TakeFromLine:
    """`<Queue>`: the call that has waited longest."""
    own = compiler.values(compiler.table.nested[f"{dial.name}/{node.name}"].attributes, node)
    return TakeFromLine(
        line=node.text,
        on_done=link(compiler, values["action"], values["action_method"]),
        document=link(compiler, own["document_url"], own["document_method"]),
        ring_seconds=values["ring_seconds"] + BUFFER_SECONDS,
        time_limit_seconds=values["time_limit"],
        leave_on_star=values["leave_on_star"],
        recording=recording(compiler, values),
        at=dial.at,
    )


ENQUEUE = (
    Attr("action", "action", url, None, "11100"),
    Attr("method", "action_method", method, "POST"),
    Attr("waitUrl", "wait_url", url, None, "11100"),
    Attr("waitUrlMethod", "wait_method", method, "POST"),
    Attr("maxQueueSize", "capacity", integer(1, 5000), None, why="of a queue that this call is the first in; else 100"),
    Attr("workflowSid", None, why="work is distributed in the cloud only"),
)


def enqueue(compiler: Compiler, node: Node, values: dict[str, Any]) -> Verb | None:
    """`<Enqueue>`."""
    if not 1 <= len(node.text) <= LONGEST_LINE:
        compiler.object(compiler.table.bad_value, f"the name of a queue has 1 to {LONGEST_LINE} characters", node.at, "error")
        return None
    return WaitInLine(
        line=node.text,
        on_done=link(compiler, values["action"], values["action_method"]),
        wait=wait(compiler, values),
        capacity=values["capacity"],
        at=node.at,
    )


def leave(_compiler: Compiler, node: Node, _values: dict[str, Any]) -> Verb:
    """`<Leave>`; outside a queue it does nothing."""
    return LeaveLine(at=node.at)


REFER = (
    Attr("action", "action", url, None, "11100"),
    Attr("method", "action_method", method, "POST", "13210"),
)


def refer(compiler: Compiler, node: Node, values: dict[str, Any]) -> Verb | None:
    """`<Refer>` with its `<Sip>`: the far end is asked to call that address; headers for that call stand behind `?`."""
    address = next((child.text for child in node.children if child.name == "Sip"), "")
    if not SIP_URI.fullmatch(address.partition("?")[0]):
        compiler.object("13224", f"<Refer>: {address!r} is no SIP URI", node.at, "error")
        return None
    return Refer(uri=address, on_done=link(compiler, values["action"], values["action_method"]), at=node.at)
