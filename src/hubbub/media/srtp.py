"""SRTP in the loop: libsrtp by address, contexts in memory of this process alone (docs/media.md 3.1, RFC 3711).

What a context is made from lies in the shared block (`layout.CipherState`): keys, and how far the packet indices of both directions have
come. So whoever takes over, or takes a leg from another worker, makes contexts of its own from that when it first needs them, and goes on
behind a wrap of the sequence numbers. Making one takes about 20 microseconds; protecting and opening packets allocates nothing.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
from llvmlite import binding
from numba import types

from hubbub.media import libsrtp
from hubbub.media.compiled import kernel
from hubbub.media.counters import DROP_EXPIRED, DROP_FORGED, DROP_REPLAYED
from hubbub.media.desk import Desk
from hubbub.media.layout import PACKET_BYTES, REPLACED_KEYS, STREAMS, Array, Ciphers, Engine
from hubbub.media.libc import fence
from hubbub.media.libsrtp import (
    ANY_INBOUND,
    AT_KEY,
    AT_WINDOW,
    AUTHENTICATION_FAILED,
    KEY_BYTES,
    OFF,
    SPECIFIC,
    SRTP_FORMER,
    SRTP_IN,
    SRTP_OUT,
    SUITE_ROWS,
    TRAILER,
)
from hubbub.media.rows import copy, fill

_KEY_WORD, _WINDOW_WORD = AT_KEY // 8, AT_WINDOW // 8
_HALF = 1 << 15
FORMER_PACKETS = 250
"""By a key that has been replaced at most so many are heard: of each new SSRC among them the library keeps a stream."""

_i32, _u32, _i64, _ptr = types.int32, types.uint32, types.int64, types.uintp

_create: Any = types.ExternalFunction("srtp_create", _i32(_ptr, _ptr))
_dealloc: Any = types.ExternalFunction("srtp_dealloc", _i32(_ptr))
_add_stream: Any = types.ExternalFunction("srtp_add_stream", _i32(_ptr, _ptr))
_remove_stream: Any = types.ExternalFunction("srtp_remove_stream", _i32(_ptr, _u32))
_set_roc: Any = types.ExternalFunction("srtp_set_stream_roc", _i32(_ptr, _u32, _u32))
_protect: Any = types.ExternalFunction("srtp_protect", _i32(_ptr, _ptr, _ptr))
_unprotect: Any = types.ExternalFunction("srtp_unprotect", _i32(_ptr, _ptr, _ptr))


def _absent(*_: int) -> int:
    return 1  # srtp_err_status_fail


_stand_in = ctypes.CFUNCTYPE(ctypes.c_int)(_absent)


def bind() -> None:
    """Give the compiler the library's addresses, or, without one, those of a function that is never called."""
    library = libsrtp.find()
    for name in libsrtp.FUNCTIONS:
        address = library.address(name) if library else ctypes.cast(_stand_in, ctypes.c_void_p).value
        binding.add_symbol(name, address)


bind()


# Keys.


@kernel
def _byte(words: Array, at: int, n: int) -> int:
    """Byte `n` of a key in the words of a command, eight bytes each."""
    return int((words[at + (n >> 3)] >> (8 * (n & 7))) & 255)


@kernel
def _differs(key: Array, words: Array, at: int) -> bool:
    other = False
    for n in range(KEY_BYTES):
        other = other or key[n] != _byte(words, at, n)
    return bool(other)


@kernel
def _take_key(key: Array, words: Array, at: int) -> None:
    for n in range(KEY_BYTES):
        key[n] = _byte(words, at, n)


@kernel
def _wipe(words: Array) -> None:
    """Wipe the keys of a command, what says that there are some first.

    The command counts as applied only after this: a process that is killed in between leaves it to the next one, which must not take
    it for another one.
    """
    words[3] = 0
    fence()
    fill(words, 4, words.size, 0)


