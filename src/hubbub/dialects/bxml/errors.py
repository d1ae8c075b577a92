"""ERRORS: neutral refusals as REST answers them (6.9). Every body is `{"type", "description", "id"}`."""

from __future__ import annotations

from collections.abc import Mapping

from hubbub.dialects.tables import ErrorRow

VALIDATION = "validation"
NOT_FOUND = ErrorRow(404, VALIDATION, "{what} not found")
MISSING = ErrorRow(400, VALIDATION, "Missing at least one required field. Required fields are [from, to, answerUrl, applicationId]")
DETAIL = ErrorRow(400, VALIDATION, "{detail}")
INVALID = ErrorRow(400, VALIDATION, "Invalid {detail}")

RATE = ErrorRow(429, "error", "Account call creation rate limit exceeded")

ERRORS: Mapping[str, ErrorRow] = {
    "unauthenticated": ErrorRow(401, "authentication-error", "The credentials provided were invalid"),
    "no-credentials": ErrorRow(401, "authentication-error", "Unauthorized"),
    "bad-credentials": ErrorRow(401, "authentication-error", "Failed to decode basic authentication token"),
    "forbidden": ErrorRow(403, "authorization-error", "Access is denied"),
    "not-found": NOT_FOUND,
    "absent": NOT_FOUND,
    "ended": NOT_FOUND,
    "unknown-room": NOT_FOUND,
    "no-recording": NOT_FOUND,
    "media-gone": NOT_FOUND,
    "recording-live": ErrorRow(409, VALIDATION, "{what} cannot be modified in its current state"),
    "method": ErrorRow(405, VALIDATION, "Method Not Allowed"),
    "media-type": ErrorRow(415, VALIDATION, "Content type '{detail}' not supported"),
    "bad-body": ErrorRow(400, VALIDATION, "Bad Request"),
    "bad-document": DETAIL,
    "bad-parameter": INVALID,
    "bad-range": DETAIL,
    "bad-method": INVALID,
    "tag-too-long": ErrorRow(400, VALIDATION, "Could not create call: sendCallback tag must contain at most 4096 characters"),
    "bad-room-parameter": DETAIL,
    "redirect-missing": ErrorRow(400, VALIDATION, "redirectUrl is required when the state is active"),
    "redirect-needless": ErrorRow(400, VALIDATION, "redirectUrl is not allowed when the state is completed"),
    "to-missing": MISSING,
    "from-missing": MISSING,
    "url-missing": MISSING,
    "application-unknown": ErrorRow(400, VALIDATION, "Could not create call: Application id {detail} not found"),
    "credentials-in-clear": ErrorRow(400, VALIDATION, "Invalid answerUrl: https is required when credentials are given"),
    "invalid-target": ErrorRow(400, VALIDATION, "Invalid to: must be an E164 telephone number"),
    "invalid-caller": ErrorRow(400, VALIDATION, "Invalid from: must be an E164 telephone number"),
    "not-allowed": ErrorRow(400, VALIDATION, "Invalid to: {detail}"),
    "no-route": ErrorRow(400, VALIDATION, "Invalid to: {detail}"),
    "not-registered": ErrorRow(400, VALIDATION, "Invalid to: {detail}"),
    "call-over": ErrorRow(409, VALIDATION, "{what} cannot be modified in its current state"),
    "call-live": ErrorRow(409, VALIDATION, "{what} cannot be modified in its current state"),
    "too-many-coaches": DETAIL,
    "coach-absent": DETAIL,
    "coach-held": DETAIL,
    "full": DETAIL,
    "busy": ErrorRow(503, "system-overloaded", "Managing too many concurrent calls"),
    "storage": ErrorRow(503, "system-overloaded", "Handling too many requests"),
    "too-many": RATE,
    "queue-full": RATE,
    "too-many-calls": ErrorRow(429, "error", "Account concurrent call limit exceeded"),
    "account-inactive": ErrorRow(403, "authorization-error", "The account is suspended"),
    "internal": ErrorRow(500, "internal-error", "An unknown internal error occurred"),
}

NAMES = {"calls": "Call", "conferences": "Conference", "members": "Member", "recordings": "Recording"}


def what(path: str) -> str:
    """The thing that a path names last, as descriptions name it: `Call c-…`."""
    parts = path.strip("/").split("/")
    for place in range(len(parts) - 2, -1, -1):
        if parts[place] in NAMES:
            return f"{NAMES[parts[place]]} {parts[place + 1]}"
    return "Resource"
