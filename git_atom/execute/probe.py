"""What this machine has for hermetic execution, found out by doing each thing once, never by comparing versions.

Each probe is a `Finding`: whether it works, what was seen, and what a missing piece would need. Only findings that are `required`
decide whether hermetic builds work; the rest make them faster or their records stronger.
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Callable

from git_atom.core.digest import MODE_EXEC, MODE_LINK, Oid, of_bytes
from git_atom.core.finding import Finding
from git_atom.core.request import Request
from git_atom.core.tree import Leaf, tree_digest
from git_atom.errors import AtomError
from git_atom.execute import machine, observe
from git_atom.execute.run import Outcome, execute, fresh_work
from git_atom.git import leftovers
from git_atom.view import kernel, mount
from git_atom.view.cache import Blobs
from git_atom.view.compile import compile_layout
from git_atom.view.layout import Layout

_PROFILE = """allow bubblewrap by an AppArmor profile, as root, once:
printf 'abi <abi/4.0>,\\ninclude <tunables/global>\\nprofile bwrap /usr/bin/bwrap flags=(unconfined) {\\n  userns,\\n}\\n' > /etc/apparmor.d/bwrap
apparmor_parser -r /etc/apparmor.d/bwrap"""
_SCRIPT = """while read -r a b c; do case $a in Uid:|Seccomp:|CapEff:|NoNewPrivs:) echo "$a$b";; esac; done < /proc/self/status
while read -r a b; do case $a in *:) echo "net:$a";; esac; done < /proc/net/dev
(echo x > /usr/written) 2>/dev/null && echo "usr:written"
(echo x > /written) 2>/dev/null && echo "root:written"
[ -e "$PROBE_HOME" ] && echo "home:seen"
echo x > /out/made && echo "out:made"
for f in /proc/self/fd/*; do echo "fd:${f##*/}"; done
"""


def probe(cache: str, search: str = "") -> list[Finding]:
    """Look at everything, in the order in which one thing needs another; nothing is left behind.

    `cache` is the user's cache directory, `search` their PATH.
    """
    os.makedirs(cache, mode=0o700, exist_ok=True)
    leftovers.sweep(cache, "doctor-.+")
    place = tempfile.mkdtemp(prefix="doctor-", dir=cache)
    try:
        return [
            _bwrap(search),
            _namespaces(),
            _stubs(),
            _overlay(place),
            _hard_links(place),
            _marks(place),
            _limits(),
            _reflink(place),
            _cgroup(),
            _memory(),
            *_self_build(place, search),
        ]
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _attempt(act: Callable[[], str]) -> tuple[bool, str]:
    """Run an act that changes its own namespaces in a child; (whether it worked, what it says)."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            text = act()
            status = 0
        except (OSError, AtomError) as error:
            text = f"{getattr(error, 'filename', '') or ''} {error}".strip()
        finally:
            os.write(writer, text.encode()[:4096])
            os._exit(status)
    os.close(writer)
    with open(reader, "rb") as pipe:
        text = pipe.read().decode(errors="replace")
    return os.waitpid(pid, 0)[1] == 0, text


