"""The system-call filter of the sandbox, assembled by us as classic BPF (seccomp(2), linux/filter.h); no library needed.

Everything is allowed but what `DENIED` names and what the argument checks refuse. The filter guards the kernel's rarely needed
surface and what namespaces do not cover (AF_VSOCK, TIOCSTI, set-id bits); the namespaces of the sandbox do the rest.
"""

from __future__ import annotations

import errno
import os
import struct

from git_atom.errors import UnavailableError

# name -> (x86_64, aarch64); None where the architecture has no such call. From asm/unistd_64.h and asm-generic/unistd.h.
NUMBERS: dict[str, tuple[int | None, int | None]] = {
    "acct": (163, 89), "add_key": (248, 217), "adjtimex": (159, 171), "bpf": (321, 280), "chroot": (161, 51),
    "clock_adjtime": (305, 266), "clock_settime": (227, 112), "delete_module": (176, 106), "fanotify_init": (300, 262),
    "fanotify_mark": (301, 263), "finit_module": (313, 273), "fsconfig": (431, 431), "fsmount": (432, 432),
    "fsopen": (430, 430), "fspick": (433, 433), "init_module": (175, 105), "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427), "io_uring_setup": (425, 425), "ioperm": (173, None), "iopl": (172, None),
    "kcmp": (312, 272), "kexec_file_load": (320, 294), "kexec_load": (246, 104), "keyctl": (250, 219),
    "lookup_dcookie": (212, 18), "modify_ldt": (154, None), "mount": (165, 40), "mount_setattr": (442, 442),
    "move_mount": (429, 429), "move_pages": (279, 239), "nfsservctl": (180, 42), "open_by_handle_at": (304, 265),
    "open_tree": (428, 428), "open_tree_attr": (467, 467), "perf_event_open": (298, 241), "pidfd_getfd": (438, 438),
    "pivot_root": (155, 41), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "ptrace": (101, 117),
    "quotactl": (179, 60), "quotactl_fd": (443, 443), "reboot": (169, 142), "request_key": (249, 218),
    "setdomainname": (171, 162), "sethostname": (170, 161), "setns": (308, 268), "settimeofday": (164, 170),
    "swapoff": (168, 225), "swapon": (167, 224), "syslog": (103, 116), "umount2": (166, 39), "unshare": (272, 97),
    "uselib": (134, None), "userfaultfd": (323, 282), "vhangup": (153, 58),
}  # fmt: skip
DENIED = tuple(sorted(NUMBERS))
# Calls whose arguments a filter cannot read (a pointer to flags), refused so that programs fall back on the older call.
HIDDEN: dict[str, tuple[int, int]] = {"clone3": (435, 435)}
# Extended attributes carry file capabilities; "not supported" is what programs that copy them expect.
ATTRIBUTES: dict[str, tuple[int, int]] = {
    "setxattr": (188, 5), "lsetxattr": (189, 6), "fsetxattr": (190, 7), "setxattrat": (463, 463),
}  # fmt: skip
# (x86_64, aarch64, argument that holds the mode): set-id bits may not be set
CHMODS = ((90, None, 1), (91, 52, 1), (268, 53, 2), (452, 452, 2))
CLONE, IOCTL, SOCKET = (56, 220), (16, 29), (41, 198)

NEW_NAMESPACES = 0x7E020080  # CLONE_NEWNS|NEWTIME|NEWCGROUP|NEWUTS|NEWIPC|NEWUSER|NEWPID|NEWNET (sched.h)
SETID = 0o6000
TIOCSTI, TIOCLINUX = 0x5412, 0x541C
AF_UNIX, AF_INET, AF_INET6, AF_NETLINK = 1, 2, 10, 16
LOOPBACK = (AF_UNIX, AF_INET, AF_INET6)  # the sandbox's network namespace has nothing but lo

_ARCHES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
_X32 = 0x40000000
_LOAD, _JEQ, _JGE, _JSET, _RET = 0x20, 0x15, 0x35, 0x45, 0x06
_NR, _ARCH, _ARG0 = 0, 4, 16
ALLOW, KILL, ERRNO = 0x7FFF0000, 0x80000000, 0x00050000


def program(machine: str, *, families: tuple[int, ...] = LOOPBACK) -> bytes:
    """The filter for a machine (`os.uname().machine`) as an array of struct sock_filter; `families` are what socket(2) may ask for.

    Raises UnavailableError (ATOM-4010) for a machine whose call numbers are not known here.
    """
    if machine not in _ARCHES:
        raise UnavailableError(
            "ATOM-4010",
            f"there is no system-call filter for '{machine}' machines",
            hint="hermetic execution works on x86_64 and aarch64",
        )
    column, audit = _ARCHES[machine]
    code = _load(_ARCH) + _op(_JEQ, audit, 1, 0) + _op(_RET, KILL) + _load(_NR)
    if machine == "x86_64":
        code += _op(_JGE, _X32, 0, 1) + _errno(errno.ENOSYS)
    for x86, arm, argument in CHMODS:
        number = (x86, arm)[column]
        if number is not None:
            code += _when(number, _load_arg(argument) + _op(_JSET, SETID, 0, 1) + _errno(errno.EPERM))
    code += _when(CLONE[column], _load_arg(0) + _op(_JSET, NEW_NAMESPACES, 0, 1) + _errno(errno.EPERM))
    code += _when(IOCTL[column], _load_arg(1) + _equal(TIOCSTI, errno.EPERM) + _equal(TIOCLINUX, errno.EPERM))
    allowed = b"".join(_op(_JEQ, family, 0, 1) + _op(_RET, ALLOW) for family in families)
    code += _when(SOCKET[column], _load_arg(0) + allowed + _errno(errno.EAFNOSUPPORT))
    for table, number_of in ((HIDDEN, errno.ENOSYS), (ATTRIBUTES, errno.EOPNOTSUPP)):
        for numbers in table.values():
            code += _equal(numbers[column], number_of)
    for name in DENIED:
        number = NUMBERS[name][column]
        if number is not None:
            code += _equal(number, errno.EPERM)
    return code + _op(_RET, ALLOW)


def open_program(code: bytes) -> int:
    """A descriptor from which `bwrap --seccomp` reads the program; the caller closes it."""
    fd = os.memfd_create("seccomp", os.MFD_CLOEXEC)
    os.write(fd, code)
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


def _op(code: int, k: int, true: int = 0, false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, true, false, k)


def _load(offset: int) -> bytes:
    return _op(_LOAD, offset)


def _load_arg(index: int) -> bytes:
    return _load(_ARG0 + 8 * index)  # the low half: the kernel takes these arguments as 32 bits


def _errno(number: int) -> bytes:
    return _op(_RET, ERRNO | number)


def _equal(value: int, number: int) -> bytes:
    return _op(_JEQ, value, 0, 1) + _errno(number)


def _when(number: int, body: bytes) -> bytes:
    """Run `body` for one call and allow what it lets fall through; other calls jump over it with the number still loaded."""
    body += _op(_RET, ALLOW)
    return _op(_JEQ, number, 0, len(body) // 8) + body
