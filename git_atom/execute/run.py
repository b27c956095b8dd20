"""`execute(request, world) -> outcome`: verify the blobs, start the supervisor, wait, collect, judge. The one way to run a program inside.

What the policy needs and the machine lacks is an UnavailableError that says how to get it; nothing is ever run in a weaker way. A
program that fails is an outcome with its status, not an error.
"""

from __future__ import annotations

import marshal
import os
import select
import shutil
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, Self

from git_atom.core import request as requests
from git_atom.core.request import OPEN, PINNED, Request
from git_atom.core.tree import Leaf
from git_atom.errors import AtomError, CannotError, FailedError, MalformedError, UnavailableError
from git_atom.execute import collect, machine, observe, sandbox, seccomp, supervise
from git_atom.git import leftovers, proc
from git_atom.view import kept
from git_atom.view.cache import Blobs, Read
from git_atom.view.farm import farm
from git_atom.view.layout import LAYOUT, Layout

_HELD = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGTSTP}
ENFORCED, CONVENTION, ABSENT = "enforced", "convention", "absent"

Log = Callable[[bytes], None]
Inputs = Sequence[tuple[str, Sequence[Leaf]]]


class Share(NamedTuple):
    """What an interactive run is given on request: (host path, path inside, writable) binds and the host's network.

    A share is an open channel, so the request's policy must say the same.
    """

    binds: tuple[tuple[str, str, bool], ...] = ()
    network: bool = False
    stdio: tuple[int, int, int] | None = None  # descriptors of the terminal; None: no input, output goes to the log


class Outcome(NamedTuple):
    """What came of one execution.

    status: exit code, or 128 and the signal. ended: `exit`, `timeout`, `log` (too much output) or `killed`. outputs: (path inside, directory
    on the host with its harvested copy). reads: sorted paths of the view, and of inputs under `build/`, that were opened; a listed directory ends
    in `/`; None when not observed. incomplete: why the read set may miss something, or empty. enforced: channel to grade (`enforced`,
    `convention`, `absent`). seconds of wall time inside; cpu_seconds of the whole process tree, own_cpu_seconds of the supervisor itself.
    findings: (kind, path, what) the collection dropped. mechanism: how the view was mounted.
    """

    status: int
    ended: str
    outputs: tuple[tuple[str, str], ...]
    reads: tuple[bytes, ...] | None
    instrument: str
    incomplete: str
    enforced: dict[str, str]
    mechanism: str
    seconds: float
    cpu_seconds: float
    own_cpu_seconds: float
    log_path: str
    findings: tuple[tuple[str, str, str], ...]


def execute(
    request: Request,
    world: Sequence[Leaf],
    blobs: Blobs,
    work: str,
    *,
    inputs: Inputs = (),
    read: Read | None = None,
    observe: bool = True,
    share: Share | None = None,
    on_log: Log | None = None,
    mechanisms: Sequence[str] = machine.MECHANISMS,
    search: str = "",
) -> Outcome:
    """Run a request over `world` (the leaves of its view) and `inputs` (path below /build, leaves), in the empty directory `work`.

    `read` brings the bytes of a leaf the cache lacks. Afterwards `work` holds `log`, and `outputs/<n>` for each output. Raises MalformedError
    (ATOM-1010, ATOM-4001, ATOM-4006), UnavailableError (ATOM-4002, ATOM-4011, ATOM-4012), FailedError (ATOM-4013, ATOM-4014).
    """
    requests.check(request)
    share = share or Share()
    _check(request, inputs, share)
    bwrap, version = machine.bwrap(search)
    staged = _Staged(request, world, blobs, inputs, read)
    why: list[str] = []
    for mechanism in mechanisms:
        if reason := machine.refused(blobs.root, mechanism):
            why.append(f"{mechanism}: {reason}")
            continue
        order = staged.order(mechanism, work) | {
            "bwrap": bwrap,
            "stage": machine.stage(bwrap),
            "disable_userns": version >= sandbox.DISABLES_USERNS,
            "observe": observe,
            "echo": on_log is not None,
            "binds": list(share.binds),
            "network": share.network,
            "extra": _network_files() if share.network else [],
            "interactive": share.stdio is not None,
        }
        result = _supervise(order, share, staged, on_log)
        if result[0] == "unavailable":
            machine.remember(blobs.root, mechanism, f"{result[1]}: {result[2]}")
            why.append(f"{mechanism}: {result[1]}: {result[2]}")
            continue
        done = _done(result)
        if not done["began"]:
            text = _never_began(done, request, share)
            why.append(f"{mechanism}: {text}")
            continue
        return _judge(request, staged, mechanism, work, done)
    raise machine.no_view(why)