@kernel
def take_keys(ciphers: Ciphers, leg: int, generation: int, words: Array) -> bool:
    """Keys of a leg, words 3 to 15 of its command: suite | lifetime << 8, the key that it hears by, the key that it speaks by.

    A key that stays keeps its context. The words are wiped: the ring does not hold keys for longer than it must.
    """
    named = words[3] & 255
    suite = 0 if named == OFF else named
    lifetime = words[3] >> 8
    good = named > 0 and suite < SUITE_ROWS and lifetime >= 0
    if good:
        other = ciphers[leg].suite != suite
        ciphers[leg].changes += 1
        life = (generation << 24) + (ciphers[leg].changes & 0xFFFFFF)
        if other or _differs(ciphers[leg].key_in, words, 4):
            _keep_replaced(ciphers, leg)
            ciphers[leg].left = _bring_back(ciphers, leg, suite, words, life, lifetime)
            fence()
            ciphers[leg].life_in = life
        if other or _differs(ciphers[leg].key_out, words, 10):
            ciphers[leg].life_out = life
        fence()  # whoever finds the keys half written finds their new life, and has the command still to apply
        _take_key(ciphers[leg].key_in, words, 4)
        _take_key(ciphers[leg].key_out, words, 10)
        ciphers[leg].suite = suite
    _wipe(words)
    return bool(good)


@kernel
def _keep_replaced(ciphers: Ciphers, leg: int) -> None:
    """The key in force is replaced: should it come again, nothing that was heard by it shall be heard again (RFC 3711 9.1)."""
    at = -1
    for r in range(REPLACED_KEYS):
        if ciphers[leg].replaced_suite[r] == ciphers[leg].suite and _same(ciphers[leg].replaced_key[r], ciphers[leg].key_in):
            at = r
    if at < 0:
        at = (ciphers[leg].replaced + 1) % REPLACED_KEYS
        fill(ciphers[leg].replaced_newest[at], 0, STREAMS, 0)
    ciphers[leg].replaced = at
    ciphers[leg].replaced_suite[at] = ciphers[leg].suite
    ciphers[leg].replaced_left[at] = ciphers[leg].left
    copy(ciphers[leg].replaced_key[at], 0, ciphers[leg].key_in, 0, KEY_BYTES)
    for k in range(STREAMS):
        if ciphers[leg].newest[k] > 0 and ciphers[leg].lives[k] == ciphers[leg].life_in:
            _keep_stream(ciphers, leg, at, ciphers[leg].ssrc[k], ciphers[leg].newest[k])


@kernel
def _keep_stream(ciphers: Ciphers, leg: int, at: int, ssrc: int, newest: int) -> None:
    """How far a stream was heard by a key that was replaced; the one that came least far gives way."""
    place = 0
    for j in range(STREAMS):
        if ciphers[leg].replaced_newest[at, j] > 0 and ciphers[leg].replaced_ssrc[at, j] == ssrc:
            place = j
            break
        if ciphers[leg].replaced_newest[at, j] < ciphers[leg].replaced_newest[at, place]:
            place = j
    other = ciphers[leg].replaced_ssrc[at, place] != ssrc
    ciphers[leg].replaced_ssrc[at, place] = ssrc
    ciphers[leg].replaced_newest[at, place] = newest if other else max(newest, ciphers[leg].replaced_newest[at, place])


@kernel
def _bring_back(ciphers: Ciphers, leg: int, suite: int, words: Array, life: int, lifetime: int) -> int:
    """What is known of a key that comes into force: how far its streams were heard; returns for how many packets it is good."""
    fill(ciphers[leg].heard, 0, STREAMS, 0)
    for r in range(REPLACED_KEYS):
        if ciphers[leg].replaced_suite[r] != suite or _differs(ciphers[leg].replaced_key[r], words, 4):
            continue
        for j in range(STREAMS):
            if ciphers[leg].replaced_newest[r, j] > 0:
                _bring_back_stream(ciphers, leg, ciphers[leg].replaced_ssrc[r, j], ciphers[leg].replaced_newest[r, j], life)
        return int(min(lifetime, ciphers[leg].replaced_left[r]))
    return lifetime


@kernel
def _bring_back_stream(ciphers: Ciphers, leg: int, ssrc: int, newest: int, life: int) -> None:
    k = _stream(ciphers, leg, ssrc)
    if k < 0:
        k = ciphers[leg].next
        ciphers[leg].next = (k + 1) % STREAMS
        ciphers[leg].ssrc[k] = ssrc
        ciphers[leg].newest[k] = newest
        ciphers[leg].lives[k] = life
    ciphers[leg].heard[k] = newest


