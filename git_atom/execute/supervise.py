"""The supervisor: one single-threaded process an execution, forked by `run.py`, outside the sandbox but in its own mounts.

It stages the view under a path that is the same everywhere, arms the observation, runs bwrap, waits until every process of it is dead, and copies the
outputs out. Told to go, or to stop, on descriptor 0; answers on descriptor 1 (marshalled frames). Everything it mounts
lives in its own mount namespace and ends with it, however it ends. Forked and not started anew because a Python's start and imports
are a seventh of what an execution costs beside its program.
"""

from __future__ import annotations

import errno
import gc
import marshal
import os
import resource
import select
import signal
import time
from typing import Any, NoReturn

from git_atom.errors import UnavailableError
from git_atom.execute import collect, observe, sandbox
from git_atom.view import kept, kernel, mount
from git_atom.view.layout import Layout

_CHUNK = 1 << 16
# what the kernel answers when it will never do a thing for this user, unlike a lack of space or memory
_NEVER = (errno.EPERM, errno.EACCES, errno.EINVAL, errno.ENODEV, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP)


class Stage:
    """Where things lie for one execution: directories for view, /build and /out, and the cache's descriptor."""

    def __init__(self, order: dict[str, Any]) -> None:
        self.order = order
        self.layout = order["layout"]
        self.root = self.build = self.out = ""
        self.binds: list[tuple[str, str, bool]] = []
        self.watches: list[tuple[str, observe.Watch]] = []
        self.shared = False  # whether other executions open files of the very same directories
        self.hidden = False  # whether host paths are out of sight of /proc/self/mountinfo

    def enter(self) -> None:
        """Get namespaces and the staging tmpfs, or use the work directory where there are none to be had."""
        order = self.order
        base = order["work"]
        if order["mode"] == "disk":
            self.cache = os.open(order["cache"], os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        else:
            try:
                mount.enter(order["mode"] == "user")
            except OSError as error:
                raise _lacks("namespaces", error) from error
            self.cache = os.open(order["cache"], os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            self._open_binds()
            farm = os.open(order["farm"], os.O_PATH | os.O_CLOEXEC) if order["farm"] else -1
            try:
                kernel.mount_tmpfs(order["stage"], f"mode=0755,size={order['scratch']}")
            except OSError as error:
                raise _lacks("a tmpfs", error) from error
            base = order["stage"]
        self.base = base
        for name in ("build", "out"):
            os.mkdir(f"{base}/{name}", 0o755)
        self.build, self.out = f"{base}/build", f"{base}/out"
        self.root = order["farm"] or f"{base}/root"
        self.shared = bool(order["farm"])
        if order["mode"] != "disk":
            os.mkdir(f"{base}/root", 0o755)
            if order["farm"]:
                self.root = f"{base}/root"
                self._cover(farm)
            self._place_binds()

    def _cover(self, farm: int) -> None:
        """Put a hard-link tree under an overlay: its inodes are then this execution's own, and its host path is out of sight."""
        os.mkdir(f"{self.base}/empty", 0o755)
        flags = ["userxattr"] if self.order["prefix"] == "user" else []
        here = os.open(".", os.O_PATH | os.O_CLOEXEC)
        os.fchdir(farm)
        try:
            kernel.mount_overlay(self.root, [("lowerdir", f".:{self.base}/empty")], flags)
            self.shared, self.hidden = False, True
        except OSError:
            self._bind(farm, self.root)
        finally:
            os.fchdir(here)
            os.close(here)

    def _open_binds(self) -> None:
        self.bind_fds = [os.open(path, os.O_PATH | os.O_CLOEXEC) for path, _, _ in self.order["binds"]]

    def _place_binds(self) -> None:
        for index, (fd, (_, target, writable)) in enumerate(zip(self.bind_fds, self.order["binds"], strict=True)):
            place = f"{self.base}/bind{index}"
            if os.path.isdir(f"/proc/self/fd/{fd}"):
                os.mkdir(place, 0o755)
            else:
                os.close(os.open(place, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o644))
            self._bind(fd, place)
            self.binds.append((place, target, writable))

    def _bind(self, fd: int, target: str) -> None:
        source = f"/proc/self/fd/{fd}".encode()
        kernel.check(
            kernel.libc.mount(source, target.encode(), None, kernel.MS_BIND | kernel.MS_REC, None), f"bind {target}"
        )

    def view(self) -> None:
        """Mount the view."""
        if self.order["farm"]:
            return
        layout, prefix = self.layout, self.order["prefix"]
        stubs = f"{self.base}/meta"
        os.mkdir(stubs, 0o755)
        try:
            if not self._kept(layout, stubs):
                mount.write_stubs(layout, stubs, prefix, self.order["workers"])
                for path, data in self.order["extra"]:
                    _plant(f"{stubs}/{path}", data)
                mount.settle_dirs(layout.dirs, stubs)
            mount.mount_stubs(stubs, self.root, self.cache, prefix)
        except OSError as error:
            if error.errno not in _NEVER:
                raise
            raise _lacks("a data-only overlay", error) from error
        self.hidden = True

    def _kept(self, layout: Layout, stubs: str) -> bool:
        """Put the stubs kept from an earlier run at `stubs`, if there are any."""
        room, cache = self.order["kept"], f"/proc/self/fd/{self.cache}"
        found = kept.take(room, cache, layout, self.order["prefix"]) if room else ""
        if found:
            tree = os.open(found, os.O_PATH | os.O_CLOEXEC)
            self._bind(tree, stubs)
            os.close(tree)
        return bool(found)

    def inputs(self) -> None:
        """Write the inputs out below /build."""
        os.umask(0)
        for path, data in self.order["inputs"]:
            target = f"{self.build}/{path}".rstrip("/")
            os.makedirs(target, mode=0o755, exist_ok=True)
            mount.write_copies(Layout(data), target, self.cache, self.order["epoch"])
        for path in self.order["outputs"]:
            top, _, rest = path[1:].partition("/")
            os.makedirs(f"{self.out if top == 'out' else self.build}/{rest}".rstrip("/"), mode=0o755, exist_ok=True)
        for path, _ in self.order["inputs"]:
            _set_times(self.build, path, self.order["epoch"])
        os.umask(0o022)

    def observe(self) -> str:
        """Arm the marks; the reason when that cannot be done."""
        trees = [("", self.root, self.layout.dirs, not self.order["farm"])]
        for path, data in self.order["inputs"]:
            trees.append((f"build/{path}".rstrip("/"), f"{self.build}/{path}".rstrip("/"), Layout(data).dirs, True))
        try:
            for prefix, where, dirs, ignore in trees:
                self.watches.append((prefix, observe.Watch(where, dirs, ignore=ignore, program=not prefix)))
        except OSError as error:
            return f"{error.filename}: {error.strerror}"
        return ""


def _lacks(what: str, error: OSError) -> UnavailableError:
    why = f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror)
    return UnavailableError("ATOM-4012", f"this machine does not give us {what}", note=why.lower())


def _set_times(base: str, path: str, epoch: int) -> None:
    """Give the directories above an input their fixed time too."""
    while path:
        path = path.rpartition("/")[0]
        os.utime(f"{base}/{path}", (epoch, epoch))


def _plant(path: str, data: bytes) -> None:
    """A plain file of the sandbox's own in the view, such as an empty etc/resolv.conf to bind over."""
    os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
    with open(path, "wb") as file:
        file.write(data)


def _child(stage: Stage, supervisor: int, output: int, seccomp: int, told: int) -> None:
    """Between fork and exec: streams, limits, then bwrap. Never returns."""
    order = stage.order
    try:
        kernel.die_with_parent(signal.SIGKILL)  # bwrap asks for the same, some milliseconds later
        alive = select.poll()
        alive.register(supervisor, select.POLLIN)
        if alive.poll(0):
            os._exit(126)
        if not order["interactive"]:
            null = os.open("/dev/null", os.O_RDONLY)
            os.dup2(null, 0)
            os.dup2(output, 1)
            os.dup2(output, 2)
        else:
            for number, fd in enumerate(order["stdio"]):
                os.dup2(fd, number)
            for one in (signal.SIGINT, signal.SIGQUIT, signal.SIGTSTP):
                signal.signal(one, signal.SIG_DFL)
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        high = [os.dup2(fd, 100 + index) for index, fd in enumerate((seccomp, told))]
        for index, fd in enumerate(high):
            os.dup2(fd, 3 + index)
        os.closerange(5, 1 << 20)  # bwrap hands on what it inherits
        os.umask(0o022)
        _limits(order)
        if order["fixed_addresses"]:
            kernel.fix_addresses()
        if order["affinity"]:
            os.sched_setaffinity(0, order["affinity"])
        args = sandbox.arguments(
            root=stage.root,
            build=stage.build,
            out=stage.out,
            directory=order["directory"],
            environment=order["environment"],
            seccomp=3,
            status=4,
            disable_userns=order["disable_userns"],
            network=order["network"],
            new_session=not order["interactive"],
            binds=stage.binds,
        )
        os.execve(order["bwrap"], ["bwrap", *args, "--", *order["argv"]], {"PATH": "/usr/bin:/bin"})
    except OSError as error:
        os.write(2, f"supervisor: {error}\n".encode())
    finally:
        os._exit(126)


def _limits(order: dict[str, Any]) -> None:
    wanted = [("CORE", 0), ("NPROC", order["processes"]), ("FSIZE", order["file_bytes"]), ("NOFILE", 1 << 16)]
    for name, value in wanted:
        number = getattr(resource, f"RLIMIT_{name}")
        hard = resource.getrlimit(number)[1]
        if name != "CORE" and not value:
            continue
        if hard != resource.RLIM_INFINITY:
            value = min(value, hard)
        resource.setrlimit(number, (value, value))


class Run:
    """One bwrap from fork to the death of its last descendant."""

    def __init__(self, stage: Stage, control: int) -> None:
        self.stage = stage
        self.order = stage.order
        self.control = control
        self.logged = 0
        self.ended = ""
        self.status = -1
        self.began = False  # whether bwrap got as far as the program
        self.tail = b""

    def go(self) -> None:
        """Run it; afterwards status (exit code, or 128 and the signal) and ended (`exit`, `timeout`, `log`, `killed`) are set."""
        reader, writer = os.pipe()
        seccomp = os.memfd_create("seccomp")
        os.write(seccomp, self.order["seccomp"])
        os.lseek(seccomp, 0, os.SEEK_SET)
        told, teller = os.pipe()
        ours = os.pidfd_open(os.getpid())
        pid = os.fork()
        if pid == 0:
            _child(self.stage, ours, writer, seccomp, teller)
        for fd in (writer, seccomp, teller, ours):
            os.close(fd)
        self._loop(pid, reader)
        self.began = b'"exit-code"' in os.read(told, _CHUNK) or self.ended != "exit"
        os.close(told)
        self._read_log(reader, last=True)
        os.close(reader)
        for _, watch in self.stage.watches:
            watch.drain()

    def _loop(self, pid: int, reader: int) -> None:
        os.set_blocking(reader, False)
        handle = os.pidfd_open(pid)
        deadline = time.monotonic() + self.order["seconds"] if self.order["seconds"] else 0.0
        poll = select.poll()
        for fd in (handle, reader, self.control, *(watch.fd for _, watch in self.stage.watches)):
            poll.register(fd, select.POLLIN)
        by_fd = {watch.fd: watch for _, watch in self.stage.watches}
        while True:
            wait = max(0.0, deadline - time.monotonic()) * 1000 if deadline else None
            ready = dict(poll.poll(wait))
            if not ready and deadline and time.monotonic() >= deadline:
                self._stop(pid, "timeout")
                deadline = 0.0
            for fd in ready:
                if fd in by_fd:
                    by_fd[fd].drain()
            if reader in ready and not self._read_log(reader):
                poll.unregister(reader)
            if self.logged > self.order["log_bytes"] > 0 and not self.ended:
                self._stop(pid, "log")
            if self.control in ready:
                self._stop(pid, "killed")  # the one who started us is gone, or says so
                poll.unregister(self.control)
            if handle in ready:
                break
        os.close(handle)
        _, status = os.waitpid(pid, 0)
        self._settle(status)

    def _settle(self, status: int) -> None:
        while True:  # orphans were adopted: when none is left, every process of the sandbox is dead
            try:
                os.waitpid(-1, 0)
            except ChildProcessError:
                break
        code = os.waitstatus_to_exitcode(status)
        self.status = code if code >= 0 else 128 - code
        self.ended = self.ended or (
            "exit" if code >= 0 else "killed"
        )  # a program's own signal is an exit code of bwrap's

    def _stop(self, pid: int, why: str) -> None:
        self.ended = self.ended or why
        os.kill(pid, signal.SIGKILL)  # --die-with-parent takes the rest

    def _read_log(self, reader: int, last: bool = False) -> bool:
        while True:
            try:
                data = os.read(reader, _CHUNK)
            except BlockingIOError:
                return True
            if not data:
                return False
            self.logged += len(data)
            self.tail = (self.tail + data)[-512:]
            if self.order["log"] >= 0:
                os.write(self.order["log"], data)
            if self.order["echo"]:
                _send(("log", data))
            if not last and self.logged > self.order["log_bytes"] > 0:
                return True


def _send(frame: tuple[Any, ...]) -> None:
    data = marshal.dumps(frame)
    data = len(data).to_bytes(8, "little") + data
    while data:
        data = data[os.write(1, data) :]


def _result(stage: Stage, run: Run, incomplete: str, seconds: float) -> dict[str, Any]:
    reads: list[bytes] = []
    for prefix, watch in stage.watches:
        start = prefix.encode()
        reads += [start + (path if path == b"/" or not start else b"/" + path) for path in watch.reads()]
        if watch.overflow:
            incomplete = "the queue of events overflowed"
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    own = resource.getrusage(resource.RUSAGE_SELF)
    findings: list[tuple[str, bytes, str]] = []
    collected = []
    for index, path in enumerate(stage.order["outputs"] if run.ended == "exit" and run.began else []):
        top, _, rest = path[1:].partition("/")
        target = f"/proc/self/fd/{stage.order['collected']}/{index}"
        os.mkdir(target, 0o755)
        source = f"{stage.out if top == 'out' else stage.build}/{rest}".rstrip("/")
        findings += [(kind, f"{path}/".encode() + at, what) for kind, at, what in collect.harvest(source, target)]
        collected.append((path, str(index)))
    return {
        "status": run.status, "ended": run.ended, "began": run.began, "tail": run.tail, "reads": sorted(set(reads)) if stage.watches else None,
        "incomplete": incomplete, "findings": findings, "collected": collected, "seconds": seconds,
        "cpu": usage.ru_utime + usage.ru_stime, "own_cpu": own.ru_utime + own.ru_stime, "hidden": stage.hidden, "shared": stage.shared,
    }  # fmt: skip


def begin(order: dict[str, Any], control: int, frames: int, held: set[int | signal.Signals]) -> NoReturn:
    """Be the supervisor, in a fork whose signals are blocked; `held` is the mask to go back to. Nothing of the caller is run on leaving."""
    status = 1
    try:
        gc.disable()  # nothing here makes rubbish in circles
        for one in (signal.SIGINT, signal.SIGQUIT, signal.SIGTSTP):
            signal.signal(one, signal.SIG_IGN)  # the starter decides; it closes our descriptor 0
        for one in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(one, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, held)
        if not order["interactive"]:
            os.setsid()
        os.fchdir(os.open("/", os.O_PATH | os.O_CLOEXEC))  # of this process only: the caller's stays where it is
        os.dup2(control, 0)
        os.dup2(frames, 1)
        _close_others({0, 1, 2, order["log"], order["collected"], *order["stdio"]})
        status = _main(order)
    finally:
        os._exit(status)


def _close_others(kept: set[int]) -> None:
    """Close what the starter has open, its locks above all."""
    numbers = sorted(kept)
    for low, high in zip(numbers, [*numbers[1:], 1 << 20], strict=True):
        os.closerange(low + 1, high)


def _main(order: dict[str, Any]) -> int:
    """Carry out the order; 0 when a result frame was written, whatever it says."""
    try:
        kernel.adopt_orphans()
        stage = Stage(order)
        stage.enter()
        kernel.die_with_parent(signal.SIGKILL)
        if os.getppid() != order["parent"]:
            return 1
        stage.view()
        _send(("ready",))
        if os.read(0, 1) != b"g":  # the blobs are verified while we mount; without a go nothing is copied or run
            return 1
        stage.inputs()
        incomplete = stage.observe() if order["observe"] else ""
        run = Run(stage, 0)
        start = time.monotonic()
        run.go()
        _send(("done", _result(stage, run, incomplete, time.monotonic() - start)))
    except UnavailableError as error:
        _send(("unavailable", error.what, error.note))
    except OSError as error:
        _send(("failed", error.errno or 0, error.strerror or str(error), str(error.filename or "")))
    except Exception as error:  # the starter tells it; nothing of this process reaches the terminal
        _send(("failed", 0, f"{type(error).__name__}: {error}", "supervisor"))
    return 0
