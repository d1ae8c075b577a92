"""An outgoing call, as it is asked for: by REST, or by a document."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hubbub.calls.call import ProgressWish
from hubbub.conference.policy import RecordingOrder
from hubbub.events import Party
from hubbub.ids import Id
from hubbub.settings import Srtp
from hubbub.verbs.hearing import Detection


@dataclass(frozen=True)
class OutgoingCall:
    """An outgoing call, as it is asked for."""

    callee: Party
    caller: Party
    progress: tuple[ProgressWish, ...] = ()
    ring_seconds: float = 60.0
    silent_seconds: float | None = None
    """Within which it must ring; None: as long as it may ring."""
    total_seconds: float | None = None
    sip_username: str = ""
    sip_password: str = ""
    headers: Mapping[str, str] | None = None
    codecs: tuple[str, ...] = ()
    """Offered, in this order, as far as they are spoken here; none: what is configured."""
    srtp: Srtp | None = None
    """How much it is to be encrypted; None: as is configured for where it goes."""
    private: bool = False
    """Whether the callee does not see who calls."""
    tag: str = ""
    digits: str = ""
    """Sent as soon as it is answered."""
    parent: Id | None = None
    """The call whose document asks for it."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Kept with the call for its dialect."""
    parameters: Mapping[str, str] = field(default_factory=dict)
    """Of the target: they come along with every request of the call, and of the application that it reaches."""
    reaches_as: Party | None = None
    """Whom an application sees as called; None: itself."""
    application: Id | None = None
    """The application whose URLs it goes by."""
    hops: int = 0
    """Through how many applications its caller came."""
    outermost: Id | None = None
    """The call from outside that it was made because of, however many applications are between them."""
    beyond_limits: bool = False
    """Whether it is made also when its account has as many calls as it may have."""
    priority: int = 5
    """Among calls that wait to be sent: 1 is the first."""
    recording: RecordingOrder | None = None
    """Of this call, from its answer on."""
    detection: Detection | None = None
    """Whether it is found out who answers; not where digits are sent."""
