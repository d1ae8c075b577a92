"""The configuration: `hubbub.toml`, the environment (`HUBBUB_SECTION__KEY`), and the built-in development defaults.

Every key is declared once, here; `docs/configuration.md` is generated from these declarations. Unknown keys are an
error that names them. Relative paths are relative to the configuration file's folder.
"""

from __future__ import annotations

import contextlib
import ipaddress
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    PrivateAttr,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from hubbub.errors import ConfigurationError
from hubbub.mistakes import lines_of

PREFIX = "HUBBUB_"
"""Of variables of the environment that give keys."""


def _network(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return ipaddress.ip_network(value)
    except ValueError as error:
        raise ValueError(f"{error}; must be a network, for example 10.0.0.0/8") from None


Network = Annotated[ipaddress.IPv4Network | ipaddress.IPv6Network, PlainValidator(_network)]
Method = Annotated[Literal["GET", "POST"], BeforeValidator(lambda value: value.upper() if isinstance(value, str) else value)]


Srtp = Literal["off", "accept", "offer", "require"]
"""How much a call's audio is to be encrypted: never; where the far end offers it; offered to it, but not insisted on; always."""


def _listen(value: str) -> str:
    host, _, port = value.rpartition(":")
    if not host or not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise ValueError("must be ADDRESS:PORT, for example 127.0.0.1:8080")
    return value


def _web_url(value: str) -> str:
    split = urlsplit(value)
    if split.scheme not in ("http", "https") or not split.hostname:
        raise ValueError("must be an http or https URL with a host, for example http://127.0.0.1:9000/voice")
    return value


Listen = Annotated[str, AfterValidator(_listen)]
WebUrl = Annotated[str, AfterValidator(_web_url)]
WebUrlOrNone = Annotated[str, AfterValidator(lambda value: _web_url(value) if value else value)]

DEFAULT_FILE = Path("hubbub.toml")


class Section(BaseModel):
    """A table of the configuration file: unknown keys are errors, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class HttpSettings(Section):
    """REST, pages, health and metrics."""

    listen: Listen = Field("127.0.0.1:8080", description="Address and port of REST, pages, health and metrics. Port 0 takes a free one.")
    public_url: WebUrlOrNone = Field(
        "", description="How clients reach this server; put in links and recording URLs. Empty: made from `listen`."
    )
    tls_certificate: Path | None = Field(None, description="PEM certificate chain: serve HTTPS.")
    tls_key: Path | None = Field(None, description="PEM key of `tls_certificate`.")
    open_media: bool = Field(False, description="Let everybody who knows a recording's URL hear it: no credentials are asked for.")
    admin_token: str = Field("", description="Bearer token for `/hubbub/…` and `/metrics`; needed when `listen` is off loopback.")
    requests_per_second: float = Field(
        0.0, ge=0, description="REST requests a second of one account, in bursts of twice as many; more get 429. 0: no limit."
    )
    wrong_credentials: float = Field(
        20.0, ge=0, description="Wrong credentials a minute that one address may give; more are not judged (429). 0: no limit."
    )
    head_seconds: float = Field(10.0, gt=0, le=3600, description="How long a client may take for a request's line and headers (408).")
    body_seconds: float = Field(30.0, gt=0, le=3600, description="How long it may take for a request's body (408).")
    connections: int = Field(
        512, ge=0, description="Connections of one address at a time; one more gets 503. A proxy is one address. 0: no limit."
    )


class SipSettings(Section):
    """SIP over UDP."""

    listen: Listen = Field("127.0.0.1:5060", description="UDP address and port. Port 0 takes a free one.")
    advertise: str = Field("", description="Address put in Contact and SDP. Empty: the address of `listen`.")
    trust: tuple[Network, ...] = Field(
        (ipaddress.ip_network("127.0.0.0/8"),), description="Peers that may call without digest authentication."
    )
    srtp: Srtp = Field(
        "accept",
        description="Encryption (SRTP, keys in SDP) of calls that come in: `off`, `accept` (where the caller offers it), `offer` "
        "(also in offers of ours), `require` (others get 488). Keys stand readable in SIP: see docs/security.md.",
    )
    max_calls: int = Field(4000, ge=1, description="SIP calls at a time; one more gets 503.")
    invites_per_second: float = Field(
        200.0, ge=0, description="New calls a second from one address, in bursts of twice as many; more get 503. 0: no limit."
    )
    wrong_passwords: float = Field(10.0, ge=0, description="Wrong passwords a minute after which an address is banned. 0: never.")
    strangers: float = Field(
        60.0, ge=0, description="Requests a minute that prove nothing (refused or unreadable) after which an address is banned. 0: never."
    )
    ban_seconds: float = Field(300.0, ge=1, description="How long packets of a banned address are thrown away. `trust` is never banned.")


class MediaSettings(Section):
    """The media plane."""

    rtp_ports: str = Field("20000-29999", description="UDP port range of RTP, inclusive; even ports are used.")
    workers: int = Field(1, ge=1, le=64, description="Media processes, each with its own loop and core.")
    automatic_level: bool = Field(False, description="Bring every talker to the same loudness, slowly and by at most 12 dB.")
    level_db: float = Field(-20.0, ge=-40, le=-9, description="That loudness, dBFS of speech.")
    noise_suppression: bool = Field(
        False, description="Turn down the noise behind every talker (by 10 to 24 dB; what is said is heard 10 ms later)."
    )
    speech_start_db: float = Field(-40.0, ge=-90, le=0, description="Speech starts above this level (dBFS) …")
    speech_onset_ms: int = Field(60, ge=20, le=2000, description="… that lasts for so long …")
    speech_stop_db: float = Field(-46.0, ge=-90, le=0, description="… and has ended below this one …")
    speech_hangover_ms: int = Field(500, ge=20, le=10000, description="… for so long.")
    legs: int = Field(1024, ge=8, le=65536, description="Legs that one media process can carry at a time.")
    codecs: list[str] = Field(
        ["opus", "G722", "PCMU", "PCMA", "L16/16000", "L16/8000"],
        min_length=1,
        description="Codecs that are spoken, in the order of an offer. Opus needs libopus (see `hubbub doctor`).",
    )

    srtp_suites: tuple[
        Literal[
            "AES_CM_128_HMAC_SHA1_80",
            "AES_CM_128_HMAC_SHA1_32",
            "AES_256_CM_HMAC_SHA1_80",
            "AES_256_CM_HMAC_SHA1_32",
            "AEAD_AES_128_GCM",
            "AEAD_AES_256_GCM",
        ],
        ...,
    ] = Field(
        ("AES_CM_128_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_32", "AEAD_AES_128_GCM"),
        min_length=1,
        description="Crypto-suites that encrypted calls may use, in the order of an offer. They need libsrtp (see `hubbub doctor`).",
    )

    @field_validator("codecs")
    @classmethod
    def _known(cls, value: list[str]) -> list[str]:
        for name in value:
            if name.upper() not in ("OPUS", "G722", "PCMU", "PCMA", "L16/16000", "L16/8000"):
                raise ValueError(f"{name!r} is not spoken; known are opus, G722, PCMU, PCMA, L16/16000, L16/8000")
        return value

    @field_validator("rtp_ports")
    @classmethod
    def _range(cls, value: str) -> str:
        low, _, high = value.partition("-")
        if not (value.isascii() and low.isdigit() and high.isdigit() and 1024 <= int(low) < int(high) <= 65535):
            raise ValueError("must be LOW-HIGH within 1024-65535, for example 20000-29999")
        return value

    @property
    def port_range(self) -> tuple[int, int]:
        """First and last port, inclusive."""
        low, _, high = self.rtp_ports.partition("-")
        return int(low), int(high)


class RoomLimits(Section):
    """Conference rooms."""

    capacity: int = Field(
        250, ge=2, le=65536, description="Members of a room that is told no number; as many it may be told, where its dialect bounds that."
    )
    keep_empty_seconds: float = Field(
        300.0, ge=1, le=86400, description="How long a room that was made by request waits for the first who comes."
    )


class SpeechSettings(Section):
    """Understanding what callers say."""

    recognisers: int = Field(
        4, ge=0, le=256, description="Callers that may be listened to at a time, each by a process of about 150 MB. 0: nobody."
    )


class StorageSettings(Section):
    """What is kept, and where."""

    database: str = Field("sqlite:///hubbub.db", description="`sqlite:///FILE`.")
    recordings: Path = Field(Path("recordings"), description="Folder of the recordings.")


class WebhookSettings(Section):
    """Requests to applications."""

    allow_networks: tuple[Network, ...] = Field(
        (ipaddress.ip_network("127.0.0.0/8"),),
        description="Private networks that may be fetched from; public addresses always may, other private ranges never.",
    )
    connections: int = Field(
        4096,
        ge=8,
        le=60_000,
        description="Most connections to applications, each with a local port and a file. A request that finds none free waits within its "
        "connect time. WebSockets (streams) have as many of their own.",
    )
    connections_per_host: int = Field(1024, ge=4, le=60_000, description="Most of them to one host and port: one that hangs takes no more.")
    redeliver: bool = Field(True, description="Keep notices while a receiver cannot be reached. `false` gives the vendors' loss.")


class Route(Section):
    """Where outbound numbers with a prefix go."""

    prefix: str = Field("+", description="Leading digits of the number, with `+`. The longest matching prefix wins.")
    to: str = Field(description="SIP URI; `{number}` is replaced by the E.164 number.")
    username: str = Field("", description="Digest user name, if the trunk asks.")
    password: str = Field("", description="Digest password.")
    srtp: Srtp | None = Field(None, description="Encryption of calls by this trunk. Unset: `dial.srtp`.")


class DialSettings(Section):
    """What may be dialled. Default: only registered phones."""

    allow_prefixes: tuple[str, ...] = Field((), description="Number prefixes that may be dialled, such as `+1`.")
    allow_sip: tuple[str, ...] = Field((), description="Hosts (`host` or `host:port`) that SIP URIs may name.")
    routes: tuple[Route, ...] = Field((), description="Trunks for numbers.")
    srtp: Srtp = Field(
        "accept",
        description="Encryption of calls that are made: `off`, `accept` (only if the far end asks for it later), `offer` (the far end may "
        "answer without), `require` (no call without).",
    )


class Account(Section):
    """An account and its faces: each face is checked by the dialect that owns it."""

    name: str = Field(description="What numbers and phones call it.")
    strict: bool = Field(False, description="Refuse REST requests (400) whose mistakes would only be noted otherwise.")
    waiting_rooms_in_progress: bool = Field(
        False, description="REST shows a room that has not started, because nobody may start it, as in progress."
    )
    held_keep_end_on_exit: bool = Field(
        False, description="Do not change, and do not complain, when REST changes a held member's end-on-exit."
    )
    parties_in_events: bool = Field(False, description="Conference events that are about a call also say from whom to whom it is.")
    long_calls: bool = Field(False, description="Calls of dialects that end them after four hours may last a day.")
    suspended: bool = Field(False, description="Take no call of this account, and make none. REST goes on reading.")
    calls_at_a_time: int = Field(
        0,
        ge=0,
        description="So many calls it may have at a time, where its dialect has no limit of its own; one more is refused. 0: no limit.",
    )
    rooms_at_a_time: int = Field(
        0, ge=0, description="So many conferences it may have at a time; joining one more is refused. 0: no limit."
    )
    loop_wait_audio: bool = Field(False, description="Begin wait and hold documents again when they end; else silence follows them.")
    fallback_music: bool = Field(
        False,
        description="Callers whose wait or hold audio cannot be had hear the built-in music; else wait audio that fails takes them out.",
    )
    preflight_audio: bool = Field(
        False, description="REST asks for hold and announcement audio before it takes it, and refuses what fails (400)."
    )
    callbacks_change_alone: bool = Field(False, description="REST changes who follows a live call also where it gives it no document.")
    room_in_actions: bool = Field(False, description="Requests that are made when a call has left a conference say which one it was.")
    rooms_by_number: bool = Field(
        False, description="Callers of different numbers never meet by the name of a room: each number has its own rooms."
    )
    faces: dict[str, dict[str, str]] = Field(default_factory=dict, description="One table per face, named after it: see below.")

    @model_validator(mode="before")
    @classmethod
    def _collect_faces(cls, value: Any) -> Any:
        """Every table under an account that is not declared here is a face."""
        if not isinstance(value, dict):
            return value
        faces = {key: item for key, item in value.items() if isinstance(item, dict) and key != "faces"}
        rest = {key: item for key, item in value.items() if key not in faces}
        return {**rest, "faces": {**value.get("faces", {}), **faces}}


class Number(Section):
    """Who answers a dialled number."""

    number: str = Field(description="The user part of the Request-URI, exactly or without its `+`; `*` catches the rest.")
    account: str = Field(description="The account that it belongs to.")
    dialect: str = Field(description="The vocabulary that the application speaks.")
    url: WebUrl = Field(description="Where the document is that answers.")
    method: Method = Field("POST", description="How it is requested: GET or POST.")
    fallback_url: WebUrlOrNone = Field("", description="Asked for a document when `url` fails.")
    fallback_method: Method = Field("POST", description="How that is requested.")
    status_callback: WebUrlOrNone = Field("", description="Told when the call is over.")
    status_callback_method: Method = Field("POST", description="How that is told.")
    username: str = Field("", description="Credentials for the URLs, where the dialect knows such.")
    password: str = Field("", description="Password of `username`.")


class Phone(Section):
    """A SIP user that may register."""

    username: str = Field(description="User part of its SIP address.")
    password: str = Field(description="Digest password.")
    srtp: Srtp | None = Field(None, description="Encryption of calls with this phone. Unset: `sip.srtp` from it, `dial.srtp` to it.")
    account: str = Field(description="The account that it belongs to.")


class Settings(BaseSettings):
    """The whole configuration."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True, env_prefix=PREFIX, env_nested_delimiter="__")

    http: HttpSettings = HttpSettings()
    sip: SipSettings = SipSettings()
    media: MediaSettings = MediaSettings()
    rooms: RoomLimits = RoomLimits()
    speech: SpeechSettings = SpeechSettings()
    storage: StorageSettings = StorageSettings()
    webhooks: WebhookSettings = WebhookSettings()
    dial: DialSettings = DialSettings()
    accounts: tuple[Account, ...] = ()
    numbers: tuple[Number, ...] = ()
    phones: tuple[Phone, ...] = ()
    _source: tuple[str, str] = PrivateAttr(("", ""))
    """The name of the file and what is written in it."""

    @property
    def files(self) -> int:
        """Files (sockets, pipes …) that are open when all legs and all connections are in use."""
        return 2 * self.media.legs * self.media.workers + 2 * self.webhooks.connections + self.http.connections + 256

    @contextlib.contextmanager
    def at(self, *key: str | int) -> Iterator[None]:
        """Where a ConfigurationError of what is looked at in here stands: it gets the file and the line."""
        try:
            yield
        except ConfigurationError as error:
            line = lines_of(self._source[1], [key])[0]
            raise ConfigurationError(f"{self._source[0]}: line {line}, {error}") if line is not None else error from error

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment outranks the file."""
        return EnvSettingsSource(settings_cls), init_settings


def split_address(address: str) -> tuple[str, int]:
    """`host:port` as a pair; the host of an IPv6 address stands in brackets."""
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def is_loopback(address: str) -> bool:
    """Whether `host:port` listens on this machine only."""
    host, _ = split_address(address)
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