class _Staged:
    """Layouts of view and inputs, their verification, and the order for a supervisor."""

    def __init__(
        self, request: Request, world: Sequence[Leaf], blobs: Blobs, inputs: Inputs, read: Read | None
    ) -> None:
        self.request, self.world, self.blobs, self.inputs, self.read = request, world, blobs, inputs, read
        self.view = blobs.layout(request.view, world, read)
        self.layout = Layout(self.view)
        self.trees = []
        for (path, leaves), stated in zip(inputs, request.inputs, strict=True):
            self.trees.append((path, blobs.layout(stated.tree, leaves, read, mount_points=False)))

    def verify(self) -> None:
        """See that every blob of view and inputs is what it is called."""
        self.blobs.ensure_layout(self.layout, self.world, self.read)
        for (_, data), (_, leaves) in zip(self.trees, self.inputs, strict=True):
            self.blobs.ensure_layout(Layout(data), leaves, self.read)

    def order(self, mechanism: str, work: str) -> dict[str, Any]:
        """What the supervisor is told, as a value marshal can hold."""
        request = self.request
        kind, _, mode = mechanism.partition("-")
        if kind == "farm":
            self.verify()
        environment = sorted(requests.fixed_environment(request).items())
        return {
            "parent": os.getpid(),
            "mode": mode if mode == "disk" else "root" if os.geteuid() == 0 else "user",
            "farm": farm(self.layout, self.blobs, self.world, self.read) if kind == "farm" else "",
            "prefix": machine.attributes(),
            # none for a run that shares the network: its view has files of this machine
            "kept": kept.place() if kind == "overlay" and request.policy.network.state != OPEN else "",
            "work": work,
            "cache": self.blobs.root,
            "layout": self.layout,
            "inputs": list(self.trees),
            "epoch": int(dict(environment)["SOURCE_DATE_EPOCH"]),
            "environment": environment,
            "argv": list(request.argv),
            "directory": request.directory,
            "outputs": list(request.outputs),
            "seconds": request.limits.seconds,
            "processes": request.limits.processes,
            "file_bytes": request.limits.file_bytes,
            "log_bytes": request.limits.log_bytes,
            "scratch": request.limits.scratch_bytes or machine.scratch(),
            "fixed_addresses": request.policy.entropy.state != OPEN,
            "workers": 1 if requests.stratum(request) == "action" else min(4, len(os.sched_getaffinity(0))),
            "affinity": machine.affinity(request.policy.cpus.payload),
            "seccomp": seccomp.program(
                os.uname().machine,
                families=(*seccomp.LOOPBACK, seccomp.AF_NETLINK)
                if request.policy.network.state == OPEN
                else seccomp.LOOPBACK,
            ),
        }


def _check(request: Request, inputs: Inputs, share: Share) -> None:
    if request.layout != LAYOUT:
        raise MalformedError(
            "ATOM-1010", f"the request wants layout {request.layout}", note=f"this version materialises layout {LAYOUT}"
        )
    if [path for path, _ in inputs] != [one.path for one in request.inputs]:
        raise MalformedError("ATOM-1010", "the inputs given are not those of the request")
    wanted = {
        "network": share.network,
        "filesystem": bool(share.binds),
        "terminal": share.stdio is not None,
    }
    for name, opened in wanted.items():
        if opened != (getattr(request.policy, name).state == OPEN):
            raise MalformedError("ATOM-1010", f"channel '{name}' of the request says otherwise than what is shared")


def _network_files() -> list[tuple[str, bytes]]:
    """Name resolution for a run that shares the network."""
    out = []
    for path in ("etc/resolv.conf", "etc/hosts"):
        try:
            with open(f"/{path}", "rb") as file:
                out.append((path, file.read()))
        except OSError:
            continue
    return out