@kernel
def _same(one: Array, other: Array) -> bool:
    differs = False
    for n in range(KEY_BYTES):
        differs = differs or one[n] != other[n]
    return not differs


@kernel
def forget_keys(ciphers: Ciphers, leg: int) -> None:
    """A leg has ended: nobody needs its keys any more."""
    ciphers[leg].suite = 0
    fill(ciphers[leg].key_in, 0, KEY_BYTES, 0)
    fill(ciphers[leg].key_out, 0, KEY_BYTES, 0)
    for r in range(REPLACED_KEYS):
        ciphers[leg].replaced_suite[r] = 0
        fill(ciphers[leg].replaced_key[r], 0, KEY_BYTES, 0)


# Contexts.


@kernel
def _end(desk: Desk, leg: int, which: int) -> None:
    if desk.srtp_session[leg, which] != 0:
        _dealloc(desk.srtp_session[leg, which])
        desk.srtp_session[leg, which] = 0


@kernel
def release(desk: Desk, leg: int) -> None:
    """End a leg's contexts in this process; they are made anew when they are needed again."""
    _end(desk, leg, SRTP_OUT)
    _end(desk, leg, SRTP_IN)
    _end(desk, leg, SRTP_FORMER)
    desk.srtp_life[leg, SRTP_OUT] = 0
    desk.srtp_life[leg, SRTP_IN] = 0


@kernel
def _make(engine: Engine, desk: Desk, leg: int, which: int) -> None:
    """Make the context of a direction; there is none when the library refuses. It reads the key where that lies, and keeps no address."""
    policy = desk.srtp_policy
    copy(policy, 0, desk.srtp_policies[engine.ciphers[leg].suite], 0, policy.size)
    if policy[_WINDOW_WORD] == 0:  # what this machine cannot do: an empty policy would leave packets as they are
        return
    if which == SRTP_OUT:
        policy[0] = SPECIFIC | engine.links[leg].out_ssrc << 32
        policy[_KEY_WORD] = engine.ciphers[leg].key_out.ctypes.data
    else:
        policy[0] = ANY_INBOUND
        policy[_KEY_WORD] = engine.ciphers[leg].key_in.ctypes.data
    desk.srtp_made[0] = 0
    if _create(desk.srtp_made.ctypes.data, policy.ctypes.data) == 0:
        desk.srtp_session[leg, which] = desk.srtp_made[0]


@kernel
def _renew_out(engine: Engine, desk: Desk, leg: int) -> None:
    """The context that packets of ours are protected in, if the key is another than it was; it goes on with the rollover counter."""
    if desk.srtp_life[leg, SRTP_OUT] == engine.ciphers[leg].life_out:
        return
    _end(desk, leg, SRTP_OUT)
    _make(engine, desk, leg, SRTP_OUT)
    desk.srtp_life[leg, SRTP_OUT] = engine.ciphers[leg].life_out
    roc = (engine.links[leg].out_sequence - 1) >> 16
    if roc > 0 and desk.srtp_session[leg, SRTP_OUT] != 0:
        _set_roc(desk.srtp_session[leg, SRTP_OUT], engine.links[leg].out_ssrc, roc)


