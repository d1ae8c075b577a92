"""RESOURCES: numbers, applications and keys, notifications and the requests of a call (5.8, 5.9)."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

from hubbub.dialects.ids import Prefixed
from hubbub.dialects.tables import Converter, Operation, Out, Param, Resource, choice, described, matching, text
from hubbub.dialects.twiml import words as spell
from hubbub.dialects.twiml.words import date

NUMBER_SID, APPLICATION_SID, KEY_SID = Prefixed("PN"), Prefixed("AP"), Prefixed("SK")
NO_MESSAGES = "there are no text messages here"


def application_sid(value: str) -> Any:
    """An application's SID; empty for none."""
    if value == "":
        return None
    identity = APPLICATION_SID.read(value)
    if identity is None:
        raise ValueError("must be an application's SID")
    return identity


def _or_nothing(read: Converter) -> Converter:
    """The empty value clears."""
    return described(lambda value: read(value) if value else "", read.__doc__ or "")


def answering(absolute_url: Converter, method: Converter) -> tuple[Param, ...]:
    """What numbers and applications say about their calls."""
    url = _or_nothing(absolute_url)
    return (
        Param("FriendlyName", "name", matching(r".{0,64}", "has at most 64 characters"), "bad-name"),
        Param("ApiVersion", None, why="there is one version"),
        Param("VoiceUrl", "url", url, "bad-url", clears=True),
        Param("VoiceMethod", "method", method, "bad-method"),
        Param("VoiceFallbackUrl", "fallback_url", url, "bad-url", clears=True),
        Param("VoiceFallbackMethod", "fallback_method", method, "bad-method"),
        Param("StatusCallback", "status_url", url, "bad-callback", clears=True),
        Param("StatusCallbackMethod", "status_method", method, "bad-method"),
        Param("VoiceCallerIdLookup", None, why="names come from the caller's own signalling"),
        *(Param(name, None, why=NO_MESSAGES) for name in ("SmsUrl", "SmsMethod", "SmsFallbackUrl", "SmsFallbackMethod")),
    )


OF_NUMBERS = (
    Param("VoiceApplicationSid", "application", application_sid, "bad-application", clears=True),
    Param("VoiceReceiveMode", None, choice("voice", "fax"), why="voice only"),
    Param("SmsApplicationSid", None, why=NO_MESSAGES),
    Param("TrunkSid", None, why="trunks are configured as routes"),
    *(
        Param(name, None, why="addresses and papers of numbers are a carrier's business")
        for name in ("EmergencyStatus", "EmergencyAddressSid", "IdentitySid", "AddressSid", "BundleSid", "AccountSid")
    ),
)
OF_APPLICATIONS = (
    *(Param(name, None, why=NO_MESSAGES) for name in ("SmsStatusCallback", "MessageStatusCallback")),
    Param("PublicApplicationConnectEnabled", None, why="applications belong to their account"),
)
PHONE_NUMBER = Param("PhoneNumber", "number", matching(r"\+[0-9]{1,15}|[A-Za-z0-9._-]{1,64}", "must be E.164 or a SIP user"), "bad-number")
LEVELS = {"0": "error", "1": "warning"}


def _log_level(value: str) -> str:
    """`0` errors, `1` warnings."""
    if value not in LEVELS:
        raise ValueError("must be 0 or 1")
    return LEVELS[value]


def _five(path: str, what: str, create: tuple[Param, ...], update: tuple[Param, ...], find: tuple[Param, ...]) -> tuple[Operation, ...]:
    """Create, list, fetch, update and delete."""
    one = f"{path}/{{{what}}}"
    return (
        Operation("POST", path, f"create_{what}", f"new-{what}", create, 201),
        Operation("GET", path, f"list_{what}s", what, find),
        Operation("GET", one, f"fetch_{what}", what),
        Operation("POST", one, f"update_{what}", what, update),
        Operation("DELETE", one, f"delete_{what}", status=204),
    )


def operations(absolute_url: Converter, method: Converter, message_dates: tuple[Param, ...]) -> tuple[Operation, ...]:
    """Rows of all of these resources."""
    common = answering(absolute_url, method)
    name = Param("FriendlyName", "name", text)
    numbers_found = (
        Param("PhoneNumber", "number", text),
        name,
        Param("Beta", None, why="there are no trial numbers"),
        Param("Origin", None, why="all numbers come from here"),
    )
    notifications = (Param("Log", "level", _log_level), *message_dates)
    return (
        *_five(
            "/IncomingPhoneNumbers",
            "number",
            (PHONE_NUMBER, Param("AreaCode", None, why="numbers are not bought here"), *common, *OF_NUMBERS),
            (*common, *OF_NUMBERS),
            numbers_found,
        ),
        *_five("/Applications", "application", (*common, *OF_APPLICATIONS), (*common, *OF_APPLICATIONS), (name,)),
        *_five("/Keys", "key", (name,), (name,), ()),
        Operation("GET", "/Calls/{call}/Notifications", "list_notifications", "notification", notifications),
        Operation("GET", "/Calls/{call}/Notifications/{notification}", "fetch_notification", "notification"),
        Operation("GET", "/Notifications", "list_notifications", "notification", notifications),
        Operation("GET", "/Notifications/{notification}", "fetch_notification", "notification"),
        Operation("GET", "/Calls/{call}/Events", "list_requests", "request"),
    )


