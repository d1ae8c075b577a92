"""The composition root: builds every part, knows in which order they start and stop; the only file that knows all others."""

from __future__ import annotations

import asyncio
import gc
import resource
import signal
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import structlog
from starlette.applications import Starlette

from hubbub.api.app import build_app
from hubbub.api.commands import Commands
from hubbub.api.connections import Visitors, counts
from hubbub.api.door import Door
from hubbub.api.guesses import Guesses
from hubbub.api.links import Links
from hubbub.api.rest import Rest
from hubbub.api.shield import Pace
from hubbub.api.stream import News
from hubbub.api.web import Web
from hubbub.calls.call import CallServices
from hubbub.calls.calls import Calls
from hubbub.calls.directory import Directory, routed
from hubbub.calls.negotiation import check_encryption
from hubbub.clock import SystemClock
from hubbub.conference.journal import Journal
from hubbub.conference.policy import Joining
from hubbub.conference.room import RoomServices
from hubbub.conference.rooms import Rooms
from hubbub.conference.transcription import Transcriber
from hubbub.dialects.registry import DEFAULT, DEFAULT_SETTINGS, Renderings, all_dialects, check_accounts, command_faces, rest_faces
from hubbub.errors import ConfigurationError, HubbubError, RequestFailed
from hubbub.events import CallRecord, Event, Level, Problem
from hubbub.ids import Id
from hubbub.media.audiofile import Spare
from hubbub.media.client import Media, recover_captures
from hubbub.media.music import hold_music
from hubbub.recovery import recover
from hubbub.settings import Account, Number, Settings, split_address
from hubbub.sip.endpoint import SipCall
from hubbub.sip.sippy_endpoint import SippyEndpoint
from hubbub.speech.recognition import Recognition
from hubbub.speech.voices import Speech
from hubbub.storage.store import Store
from hubbub.tasks import spawn
from hubbub.verbs.beside import RoomStage
from hubbub.verbs.documents import Documents
from hubbub.verbs.hub import Hub
from hubbub.verbs.services import VerbServices
from hubbub.webhooks.delivery import UNREACHABLE, Delivery, Notice
from hubbub.webhooks.exchange import of_notice
from hubbub.webhooks.requester import HttpReply, Requester

log = structlog.get_logger()


@dataclass(frozen=True)
class Addresses:
    """Where a running server can be reached."""

    http: str
    sip: str
    public_url: str