@kernel
def _renew_in(engine: Engine, desk: Desk, leg: int) -> None:
    """The context that packets are opened in, if the key is another than it was: with the streams that are known, as far as they were.

    The one before is kept until something comes by the new key: what is under way is by the old one.
    """
    ciphers = engine.ciphers
    if desk.srtp_life[leg, SRTP_IN] == ciphers[leg].life_in:
        return
    _end(desk, leg, SRTP_FORMER)
    desk.srtp_spare[leg] = FORMER_PACKETS
    desk.srtp_session[leg, SRTP_FORMER] = desk.srtp_session[leg, SRTP_IN]
    desk.srtp_session[leg, SRTP_IN] = 0
    _make(engine, desk, leg, SRTP_IN)
    desk.srtp_life[leg, SRTP_IN] = ciphers[leg].life_in
    session = desk.srtp_session[leg, SRTP_IN]
    for k in range(STREAMS):
        desk.srtp_sure[leg, k] = 0
        # By another key nothing can come again; by the same one, in another process or a second time, nothing that came before.
        came = ciphers[leg].newest[k] if ciphers[leg].lives[k] == ciphers[leg].life_in else 0
        desk.srtp_floor[leg, k] = max(came, ciphers[leg].heard[k]) - 1
        if ciphers[leg].newest[k] > 0 and session != 0:
            desk.srtp_policy[0] = SPECIFIC | ciphers[leg].ssrc[k] << 32
            _add_stream(session, desk.srtp_policy.ctypes.data)


# Packets that leave.


@kernel
def seal(engine: Engine, desk: Desk, leg: int, size: int) -> int:
    """Encrypt the first `size` bytes of the leg's packet into `desk.srtp_packet`; returns how long it is then, 0 when it cannot be.

    It is a copy, because behind the packet its successor is being filled.
    """
    _renew_out(engine, desk, leg)
    session = desk.srtp_session[leg, SRTP_OUT]
    if session == 0:
        return 0
    copy(desk.srtp_packet, 0, engine.links[leg].packet, 0, size)
    desk.srtp_size[0] = size
    if _protect(session, desk.srtp_packet.ctypes.data, desk.srtp_size.ctypes.data) != 0:
        return 0
    return int(desk.srtp_size[0])


# Packets that come.


@kernel
def _number(data: Array, at: int, count: int) -> int:
    """A number of `count` bytes at `data[at:]`, the most significant one first, with a sign as indices have one."""
    value = 0
    for n in range(count):
        value = int((value << 8) + np.int64(data[at + n]))
    return value


@kernel
def index_of(newest: int, sequence: int) -> int:
    """The index of a packet by its sequence number, given the newest index so far, or -1 (RFC 3711 3.3.1)."""
    if newest < _HALF:
        return sequence
    roc = newest >> 16
    last = newest & 0xFFFF
    if last < _HALF and sequence - last > _HALF:
        roc -= 1
    elif last >= _HALF and last - _HALF > sequence:
        roc += 1
    return (roc << 16) | sequence


@kernel
def _stream(ciphers: Ciphers, leg: int, ssrc: int) -> int:
    for k in range(STREAMS):
        if ciphers[leg].newest[k] > 0 and ciphers[leg].ssrc[k] == ssrc:
            return k
    return -1


@kernel
def _swapped(ssrc: int) -> int:
    return ((ssrc & 255) << 24) | ((ssrc & 0xFF00) << 8) | ((ssrc >> 8) & 0xFF00) | (ssrc >> 24)


@kernel
def _count(ciphers: Ciphers, desk: Desk, leg: int, k: int, newest: int) -> None:
    """A stream has come so far, by the key in force."""
    desk.srtp_sure[leg, k] = 1
    ciphers[leg].newest[k] = newest
    ciphers[leg].lives[k] = ciphers[leg].life_in


@kernel
def _remember(ciphers: Ciphers, desk: Desk, leg: int, k: int, ssrc: int, index: int) -> None:
    """A packet was authentic: keep how far its stream has come. A stream too many takes the place of the one that came first."""
    if k < 0:
        k = ciphers[leg].next
        ciphers[leg].next = (k + 1) % STREAMS
        if ciphers[leg].newest[k] > 0:
            _remove_stream(desk.srtp_session[leg, SRTP_IN], _swapped(ciphers[leg].ssrc[k]))
        ciphers[leg].newest[k] = 0
        ciphers[leg].ssrc[k] = ssrc
        desk.srtp_sure[leg, k] = 0
        desk.srtp_floor[leg, k] = -1
        ciphers[leg].heard[k] = 0
    _count(ciphers, desk, leg, k, max(ciphers[leg].newest[k], index + 1) if desk.srtp_sure[leg, k] else index + 1)


