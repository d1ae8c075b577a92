"""ERRORS: refusals in this dialect's numbers, for notifications (1.10) and for REST (5.2)."""

from __future__ import annotations

from collections.abc import Mapping

from hubbub.dialects.tables import ErrorRow

REFUSALS: Mapping[str, str] = {
    "invalid-name": "13237",
    "unknown-room": "13236",
    "invalid-label": "16023",
    "label-taken": "16025",
    "full": "16020",
    "coach-absent": "13240",
    "coach-too-early": "13240",
    "coach-held": "16027",
    "too-many-coaches": "16002",
    "ended": "16022",
    "already-in": "16099",
    "audio": "13420",
    "not-allowed": "13215",
    "busy": "16021",
    "verb-failed": "16099",
    "recording-failed": "16099",
    "internal": "16030",
    "unknown-parameter": "20001",
    "bad-progress-event": "21626",
    "two-documents": "32019",
}
"""Neutral refusals met while a document runs."""

NOT_FOUND = ErrorRow(404, "20404", "The requested resource {path} was not found")
ERRORS: Mapping[str, ErrorRow] = {
    "not-found": NOT_FOUND,
    "unauthenticated": ErrorRow(401, "20003", "Authenticate"),
    "forbidden": ErrorRow(403, "20003", "Permission denied"),
    "method": ErrorRow(405, "20004", "Method not allowed"),
    "page-size": ErrorRow(400, "20007", "Page size must be between 1 and 1000"),
    "page-token": ErrorRow(400, "21481", "Invalid page token"),
    "bad-parameter": ErrorRow(400, "20001", "{detail}"),
    "bad-room-parameter": ErrorRow(400, "16002", "{detail}"),
    "storage": ErrorRow(503, "20503", "The database cannot be written now; try again"),
    "internal": ErrorRow(500, "20500", "An internal error occurred"),
    "busy": ErrorRow(503, "20503", "No capacity for another call now; try again"),
    "to-missing": ErrorRow(400, "21201", "No 'To' number is specified"),
    "from-missing": ErrorRow(400, "21213", "No 'From' number is specified"),
    "invalid-target": ErrorRow(400, "21211", "Invalid 'To' phone number: {detail}"),
    "invalid-caller": ErrorRow(400, "21212", "Invalid 'From' phone number: {detail}"),
    "not-allowed": ErrorRow(400, "21215", "Not allowed by configuration: {detail}"),
    "no-route": ErrorRow(400, "21214", "'To' phone number cannot be reached: {detail}"),
    "not-registered": ErrorRow(400, "21214", "'To' cannot be reached: {detail}"),
    "url-missing": ErrorRow(400, "21205", "Url parameter is required"),
    "bad-url": ErrorRow(400, "21205", "{detail}"),
    "bad-method": ErrorRow(400, "21209", "{detail}"),
    "bad-timeout": ErrorRow(400, "21208", "{detail}"),
    "bad-digits": ErrorRow(400, "21206", "{detail}"),
    "bad-callback": ErrorRow(400, "21609", "{detail}"),
    "bad-machine-detection": ErrorRow(400, "21234", "{detail}"),
    "bad-document": ErrorRow(400, "21205", "{detail}"),
    "document-too-long": ErrorRow(400, "32018", "{detail}"),
    "one-channel": ErrorRow(400, "16113", "The recording has one channel"),
    "call-over": ErrorRow(400, "21220", "Call is not in-progress. Cannot redirect."),
    "call-live": ErrorRow(409, "20009", "A live call cannot be deleted"),
    "room-not-live": ErrorRow(404, "16022", "The conference does not exist or is completed"),
    "not-bridged": ErrorRow(400, "16001", "The conference is not active"),
    "label-taken": ErrorRow(400, "16026", "The label is used by another active participant"),
    "invalid-label": ErrorRow(400, "16024", "The label is invalid"),
    "full": ErrorRow(400, "16020", "{detail}"),
    "coach-absent": ErrorRow(400, "16028", "{detail}"),
    "coach-too-early": ErrorRow(400, "16001", "{detail}"),
    "coach-held": ErrorRow(400, "16027", "{detail}"),
    "too-many-coaches": ErrorRow(400, "16002", "{detail}"),
    "ended": ErrorRow(404, "16022", "The conference does not exist or is completed"),
    "unknown-room": ErrorRow(404, "16022", "The conference does not exist or is completed"),
    "absent": NOT_FOUND,
    "already-in": ErrorRow(400, "16099", "{detail}"),
    "announce-held": ErrorRow(400, "16099", "An announcement to a participant on hold is not supported"),
    "no-recording": NOT_FOUND,
    "media-gone": ErrorRow(404, "20404", "The requested resource {path} was not found"),
}
"""Neutral refusals met by REST."""