class _Supervisor:
    """A supervisor's process and our ends of its two pipes: the one that controls it, the one its frames come through."""

    def __init__(self, order: dict[str, Any]) -> None:
        """Fork it; raises CannotError (ATOM-4015). Signals wait from here to `hear`: the child shares our handlers, and we must know its number."""
        theirs, self.control = os.pipe()
        self.frames, said = os.pipe()
        self._held = signal.pthread_sigmask(signal.SIG_BLOCK, _HELD)
        try:
            self.pid = os.fork()
        except OSError as error:
            for fd in (theirs, said, self.control, self.frames):
                os.close(fd)
            self.hear()
            raise CannotError(
                "ATOM-4015", "the execution could not be set up", note=f"no process: {(error.strerror or '').lower()}"
            ) from error
        if self.pid == 0:
            supervise.begin(order, theirs, said, self._held)
        os.close(theirs)
        os.close(said)

    def hear(self) -> None:
        """Hear signals again; first thing inside the `with`, so that one that waited still ends the supervisor."""
        signal.pthread_sigmask(signal.SIG_SETMASK, self._held)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Closing the control pipe ends the supervisor and all below it; wait until that is so, whatever signals come."""
        signal.pthread_sigmask(signal.SIG_BLOCK, _HELD)
        os.close(self.control)
        try:
            handle = os.pidfd_open(self.pid)
            poll = select.poll()
            poll.register(handle, select.POLLIN)
            if not poll.poll(10_000):
                os.kill(self.pid, signal.SIGKILL)  # the kernel then kills bwrap, and with it the sandbox
            os.close(handle)
        finally:
            os.waitpid(self.pid, 0)
            os.close(self.frames)
            self.hear()

    def go(self) -> None:
        """Let it run the program: the blobs are what they are called."""
        try:
            os.write(self.control, b"g")
        except BrokenPipeError:
            pass  # it died; its frames end

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        while head := self._take(8):
            yield marshal.loads(self._take(int.from_bytes(head, "little")))

    def _take(self, size: int) -> bytes:
        data = b""
        while len(data) < size and (more := os.read(self.frames, size - len(data))):
            data += more
        return data


def _supervise(order: dict[str, Any], share: Share, staged: _Staged, on_log: Log | None) -> tuple[Any, ...]:
    """Start a supervisor, verify the blobs while it mounts, let it go, and return its last frame."""
    work = order["work"]
    os.makedirs(f"{work}/outputs", exist_ok=True)
    log = os.open(f"{work}/log", os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    collected = os.open(f"{work}/outputs", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    stdio = [os.dup(fd) for fd in share.stdio] if share.stdio else []
    order |= {"log": log, "collected": collected, "stdio": stdio}
    quiet = signal.signal(signal.SIGINT, signal.SIG_IGN) if stdio else None
    try:
        with _Supervisor(order) as supervisor:
            supervisor.hear()
            staged.verify()
            for frame in supervisor:
                if frame[0] == "ready":
                    supervisor.go()
                elif frame[0] == "log":
                    if on_log:
                        on_log(frame[1])
                else:
                    return frame
        return ("failed", 0, "the supervisor died", "")
    finally:
        if quiet is not None:
            signal.signal(signal.SIGINT, quiet)
        for fd in (log, collected, *stdio):
            os.close(fd)


def _done(frame: tuple[Any, ...]) -> dict[str, Any]:
    if frame[0] == "done":
        return dict(frame[1])
    _, number, text, where = frame
    if number in (28, 122):
        raise UnavailableError(
            "ATOM-4012",
            "no space to stage the execution",
            where=where,
            hint="free some space or memory, then run the same command again",
        )
    raise CannotError("ATOM-4015", "the execution could not be set up", where=where, note=str(text).lower())


def _never_began(result: dict[str, Any], request: Request, share: Share) -> str:
    """Why bwrap never got to the program; a program the view lacks is the request's fault, the rest is the machine's."""
    lines = result["tail"].decode(errors="replace").strip().splitlines()
    said = lines[-1] if lines else "bwrap failed" + (" (see above)" if share.stdio else "")
    if "execvp" in said or "chdir" in said:
        raise FailedError(
            "ATOM-4016",
            f"'{request.argv[0]}' cannot be run in the view",
            note=said.removeprefix("bwrap: ").lower(),
            hint="add the package that provides it to the world the program runs in",
        )
    return said


def _judge(request: Request, staged: _Staged, mechanism: str, work: str, result: dict[str, Any]) -> Outcome:
    reads: list[bytes] | None = result["reads"]
    if reads is not None:
        _recheck(staged, reads)
    refused = [(path, what) for kind, path, what in result["findings"] if kind == collect.REFUSED]
    if refused and result["status"] == 0:
        path, what = refused[0]
        raise FailedError(
            "ATOM-4014",
            f"output '{path.decode(errors='backslashreplace')}' cannot be kept: {what}",
            note=f"{len(refused)} such paths" if len(refused) > 1 else "",
        )
    return Outcome(
        result["status"],
        result["ended"],
        tuple((path, f"{work}/outputs/{index}") for path, index in result["collected"]),
        tuple(reads) if reads is not None else None,
        _instrument(result),
        result["incomplete"],
        _grades(request, result),
        mechanism,
        result["seconds"],
        result["cpu"],
        result["own_cpu"],
        f"{work}/log",
        tuple((kind, path.decode(errors="surrogateescape"), what) for kind, path, what in result["findings"]),
    )


def _instrument(result: dict[str, Any]) -> str:
    if result["reads"] is None:
        return "none"
    more = "; sees other executions over the same tree as well" if result["shared"] else ""
    return f"{observe.INSTRUMENT}; cannot see {observe.BLIND}{more}"


def _recheck(staged: _Staged, reads: list[bytes]) -> None:
    """Hash the blobs of the read set again: what was read is what was verified (design section 8)."""
    opened = set(reads)
    names = {
        source[1:3].decode() + source[4:].decode()
        for path, source in zip(staged.layout.files, staged.layout.redirects, strict=True)
        if path in opened
    }
    changed = staged.blobs.rehash(sorted(names))
    if changed:
        raise FailedError(
            "ATOM-4013",
            f"blob 'blake3:{changed[0]}' changed while it was in use",
            note="the execution is void",
            hint="run the same command again; if it happens again, check the disk",
        )


def _grades(request: Request, result: dict[str, Any]) -> dict[str, str]:
    """How strongly each channel was really held to what the policy says."""
    policy = request.policy
    strong = {name: ENFORCED for name in ("network", "filesystem", "terminal", "identity", "locale")}
    weak = {"clock": CONVENTION, "entropy": ABSENT, "kernel": CONVENTION, "cpus": CONVENTION}
    if policy.cpus.state == PINNED and len(machine.affinity(policy.cpus.payload)) == int(policy.cpus.payload or 0):
        weak["cpus"] = ENFORCED
    if not result["hidden"]:
        strong["filesystem"] = CONVENTION  # contents are out of reach, host path names show in /proc/self/mountinfo
    grades = strong | weak
    return {name: ABSENT if getattr(policy, name).state == OPEN else grade for name, grade in grades.items()}


def fresh_work(root: str) -> str:
    """A new empty directory for one execution below `<root>/work`; what dead processes left there is swept first."""
    base = f"{root}/work"
    os.makedirs(base, mode=0o700, exist_ok=True)
    for name in os.listdir(base):
        pid, *more = name.split("-")
        if pid.isdigit() and _born(pid) != (more[0] if more else ""):
            shutil.rmtree(f"{base}/{name}", ignore_errors=True)
    path = leftovers.own(f"{base}/{os.getpid()}-{_born('self')}-{time.monotonic_ns()}")
    os.mkdir(path, 0o700)
    return path


def _born(pid: str) -> str:
    """When a process began, in the kernel's own words (proc(5), /proc/<pid>/stat), which tells it from another one that got its number; ''
    when there is none, or it has ended and nobody has asked how."""
    try:
        fields = proc.stat_of(pid)
    except OSError:
        return ""
    return "" if fields[0] in (b"Z", b"X") else fields[19].decode()


__all__ = ["AtomError", "Outcome", "Share", "execute", "fresh_work"]