@kernel
def _open(desk: Desk, session: int, data: Array, size: int) -> int:
    """Decrypt a packet in place; its length, which is in `desk.srtp_size`, changes. Returns the library's answer."""
    desk.srtp_size[0] = size
    return int(_unprotect(session, data.ctypes.data, desk.srtp_size.ctypes.data))


@kernel
def _heard_by(ciphers: Ciphers, leg: int, at: int, ssrc: int) -> int:
    """How far a stream was heard by a key that was replaced."""
    for j in range(STREAMS):
        if ciphers[leg].replaced_newest[at, j] > 0 and ciphers[leg].replaced_ssrc[at, j] == ssrc:
            return int(ciphers[leg].replaced_newest[at, j])
    return 0


@kernel
def _try_again(ciphers: Ciphers, desk: Desk, leg: int, k: int, ssrc: int, index: int, data: Array, size: int) -> int:
    """The first packets by a new key: they may be by the one before, or their sender began to count anew. Returns the library's answer."""
    copy(data, 0, desk.srtp_copy, 0, size)
    sequence = _number(data, 2, 2)
    if desk.srtp_session[leg, SRTP_FORMER] != 0:
        if _open(desk, desk.srtp_session[leg, SRTP_FORMER], data, size) == 0:
            desk.srtp_spare[leg] -= 1
            at = ciphers[leg].replaced % REPLACED_KEYS
            _keep_stream(ciphers, leg, at, ssrc, index_of(_heard_by(ciphers, leg, at, ssrc) - 1, sequence) + 1)
            if desk.srtp_spare[leg] <= 0:
                _end(desk, leg, SRTP_FORMER)
            return 0
        copy(data, 0, desk.srtp_copy, 0, size)
    if k < 0 or index >> 16 == 0 or desk.srtp_sure[leg, k] or desk.srtp_floor[leg, k] >= 0:
        return AUTHENTICATION_FAILED
    session = desk.srtp_session[leg, SRTP_IN]
    _set_roc(session, ssrc, 0)
    result = _open(desk, session, data, size)
    if result == 0:
        _count(ciphers, desk, leg, k, (index & 0xFFFF) + 1)
        ciphers[leg].left -= 1
        _end(desk, leg, SRTP_FORMER)
    return result


@kernel
def unseal(engine: Engine, desk: Desk, leg: int, data: Array, size: int) -> int:
    """Decrypt a packet of RTP in place; returns how long it is then, or -1 minus the reason to drop it.

    What is no packet of RTP is left as it is: RTCP is opened by the server, and the rest is dropped anyway.
    """
    if size < 12 or size > PACKET_BYTES + TRAILER or data[0] & 0xC0 != 0x80 or 192 <= data[1] <= 223:
        return size
    _renew_in(engine, desk, leg)
    ciphers = engine.ciphers
    session = desk.srtp_session[leg, SRTP_IN]
    if session == 0:
        return -1 - DROP_FORGED
    if ciphers[leg].left <= 0:  # not even looked at: the library would keep a stream of each SSRC
        return -1 - DROP_EXPIRED
    sequence = _number(data, 2, 2)
    ssrc = _number(data, 8, 4)
    k = _stream(ciphers, leg, ssrc)
    index = index_of(ciphers[leg].newest[k] - 1 if k >= 0 else -1, sequence)
    unsure = desk.srtp_session[leg, SRTP_FORMER] != 0
    if k >= 0:
        if index <= desk.srtp_floor[leg, k]:
            return -1 - DROP_REPLAYED
        if not desk.srtp_sure[leg, k]:
            unsure = True
            _set_roc(session, ssrc, index >> 16)
    if unsure:
        copy(desk.srtp_copy, 0, data, 0, size)
    result = _open(desk, session, data, size)
    if result == AUTHENTICATION_FAILED and unsure:
        result = _try_again(ciphers, desk, leg, k, ssrc, index, data, size)
        if result == 0:
            return int(desk.srtp_size[0])
    if result != 0:
        return -1 - (DROP_FORGED if result == AUTHENTICATION_FAILED else DROP_REPLAYED)
    ciphers[leg].left -= 1
    _end(desk, leg, SRTP_FORMER)
    _remember(ciphers, desk, leg, k, ssrc, index)
    return int(desk.srtp_size[0])
