"""The filter, run by a small interpreter of classic BPF: what it lets through and what it answers."""

from __future__ import annotations

import errno
import struct

import pytest

from git_atom.errors import UnavailableError
from git_atom.execute import seccomp

AUDIT = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
COLUMN = {"x86_64": 0, "aarch64": 1}
MACHINES = pytest.mark.parametrize("machine", sorted(AUDIT))


def answer(machine: str, number: int, *args: int, audit: int | None = None, **options: tuple[int, ...]) -> int:
    """What the program returns for one call: ALLOW, KILL, or the errno."""
    code = seccomp.program(machine, **options)
    words = [*args, *([0] * (6 - len(args)))]
    data = struct.pack("=IIQ6Q", number, AUDIT[machine] if audit is None else audit, 0, *words)
    at = accumulator = 0
    for _ in range(len(code) // 8):
        op, true, false, k = struct.unpack_from("=HBBI", code, at * 8)
        at += 1
        if op == 0x20:
            accumulator = struct.unpack_from("=I", data, k)[0]
        elif op == 0x06:
            return k if k in (seccomp.ALLOW, seccomp.KILL) else k & 0xFFFF
        else:
            holds = {0x15: accumulator == k, 0x35: accumulator >= k, 0x45: bool(accumulator & k)}[op]
            at += true if holds else false
    pytest.fail("the program ran off its end")


@MACHINES
def test_denied_calls(machine: str) -> None:
    for name, numbers in seccomp.NUMBERS.items():
        number = numbers[COLUMN[machine]]
        if number is not None:
            assert answer(machine, number) == errno.EPERM, name
    for numbers in seccomp.ATTRIBUTES.values():
        assert answer(machine, numbers[COLUMN[machine]]) == errno.EOPNOTSUPP
    assert answer(machine, 435) == errno.ENOSYS


@MACHINES
def test_everything_else_passes(machine: str) -> None:
    denied = {n[COLUMN[machine]] for t in (seccomp.NUMBERS, seccomp.ATTRIBUTES, seccomp.HIDDEN) for n in t.values()}
    special = {seccomp.CLONE[COLUMN[machine]], seccomp.IOCTL[COLUMN[machine]], seccomp.SOCKET[COLUMN[machine]]}
    for number in range(460):
        if number not in denied | special:
            assert answer(machine, number) == seccomp.ALLOW, number


@MACHINES
def test_set_id_bits(machine: str) -> None:
    for x86, arm, argument in seccomp.CHMODS:
        number = (x86, arm)[COLUMN[machine]]
        if number is None:
            continue
        for mode, wanted in (
            (0o755, seccomp.ALLOW),
            (0o1777, seccomp.ALLOW),
            (0o4755, errno.EPERM),
            (0o2755, errno.EPERM),
        ):
            args = [0] * 6
            args[argument] = mode
            assert answer(machine, number, *args) == wanted, (number, oct(mode))


@MACHINES
def test_arguments(machine: str) -> None:
    clone, ioctl, socket = (n[COLUMN[machine]] for n in (seccomp.CLONE, seccomp.IOCTL, seccomp.SOCKET))
    assert answer(machine, clone, 0x003D0F00) == seccomp.ALLOW  # a thread
    assert answer(machine, clone, 17) == seccomp.ALLOW  # a fork
    for flag in (0x10000000, 0x00020000, 0x40000000, 0x20000000, 0x04000000, 0x08000000, 0x02000000, 0x80):
        assert answer(machine, clone, flag | 17) == errno.EPERM
    assert answer(machine, ioctl, 0, 0x5401) == seccomp.ALLOW
    assert answer(machine, ioctl, 0, seccomp.TIOCSTI) == errno.EPERM
    assert answer(machine, ioctl, 0, seccomp.TIOCSTI | 1 << 32) == errno.EPERM, "the kernel looks at 32 bits only"
    assert answer(machine, ioctl, 0, seccomp.TIOCLINUX) == errno.EPERM
    for family in (seccomp.AF_UNIX, seccomp.AF_INET, seccomp.AF_INET6):
        assert answer(machine, socket, family) == seccomp.ALLOW
    for family in (0, 16, 17, 38, 40):
        assert answer(machine, socket, family) == errno.EAFNOSUPPORT
    assert answer(machine, socket, 16, families=(16,)) == seccomp.ALLOW


def test_other_architectures() -> None:
    assert answer("x86_64", 1, audit=0x40000003) == seccomp.KILL  # 32-bit calls
    assert answer("x86_64", 0x40000001) == errno.ENOSYS  # x32
    with pytest.raises(UnavailableError):
        seccomp.program("riscv64")