def _sysctl(name: str) -> str:
    try:
        with open("/proc/sys/" + name.replace(".", "/"), encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""


def _bwrap(search: str) -> Finding:
    try:
        path, version = machine.bwrap(search)
    except AtomError as error:
        return Finding("bubblewrap", False, error.what, error.hint, required=True)
    return Finding("bubblewrap", True, f"{path} {'.'.join(map(str, version))}", required=True)


def _own() -> bool:
    return os.geteuid() != 0


def _namespaces() -> Finding:
    def act() -> str:
        mount.enter(_own())
        kernel.mount_tmpfs("/tmp", "mode=0755")
        return "a mount namespace" + (" in a user namespace" if _own() else "") + ", and a tmpfs in it"

    ok, found = _attempt(act)
    return Finding("namespaces", ok, found, "" if ok else namespace_hint())


def namespace_hint() -> str:
    """What would let this user have namespaces, judged by the switches distributions put before them."""
    if _sysctl("kernel.apparmor_restrict_unprivileged_userns") == "1":
        return _PROFILE
    if _sysctl("kernel.unprivileged_userns_clone") == "0":
        return "as root: sysctl -w kernel.unprivileged_userns_clone=1"
    if _sysctl("user.max_user_namespaces") == "0":
        return "as root: sysctl -w user.max_user_namespaces=15000"
    return "in a container, start it with leave to make namespaces, e.g. --security-opt seccomp=unconfined"


def _stubs() -> Finding:
    prefix = machine.attributes()

    def act() -> str:
        mount.enter(_own())
        kernel.mount_tmpfs("/tmp", "mode=0755")
        fd = os.open("/tmp/x", os.O_CREAT | os.O_WRONLY, 0o444)
        os.setxattr(fd, f"{prefix}.overlay.metacopy", b"")
        return f"{prefix}.* attributes on tmpfs"

    ok, found = _attempt(act)
    return Finding("tmpfs attributes", ok, found, "" if ok else "Linux 6.6; until then views are hard-link trees")


def _overlay(place: str) -> Finding:
    blobs = Blobs(f"{place}/overlay")
    layout = _canary(blobs)
    prefix = machine.attributes()

    def act() -> str:
        mount.enter(_own())
        cache = os.open(blobs.root, os.O_RDONLY | os.O_DIRECTORY)
        kernel.mount_tmpfs("/tmp", "mode=0755")
        os.mkdir("/tmp/meta")
        os.mkdir("/tmp/root")
        mount.write_stubs(layout, "/tmp/meta", prefix)
        mount.mount_stubs("/tmp/meta", "/tmp/root", cache, prefix)
        watch = observe.Watch("/tmp/root", layout.dirs, ignore=True)
        with open("/tmp/root/usr/canary", "rb") as file:
            if file.read() != b"canary":
                kernel.fail(errno.EIO, "the canary's bytes")
        watch.drain()
        if watch.reads() != [b"usr/canary"]:
            kernel.fail(errno.ENODATA, "the canary's event")
        return f"mounted with {prefix}.* attributes, read back, and the read was observed"

    ok, found = _attempt(act)
    needs = f"Linux {'6.16' if _own() else '6.5'}; until then views are hard-link trees, slower to make"
    return Finding("data-only overlay", ok, found, "" if ok else needs)


def _canary(blobs: Blobs) -> Layout:
    leaf = Leaf(b"usr/canary", MODE_EXEC, of_bytes(b"canary"), 6, Oid("0" * 40))
    blobs.put(leaf.digest, b"canary")
    return Layout(compile_layout([leaf], blobs.read))


def _hard_links(place: str) -> Finding:
    try:
        with open(f"{place}/one", "wb"):
            os.link(f"{place}/one", f"{place}/two")
    except OSError as error:
        return Finding(
            "hard links", False, str(error), "put the cache on a file system with hard links (XDG_CACHE_HOME)"
        )
    return Finding("hard links", True, "in the cache directory")


def _marks(place: str) -> Finding:
    os.makedirs(f"{place}/marks/d")
    with open(f"{place}/marks/d/file", "wb"):
        pass
    try:
        watch = observe.Watch(f"{place}/marks", [b"d"], ignore=False)
        with open(f"{place}/marks/d/file", "rb"):
            watch.drain()
        reads = watch.reads()
        watch.close()
    except OSError as error:
        return Finding(
            "observation",
            False,
            f"{error.filename}: {error.strerror}",
            "Linux 5.13 with CONFIG_FANOTIFY; records will say that reads were not observed",
        )
    ok = reads == [b"d/file"]
    return Finding(
        "observation",
        ok,
        "fanotify directory marks" if ok else "the marks gave no event",
        "" if ok else "another file system for the cache (XDG_CACHE_HOME)",
    )


def _limits() -> Finding:
    marks, queue = _sysctl("fs.fanotify.max_user_marks"), _sysctl("fs.fanotify.max_queued_events")
    ok = not marks.isdigit() or int(marks) >= 8192
    return Finding(
        "observation limits",
        ok,
        f"{marks or '?'} marks, {queue or '?'} queued events",
        "" if ok else "as root: sysctl -w fs.fanotify.max_user_marks=65536",
    )


def _reflink(place: str) -> Finding:
    import fcntl

    with open(f"{place}/from", "wb+") as source, open(f"{place}/to", "wb") as target:
        source.write(b"x" * 4096)
        source.flush()
        try:
            fcntl.ioctl(target.fileno(), 0x40049409, source.fileno())  # FICLONE
        except OSError as error:
            return Finding(
                "reflinks", False, (error.strerror or "").lower(), "btrfs or xfs under the cache; nothing depends on it"
            )
    return Finding("reflinks", True, "in the cache directory")


def _cgroup() -> Finding:
    for path in ("/sys/fs/cgroup", "/sys/fs/cgroup/unified"):
        if os.path.exists(f"{path}/cgroup.procs") and os.access(f"{path}/cgroup.subtree_control", os.W_OK):
            return Finding("control groups", True, f"{path} is writable")
    return Finding(
        "control groups",
        False,
        "not writable",
        "nothing depends on them; limits are set by prlimit and the size of a tmpfs",
    )


def _memory() -> Finding:
    size = machine.scratch()
    ok = size >= 1 << 30
    return Finding(
        "memory to build in",
        ok,
        f"{size >> 20} MiB for /build and /out",
        "" if ok else "free some memory or add swap; large builds will find no space",
    )


def _self_build(place: str, search: str) -> list[Finding]:
    """A hermetic execution of the machine's own shell, by each mechanism; the sandbox is asked what it sees."""
    contents, leaves = _shell()
    if not leaves:
        return [Finding("hermetic execution", False, "no shell to try it with", "install dash or bash", required=True)]
    blobs = Blobs(f"{place}/cache")
    request = Request(
        tree_digest(leaves),
        ("/usr/bin/sh", "-c", _SCRIPT),
        f"{os.uname().machine}-linux",
        environment=(("PROBE_HOME", place),),
    )
    findings = []
    for mechanism in machine.MECHANISMS:
        try:
            outcome = execute(
                request,
                leaves,
                blobs,
                fresh_work(blobs.root),
                read=lambda leaf: contents[leaf.digest],
                mechanisms=(mechanism,),
                search=search,
            )
            findings.append(_judge(mechanism, outcome))
        except AtomError as error:
            findings.append(
                Finding(f"hermetic execution, {mechanism}", False, f"{error.what}: {error.note}", error.hint)
            )
    works = [f.name.rpartition(" ")[2] for f in findings if f.ok]
    found = f"by {', '.join(works)}" if works else "by no mechanism"
    return [
        *findings,
        Finding("hermetic execution", bool(works), found, "" if works else namespace_hint(), required=True),
    ]


def _judge(mechanism: str, outcome: Outcome) -> Finding:
    with open(outcome.log_path, encoding="utf-8", errors="replace") as file:
        said = set(file.read().split())
    wrong = [
        w for w in ("Uid:1000", "Seccomp:2", "CapEff:0000000000000000", "NoNewPrivs:1", "out:made") if w not in said
    ]
    wrong += [w for w in said if w in ("usr:written", "root:written", "home:seen")]
    wrong += [w for w in said if w.startswith("net:") and w != "net:lo:"]
    name = f"hermetic execution, {mechanism}"
    if outcome.status or wrong:
        return Finding(name, False, f"status {outcome.status}, {' '.join(wrong) or 'no answer'}", namespace_hint())
    if not outcome.reads or outcome.incomplete:
        return Finding(name, True, f"closed, but reads were not observed: {outcome.incomplete}")
    return Finding(name, True, f"closed, {len(outcome.reads)} reads observed, {outcome.seconds * 1000:.0f} ms")


def _shell() -> tuple[dict[str, bytes], list[Leaf]]:
    """The machine's shell and the libraries it needs as a small world of their own."""
    from git_atom.git import proc

    shell = next((os.path.realpath(p) for p in ("/bin/dash", "/bin/sh", "/bin/bash") if os.access(p, os.X_OK)), "")
    if not shell:
        return {}, []
    files = {"usr/bin/sh": shell}
    for word in proc.run(["ldd", shell], env={"PATH": "/usr/bin:/bin"}).out.decode().split():
        if word.startswith("/") and os.path.exists(word):
            files[word.lstrip("/").replace("lib", "usr/lib", 1) if word.startswith("/lib") else word.lstrip("/")] = word
    contents: dict[str, bytes] = {}
    leaves = []
    rows = [(path, MODE_EXEC, _bytes(source)) for path, source in files.items()]
    rows += [(top, MODE_LINK, b"usr/" + top.encode()) for top in ("bin", "lib", "lib64")]
    for path, mode, data in rows:
        digest = of_bytes(data)
        contents[digest] = data
        leaves.append(Leaf(path.encode(), mode, digest, len(data), Oid("0" * 40)))
    return contents, sorted(leaves)


def _bytes(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()