class Server:
    """One hubbub."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.clock = SystemClock()
        self.accounts: Mapping[str, Account] = {account.name: account for account in settings.accounts}
        self.state = "starting"
        self.news = News()
        self.visitors = Visitors(settings.http.head_seconds, settings.http.body_seconds, settings.http.connections)
        self.guesses = Guesses(settings.http.wrong_credentials)
        self._web: Web | None = None

    # -- life --------------------------------------------------------------------------------------------------

    async def start(self) -> Addresses:
        """Start everything; returns when calls and requests are welcome."""
        settings = self.settings
        listening = _listen(settings.http.listen)
        http = "{}:{}".format(*listening.getsockname()[:2])
        scheme = "https" if settings.http.tls_certificate else "http"
        public_url = settings.http.public_url.rstrip("/") or f"{scheme}://{http}"
        self.dialects = all_dialects(public_url, self._find_call, settings.accounts, settings.rooms.capacity)
        check_accounts(settings, self.dialects)
        check_encryption(settings)
        sip_host = split_address(settings.sip.listen)[0]
        try:
            settings.storage.recordings.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigurationError(f"storage.recordings: {settings.storage.recordings} cannot be made: {error.strerror}") from error
        recover_captures(settings.storage.recordings)

        self.store = Store(settings.storage.database)
        await self.store.open()
        self.media = Media(settings.media, host=sip_host, advertise=settings.sip.advertise)
        self.endpoint = SippyEndpoint.from_settings(settings.sip, settings.phones)
        hooks = settings.webhooks
        self.requester = Requester(hooks.allow_networks, now=self.clock.now, limit=hooks.connections, per_host=hooks.connections_per_host)
        self._web = Web(listening, settings.http, self.visitors.protocol())
        try:
            music = asyncio.to_thread(hold_music)  # made before somebody waits for it: it takes a second
            await asyncio.gather(self.media.start(), self.requester.start(), self.endpoint.start(), music)
        except BaseException:
            await asyncio.gather(self.media.stop(), self.requester.stop(), self.store.close(), self._web.stop(), return_exceptions=True)
            raise
        self._compose()
        await self.directory.load()
        closed, untold = await recover(
            self.store, self.journal, self.renderings, settings.storage.recordings, self.clock, self.endpoint, settings.dial.routes
        )
        if closed:
            log.warning("recovered_after_crash", rooms_and_calls=closed)
        spawn(self.beside.tell(untold), "tell-recovered")
        await self.transcriber.recover()
        await self.delivery.start()
        await self.decoder.start()
        self._web.app = self._application(public_url)
        self.endpoint.on_invite = self._invited
        gc.collect()
        gc.freeze()  # what lives as long as the server need not be looked at again
        self.state = "ok"
        sip = "{}:{}".format(*self.endpoint.address)
        log.info("ready", http=http, sip=sip)
        return Addresses(http, sip, public_url)

    def _compose(self) -> None:
        """Build the parts that need others."""
        clock = self.clock
        self.renderings = Renderings(self.dialects, self.accounts, self.settings.storage.recordings)
        self.journal = Journal(self.store, committed=self._committed)
        self.speech = Speech()
        self.decoder = Spare()
        self.recognition = Recognition(self.settings.speech.recognisers)
        self.delivery = Delivery(
            self.store,
            self.requester,
            self.renderings.prepare,
            clock,
            redeliver=self.settings.webhooks.redeliver,
            on_result=self._delivered,
        )
        services = VerbServices(
            media=self.media,
            speech=self.speech,
            recognition=self.recognition,
            requester=self.requester,
            journal=self.journal,
            clock=clock,
            documents=Documents(self.requester, self.journal, clock),
            render=self.renderings,
            dialects=self.dialects,
            accounts=self.accounts,
            recordings=self.settings.storage.recordings,
            store=self.store,
        )
        self.turns = services.turns
        services.beside = self.beside = RoomStage(services)
        room_services = RoomServices(self.media, self.journal, self.renderings, clock, self.settings.storage.recordings, self.beside)
        self.rooms = Rooms(room_services, lambda account: self.accounts[account].rooms_at_a_time)
        recordings = self.settings.storage.recordings
        self.transcriber = Transcriber(self.recognition, self.store, self.journal, self.renderings, clock, recordings)
        call_services = CallServices(self.media, self.journal, clock, self.renderings, recordings, self.transcriber)
        self.calls = Calls(call_services, self.endpoint, self.settings)
        services.transcriber = self.transcriber
        services.rooms, services.calls = self.rooms, self.calls
        self.directory = Directory(self.store, self.settings, clock)
        self.hub = Hub(services, self.calls, self.rooms, self.directory, Joining(DEFAULT_SETTINGS), self.settings.rooms)

    def _application(self, public_url: str) -> Starlette:
        settings = self.settings
        admin, most = settings.http.admin_token, settings.rooms.capacity
        faces = rest_faces(public_url, settings.accounts, self.clock.now, self.directory, admin, most)
        pace = Pace(settings.http.requests_per_second)  # one for all faces: an account's limit is its own, whatever it speaks
        given = (self.hub, self.store, settings.storage.recordings, lambda: self.journal.healthy, self._sip_address)
        rests = [Rest(face, *given, open_media=settings.http.open_media, pace=pace, guesses=self.guesses) for face in faces]
        rests += [Commands(face, *given, pace=pace, guesses=self.guesses) for face in command_faces(public_url, settings.accounts)]
        links = Links(self.store, settings.storage.recordings, public_url, self.clock.now)
        home = urlsplit(public_url)
        door = Door(settings.http.admin_token, home.hostname or "", self.guesses, self.clock.monotonic)
        return build_app(rests, self.health, self.numbers, door, self.guesses, home.netloc, self.store, self.news, self.hub, links)

    async def drain(self, seconds: float) -> None:
        """Refuse new calls, and wait until the present ones are over, but no longer than `seconds`."""
        self.state = "draining"
        self.endpoint.drain()
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while len(self.calls) and loop.time() < deadline:
            await asyncio.sleep(0.1)

    async def stop(self) -> None:
        """End what is live, tell what is to be told, stop everything."""
        self.state = "stopping"
        for call in self.calls:
            call.hangup()
        loop = asyncio.get_running_loop()
        deadline = loop.time() + 5.0
        while (len(self.calls) or len(self.rooms)) and loop.time() < deadline:
            await asyncio.sleep(0.02)
        await self.endpoint.stop()
        self.news.close()
        if self._web is not None:
            await self._web.stop()
        await self.beside.stop()
        await self.journal.settled()
        await self.delivery.stop()
        await self.requester.stop()
        await self.media.stop()
        await self.decoder.stop()
        self.speech.close()
        self.turns.close()
        await self.recognition.close()
        await self.store.close()

    # -- news --------------------------------------------------------------------------------------------------

    def _invited(self, sip: SipCall) -> None:
        """An INVITE has come: find who answers that number."""
        entry = self.directory.answering(sip.to_user)
        if entry is not None and entry.url and entry.account in self.accounts:
            self.hub.incoming(sip, routed(entry), self.accounts[entry.account], entry)
        elif entry is None and self.directory.empty and self.settings.accounts:
            account = self.settings.accounts[0]
            direct = Number.model_construct(number="*", account=account.name, dialect=DEFAULT, url="")
            self.hub.incoming_to_room(sip, direct, account, sip.to_user)
        else:
            log.info("number_unknown", to=sip.to_user)
            sip.reject(404, "Not Found")

    def _committed(self, events: Sequence[Event], notices: bool) -> None:
        self.news.tell()
        if notices:
            self.delivery.wake()

    def _delivered(self, notice: Notice, result: HttpReply | RequestFailed, final: bool) -> None:
        """Keep for its account that a notice was not accepted, or that its answer says something that nobody reads."""
        status, dialect = result.status, self.dialects[notice.face]
        reply = result if isinstance(result, HttpReply) else None
        if reply is not None and reply.status < 400:
            log.info("notice_delivered", notice_event=notice.event, status=status, room=notice.room, call=notice.call)
            found = dialect.notice_remark(notice, reply)
            if found is not None:
                self._report_notice(notice, found[0], "warning", f"{notice.event}: {found[1]}", reply)
            return
        if not final:
            return
        kind = result.kind if isinstance(result, RequestFailed) else "status"
        if kind in UNREACHABLE and self.settings.webhooks.redeliver:
            kind = "given_up"  # it has waited for its receiver as long as anything waits
        code, level = dialect.notice_failure(notice, status, kind)
        text = f"{notice.event} was answered {status}" if status else f"{notice.event}: {result}"
        self._report_notice(notice, code, "error" if level == "error" else "warning", text, reply)

    def _report_notice(self, notice: Notice, code: str, level: Level, text: str, reply: HttpReply | None) -> None:
        about = (notice.call, notice.room, notice.url, notice.method, None, of_notice(notice, reply))
        self.journal.report(Problem(notice.account, code, level, text, *about), self.clock.now())

    def _find_call(self, call: Id) -> CallRecord | None:
        return self.calls.record_of(call)

    def _sip_address(self) -> str:
        host, port = self.endpoint.address
        return f"{self.settings.sip.advertise or host}:{port}"

    # -- numbers -----------------------------------------------------------------------------------------------

    def health(self) -> str:
        """`starting`, `ok`, `degraded`, `draining` or `stopping`."""
        if self.state == "ok" and not self.journal.healthy:
            return "degraded"
        return self.state

    def numbers(self) -> dict[str, float]:
        """What `/metrics` shows."""
        media = self.media.stats()
        found: dict[str, float] = {
            "calls": len(self.calls),
            "rooms": len(self.rooms),
            "sessions": len(self.hub.sessions),
            "tasks": len(asyncio.all_tasks()),
            "journal_lost_total": self.journal.lost,
            **counts(self.visitors),
            **self.guesses.counts(),
            **{f"requests_{name}": value for name, value in self.requester.counts().items()},
        }
        found |= _flat("notices", self.delivery.stats()) | _flat("media", media)
        for name, value in self.endpoint.counters().items():
            found[f"sip_{name}"] = value
        return found


def _flat(prefix: str, stats: Any) -> dict[str, float]:
    """The numbers of a dataclass, and of the mappings in it."""
    found: dict[str, float] = {}
    for name in getattr(stats, "__dataclass_fields__", {}):
        value = getattr(stats, name)
        if isinstance(value, Mapping):
            found |= {f"{prefix}_{name}_{key}": float(item) for key, item in value.items()}
        elif isinstance(value, (int, float)):
            found[f"{prefix}_{name}"] = float(value)
    return found


def _listen(address: str) -> socket.socket:
    host, port = split_address(address)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise ConfigurationError(f"http.listen = {address!r} cannot be used: {error.strerror}") from error
    listening.listen(512)
    listening.setblocking(False)
    return listening


def _allow_files(wanted: int) -> None:
    """Raise the soft limit of open files, usually 1024, as far as it is needed and allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if 0 <= soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted if hard < 0 else max(soft, min(wanted, hard)), hard))


async def run(settings: Settings, *, drain_seconds: float = 0.0, announce: Any = print) -> None:
    """Run until SIGTERM or SIGINT."""
    _allow_files(settings.files)
    server = Server(settings)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        addresses = await server.start()
    except ConfigurationError:
        raise
    except (HubbubError, OSError) as error:
        raise ConfigurationError(f"cannot start: {error}") from error
    announce(f"ready http={addresses.http} sip={addresses.sip}")
    await stop.wait()
    if drain_seconds:
        await server.drain(drain_seconds)
    await server.stop()
