"""The C library as the loop sees it: resolved by name, so that compiled callers can be cached (a ctypes pointer could not be)."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core.errors import TypingError
from numba.extending import intrinsic

from hubbub.media.compiled import kernel

_i32, _i64, _ptr = types.int32, types.int64, types.uintp

DONTWAIT = 0x40
MONOTONIC = 1
THREAD_CPU = 3
ABSTIME = 1

recvfrom: Any = types.ExternalFunction("recvfrom", _i64(_i32, _ptr, _ptr, _i32, _ptr, _ptr))
connect: Any = types.ExternalFunction("connect", _i32(_i32, _ptr, _i32))
sendto: Any = types.ExternalFunction("sendto", _i64(_i32, _ptr, _ptr, _i32, _ptr, _i32))
write: Any = types.ExternalFunction("write", _i64(_i32, _ptr, _ptr))
clock_gettime: Any = types.ExternalFunction("clock_gettime", _i32(_i32, _ptr))
clock_nanosleep: Any = types.ExternalFunction("clock_nanosleep", _i32(_i32, _i32, _ptr, _ptr))


def _fence(context: Any) -> Any:
    """Order memory: what was written before is seen before what is written after (no instruction on x86, `dmb` on ARM)."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.fence("acq_rel")
        return context.get_dummy_value()

    return types.void(), generate


fence: Any = intrinsic(_fence)


def _prefetch(context: Any, address: Any) -> Any:
    """Ask for the cache line at an address before it is needed; a hint, which never fails."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointer, word = ir.IntType(8).as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [pointer, word, word, word])
        function = builder.module.declare_intrinsic("llvm.prefetch", [pointer], kind)
        builder.call(function, [builder.inttoptr(args[0], pointer), word(0), word(3), word(1)])
        return context.get_dummy_value()

    return types.void(types.intp), generate


prefetch: Any = intrinsic(_prefetch)


def _move(context: Any, to: Any, at: Any, row: Any, start: Any, count: Any) -> Any:
    """Copy `count` elements between rows of one type, as `memmove` does; both lie in one piece, and nothing is checked."""
    if to.dtype != row.dtype:
        raise TypingError(f"elements of {row.dtype} cannot be moved as they are among elements of {to.dtype}")

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        size = context.get_constant(types.intp, context.get_abi_sizeof(context.get_data_type(to.dtype)))
        byte, length = ir.IntType(8).as_pointer(), ir.IntType(64)
        places = []
        for kind, value, index in ((signature.args[0], args[0], args[1]), (signature.args[2], args[2], args[3])):
            data = builder.bitcast(context.make_array(kind)(context, builder, value).data, byte)
            places.append(builder.gep(data, [builder.mul(index, size)]))
        function = builder.module.declare_intrinsic("llvm.memmove", [byte, byte, length])
        builder.call(function, [*places, builder.mul(args[4], size), ir.IntType(1)(0)])
        return context.get_dummy_value()

    return types.void(to, types.intp, row, types.intp, types.intp), generate


move: Any = intrinsic(_move)


@kernel
def prefetch_lines(address: int, count: int) -> None:
    """Ask for `count` cache lines from an address on."""
    for n in range(count):
        prefetch(address + 64 * n)


@kernel
def clock_ns(clock: int, spec: Any) -> int:
    """Nanoseconds of a clock; `spec` is scratch, two int64."""
    clock_gettime(clock, spec.ctypes.data)
    return int(spec[0] * 1_000_000_000 + spec[1])


@kernel
def sleep_until(due: int, spec: Any) -> None:
    """Sleep to `due` nanoseconds of the monotonic clock; `spec` is scratch, two int64."""
    spec[0] = due // 1_000_000_000
    spec[1] = due % 1_000_000_000
    clock_nanosleep(MONOTONIC, ABSTIME, spec.ctypes.data, 0)