def _uri(path: str, sid: Prefixed) -> Out:
    return Out("uri", lambda s: f"{s.base}/{path}/{sid.write(s.thing.id)}.json")


def _none(*names: str) -> tuple[Out, ...]:
    return tuple(Out(name, lambda s: None) for name in names)


def _shown(name: str, field: str) -> Out:
    return Out(name, lambda s: getattr(s.thing, field) or None)


_DATES = (Out("date_created", lambda s: date(s.thing.created)), Out("date_updated", lambda s: date(s.thing.updated)))
_VOICE = (
    Out("account_sid", lambda s: s.sid),
    Out("friendly_name", lambda s: s.thing.name),
    Out("api_version", lambda s: spell.API_VERSION),
    _shown("voice_url", "url"),
    _shown("voice_method", "method"),
    _shown("voice_fallback_url", "fallback_url"),
    _shown("voice_fallback_method", "fallback_method"),
    _shown("status_callback", "status_url"),
    _shown("status_callback_method", "status_method"),
    Out("voice_caller_id_lookup", lambda s: False),
    *_none("sms_url", "sms_fallback_url"),
    Out("sms_method", lambda s: "POST"),
    Out("sms_fallback_method", lambda s: "POST"),
    *_DATES,
)
NUMBER = Resource(
    (
        Out("sid", lambda s: NUMBER_SID.write(s.thing.id)),
        Out("phone_number", lambda s: s.thing.number),
        *_VOICE,
        Out("voice_application_sid", lambda s: APPLICATION_SID.write(s.thing.application) if s.thing.application else None),
        Out("voice_receive_mode", lambda s: "voice"),
        Out("capabilities", lambda s: {"voice": True, "sms": False, "mms": False, "fax": False}),
        Out("beta", lambda s: False),
        Out("origin", lambda s: "hosted"),
        Out("status", lambda s: "in-use"),
        Out("address_requirements", lambda s: "none"),
        Out("emergency_status", lambda s: "Inactive"),
        *_none("emergency_address_sid", "emergency_address_status", "address_sid", "identity_sid", "bundle_sid", "trunk_sid"),
        *_none("sms_application_sid", "type"),
        _uri("IncomingPhoneNumbers", NUMBER_SID),
    ),
    "incoming_phone_numbers",
)
APPLICATION = Resource(
    (
        Out("sid", lambda s: APPLICATION_SID.write(s.thing.id)),
        *_VOICE,
        *_none("sms_status_callback", "message_status_callback"),
        Out("public_application_connect_enabled", lambda s: False),
        _uri("Applications", APPLICATION_SID),
    ),
    "applications",
)
KEY = Resource(
    (Out("sid", lambda s: KEY_SID.write(s.thing.id)), Out("friendly_name", lambda s: s.thing.name), *_DATES),
    "keys",
)
NEW_KEY = Resource(
    (
        Out("sid", lambda s: KEY_SID.write(s.thing[0].id)),
        Out("friendly_name", lambda s: s.thing[0].name),
        Out("secret", lambda s: s.thing[1]),
        Out("date_created", lambda s: date(s.thing[0].created)),
        Out("date_updated", lambda s: date(s.thing[0].updated)),
    ),
    "keys",
)


def _asked(read: Callable[[dict[str, Any]], Any]) -> Callable[[Any], Any]:
    return lambda s: read(s.thing["data"])


def _parameters(data: dict[str, Any]) -> dict[str, Any]:
    """What was sent, by name: of the body, and of the query of a GET."""
    body = data["body"]
    if body.startswith("{"):
        try:
            found = json.loads(body)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}
    return dict(parse_qsl(body or data["url"].partition("?")[2], keep_blank_values=True))


REQUEST = Resource(
    (
        Out("request", _asked(lambda data: {"method": data["method"], "url": data["url"], "parameters": _parameters(data)})),
        Out(
            "response",
            lambda s: {
                "response_code": s.thing["data"]["status"],
                "request_duration": round((s.thing["data"]["seconds"] or 0) * 1000),
                "content_type": s.thing["data"]["content_type"],
                "response_body": s.thing["data"]["response"],
                "date_created": date(s.thing["created"]),
            },
        ),
    ),
    "events",
)
RESOURCES = {
    "number": NUMBER,
    "new-number": NUMBER,
    "application": APPLICATION,
    "new-application": APPLICATION,
    "key": KEY,
    "new-key": NEW_KEY,
    "request": REQUEST,
}
