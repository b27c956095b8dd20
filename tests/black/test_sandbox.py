"""The sandbox holds, judged from the host: escape probes X01 to X11, as root and as an ordinary user, by every mechanism."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import others
import pytest

from git_atom.core.digest import of_bytes
from git_atom.execute.seccomp import NUMBERS

pytestmark = [pytest.mark.slow, pytest.mark.needs("bwrap")]

HERE = Path(__file__).resolve().parent
PROGRAM = HERE / "sandboxed.py"
COLUMN = 0 if os.uname().machine == "x86_64" else 1
MECHANISMS = ("overlay", "farm", "farm-disk")
Probe = Callable[..., dict[str, Any]]


class Who:
    """An identity: the command line in front of Python, and a home of its own."""

    def __init__(self, name: str, home: Path) -> None:
        self.name, self.home = name, home
        home.mkdir(mode=0o755)
        self.front, self.program, self.path = [sys.executable], PROGRAM, os.environ["PATH"]
        if name == "user" and os.geteuid() == 0:
            lib = others.suite()
            self.front = [*others.AS_USER, "env", f"PYTHONPATH={lib}", others.python()]
            self.program, self.path = lib / "black" / PROGRAM.name, others.path()
            os.chown(home, others.USER, others.USER)

    def start(self, order: dict[str, Any], **kwargs: Any) -> subprocess.Popen[str]:
        order = {"cache": f"{self.home}/cache", **order}
        env = {"PATH": self.path, "HOME": str(self.home), "TOKEN": "secret-token", "LD_PRELOAD_PROBE": "1"}
        kwargs = {
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            "stdin": subprocess.DEVNULL,
            "env": env,
            **kwargs,
        }
        return subprocess.Popen([*self.front, str(self.program), json.dumps(order)], text=True, cwd="/", **kwargs)

    def run(self, script: str = "", **order: Any) -> dict[str, Any]:
        quiet = "export PERL_BADLANG=0\n" if "perl" in script else ""
        child = self.start({"script": quiet + script, **order})
        out, err = child.communicate(timeout=120)
        assert out.strip(), err
        assert not err, err
        seen = dict(json.loads(out))
        print(json.dumps(seen, indent=1))
        return seen


@pytest.fixture(params=others.KINDS)
def who(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Who]:
    place = Path(subprocess.check_output(["mktemp", "-d", "/var/tmp/git-atom-test-XXXXXX"], text=True).strip())
    place.chmod(0o755)
    yield Who(request.param, place / "home")
    shutil.rmtree(place, ignore_errors=True)


def perl(number: int | None, *args: str) -> str:
    """A line of shell that makes one system call and prints its result and errno."""
    words = ", ".join([str(number), *args])
    return f"""perl -e '@a = ({words}); $r = syscall($a[0], @a[1..$#a]); printf "%d %d\\n", $r, $!+0;'\n"""


def test_runs_and_collects(who: Who) -> None:
    script = """
        echo hello; cat src/a.c > /out/copy; mkdir -p /out/d/e /out/bin; echo '#!/bin/sh' > /out/bin/run; chmod +x /out/bin/run
        ln -s ../copy /out/d/link; ln /out/copy /out/hard; id; env; exit 3"""
    for mechanism in MECHANISMS:
        seen = who.run(script, inputs={"a.c": "int main;\n"}, mechanisms=[mechanism])
        assert seen["status"] == 3 and seen["ended"] == "exit" and seen["mechanism"] == mechanism, seen
        assert seen["log"].startswith("hello\nuid=1000 gid=1000")
        env = dict(line.split("=", 1) for line in seen["log"].splitlines()[2:])
        assert {k: v for k, v in env.items() if k != "PWD"} == {
            "PATH": "/usr/bin:/usr/sbin", "HOME": "/build", "LC_ALL": "C.UTF-8", "TZ": "UTC",
            "SOURCE_DATE_EPOCH": "315532800", "CONFIG_SHELL": "/bin/sh",
        }  # fmt: skip
        place = Path(seen["outputs"][0][1])
        assert (place / "copy").read_text() == "int main;\n" == (place / "hard").read_text()
        assert (place / "copy").stat().st_nlink == 1 and os.readlink(place / "d/link") == "../copy"
        assert (place / "bin/run").stat().st_mode & 0o777 == 0o755 and (place / "d/e").is_dir()
        assert {"usr/bin/dash", "usr/bin/cat", "build/src/a.c"} <= set(seen["reads"])
        assert "usr/include/a.h" not in seen["reads"] and not seen["incomplete"]
        assert seen["cpu_seconds"] > 0


def test_the_view_looks_the_same_by_every_mechanism(who: Who) -> None:
    script = "stat -c '%n %a %u %g %s %Y %F' /usr /usr/bin /usr/bin/sh /usr/bin/cat /usr/include/a.h /build /build/src/a.c /bin; ls -A /"
    said = {m: who.run(script, mechanisms=[m], inputs={"a.c": "x"})["log"] for m in MECHANISMS}
    plain = {
        m: re.sub(r"(directory)\n|(\d+) (\d+ directory)", r"\1", re.sub(r" \d+ 315532800 directory", " dir", t))
        for m, t in said.items()
    }
    assert len(set(plain.values())) == 1, said
    assert "/usr/bin/cat 555 1000 1000" in said["overlay"] and "/usr/include/a.h 444 1000 1000" in said["overlay"]


def test_metadata_kept_in_memory_changes_nothing(who: Who) -> None:
    script = "ls -AUR /usr; stat -c '%n %a %s %Y' /usr/bin/* /usr; cat /proc/self/mountinfo /usr/include/a.h"
    memory = Path(
        tempfile.mkdtemp(prefix="git-atom-test-", dir="/dev/shm")
    )  # other tests fill the usual place meanwhile
    memory.chmod(0o777)
    runs = []
    for turn in range(5):
        seen = who.run(script, mechanisms=["overlay"], memory=str(memory))
        told = [
            line.split(" ", 3)[3] if " - " in line else line
            for line in seen["log"].splitlines()
            if " - " not in line or " / / " in line
        ]
        runs.append([told, seen["reads"], seen["status"], seen["incomplete"]])
        stubs = [*memory.glob("*/[0-9a-f]*/tree/usr/include/a.h")]
        assert turn < 1 or stubs and not any(stub.is_symlink() for stub in stubs), (
            "made when the view came again, made anew when changed"
        )
        if turn == 2:
            for stub in stubs:
                stub.unlink()
                stub.symlink_to("/etc/passwd")
    assert all(run == runs[0] for run in runs[1:]) and runs[0][2] == 0
    shutil.rmtree(memory)


def test_x01_nothing_of_the_host_is_readable(who: Who) -> None:
    secret = who.home / "secret"
    secret.write_text("canary-of-the-host")
    script = f"""
        cat {secret} /etc/shadow /etc/passwd /proc/1/environ /proc/1/cwd/secret /proc/1/root{secret} {HERE}/test_sandbox.py
        ls -la /home /srv /var {who.home} /proc/1/fd
        env; cat /proc/self/mountinfo; for p in /proc/[0-9]*; do cat $p/cmdline $p/environ; done"""
    for mechanism in MECHANISMS:
        seen = who.run(script, mechanisms=[mechanism])
        for word in ("canary-of-the-host", "secret-token", "root:x:", "root:*:", "LD_PRELOAD_PROBE"):
            assert word not in seen["log"], word
    seen = who.run("cat /proc/self/mountinfo")
    assert str(who.home) not in seen["log"] and seen["enforced"]["filesystem"] == "enforced"


def test_x02_no_network(who: Who) -> None:
    with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", 0))
        tcp.settimeout(0.3)
        udp.settimeout(0.3)
        with socket.create_connection(tcp.getsockname()):
            tcp.accept()[0].close()  # the control: from outside it can be reached
        calls = []
        for address, port in (("127.0.0.1", tcp.getsockname()[1]), ("1.1.1.1", 53), ("169.254.169.254", 80)):
            calls.append(
                f'perl -e \'socket(S,2,1,6) or die; print connect(S, pack("Sna4x8",2,{port},pack("C4",{address.replace(".", ",")}))) ? "IN" : "out", "\\n"\''
            )
        port = udp.getsockname()[1]
        calls.append(f'perl -e \'socket(S,2,2,17); send(S,"x",0,pack("Sna4x8",2,{port},pack("C4",127,0,0,1)));\'')
        seen = who.run("\n".join(calls))
        assert seen["log"].split() == ["out", "out", "out"], seen["log"]
        for server in (tcp, udp):
            with pytest.raises(TimeoutError):
                server.accept() if server is tcp else server.recv(10)
    families = {"raw": (2, 3), "netlink": (16, 3), "packet": (17, 3), "vsock": (40, 1), "alg": (38, 5)}
    script = "".join(perl((41, 198)[COLUMN], str(f), str(t), "0") for f, t in families.values())
    assert all(line.startswith("-1 ") for line in who.run(script)["log"].splitlines())


def test_x03_abstract_sockets_are_apart(who: Who) -> None:
    name = f"git-atom-probe-{os.getpid()}"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("\0" + name)
        server.listen()
        server.settimeout(0.3)
        attack = f'perl -e \'socket(S,1,1,0); print connect(S, pack("S",1)."\\0{name}") ? "IN" : "out", "\\n"\''
        assert who.run(attack)["log"].strip() == "out"
        with pytest.raises(TimeoutError):
            server.accept()


def test_x04_no_descriptor_is_inherited(who: Who) -> None:
    victim = who.home / "victim"
    victim.write_text("untouched")
    os.chmod(victim, 0o666)
    with victim.open("a") as file:
        os.set_inheritable(file.fileno(), True)
        script = 'ls /proc/self/fd; for n in 3 4 5 6 7 8 9; do (eval "echo overwritten >&$n") 2>/dev/null; done; true'
        child = who.start({"script": script}, pass_fds=(file.fileno(),))
        out, err = child.communicate(timeout=60)
    assert json.loads(out)["log"].split() == ["0", "1", "2", "3"], err  # 3 is ls reading the directory
    assert victim.read_text() == "untouched"


def test_x05_no_terminal_can_be_written_to(who: Who) -> None:
    tiocsti, tioclinux = "0x5412", "0x541C"
    number = str((16, 29)[COLUMN])
    script = "".join(perl(int(number), "0", code, '"x"') for code in (tiocsti, tioclinux))
    main, side = os.openpty()
    child = who.start(
        {"script": "export PERL_BADLANG=0\n" + script + "echo done", "interactive": True}, stdin=side, stdout=side
    )
    os.close(side)
    _, err = child.communicate(timeout=60)
    said = os.read(main, 4096).decode()
    os.close(main)
    assert said.split("\r\n")[:3] == ["-1 1", "-1 1", "done"], (said, err)
    assert who.run(script)["log"].splitlines() == ["-1 1", "-1 1"]


def test_x06_outputs_are_normalised_or_refused(who: Who) -> None:
    seen = who.run(
        "echo x > /out/x; chmod 4755 /out/x || echo no; chmod g+s /out/x || echo no; perl -e 'sysopen(F, \"/out/y\", 0101, 04755)'"
    )
    assert seen["log"].count("no\n") == 2 and seen["status"] == 0
    for file in Path(seen["outputs"][0][1]).iterdir():
        assert file.stat().st_mode & 0o7000 == 0
    for attack, word in (
        ("mkfifo /out/pipe", "a fifo"),
        (perl(133, '"/out/w"', "0020000", "0"), "device"),
    ):
        if COLUMN and "syscall" in attack:
            continue
        seen = who.run(attack)
        assert seen["exit"] == 4 and seen["error"] == "ATOM-4014" and word in seen["what"], seen
    seen = who.run("ln /usr/bin/cat /out/cat; ln -s /etc/shadow /out/link; mkdir /out/.git")
    assert seen["error"] == "ATOM-4014" and ".git" in seen["what"]


def test_x07_limits_are_named(who: Who) -> None:
    start = time.monotonic()
    assert who.run("sleep 60", limits={"seconds": 1})["ended"] == "timeout"
    assert who.run("while :; do echo flood; done", limits={"log_bytes": 100_000})["ended"] == "log"
    seen = who.run("dd if=/dev/zero of=/out/big bs=1M count=64 2>&1", limits={"file_bytes": 1 << 20})
    assert seen["status"] != 0
    seen = who.run(
        "dd if=/dev/zero of=/build/big bs=1M count=64 2>&1", limits={"scratch_bytes": 8 << 20}, mechanisms=["overlay"]
    )
    assert "No space" in seen["log"] and seen["status"] == 1
    if who.name == "user":
        seen = who.run(
            "for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do sleep 2 & done; wait",
            limits={"processes": 8},
        )
        assert "fork" in seen["log"], seen
    assert time.monotonic() - start < 60


def test_x08_the_kernel_is_out_of_reach(who: Who) -> None:
    zero = ["0"] * 5
    names = [n for n, numbers in sorted(NUMBERS.items()) if numbers[COLUMN] is not None]
    script = "".join(perl(NUMBERS[n][COLUMN], *zero) for n in names)
    said = who.run(script)["log"].splitlines()
    assert {n: line for n, line in zip(names, said, strict=True) if line not in ("-1 1", "-1 38")} == {}
    clone_newuser = perl((56, 220)[COLUMN], str(0x10000000 | 17), *zero[:4])
    assert who.run(clone_newuser)["log"].split() == ["-1", "1"]
    assert who.run(perl(435, "0", "0"))["log"].split() == ["-1", "38"]
    assert who.run(perl((188, 5)[COLUMN], '"/out"', '"user.x"', '"y"', "1", "0"))["log"].split() == ["-1", "95"]


def test_x09_inputs_cannot_be_written(who: Who) -> None:
    script = """
        echo x > /usr/bin/cat; echo x > /usr/new; rm -f /usr/bin/cat; chmod 777 /usr/bin /usr/bin/cat; touch /usr/bin/cat /new
        mount -o remount,rw /; ln -s x /usr/bin/sh2; cp /bin/sh /usr/bin/cat; mkdir /x
        perl -e 'open(M, "+<", "/proc/self/mem") and seek(M, 0x400000, 0) and print M "x"x4096'
        ls /usr/bin/sh2 /usr/new /new /x"""
    for mechanism in MECHANISMS:
        seen = who.run(script, mechanisms=[mechanism])
        assert seen["status"] == 2 and seen["damaged"] == [], seen


def test_x10_without_a_sandbox_nothing_runs(who: Who) -> None:
    seen = who.run("touch /out/ran", places=["/nonexistent"])
    assert seen["exit"] == 6 and seen["error"] == "ATOM-4011" and "apt-get install bubblewrap" in seen["hint"]
    old = who.home / "bin"
    old.mkdir()
    (old / "bwrap").write_text('#!/bin/sh\n[ "$1" = --version ] && echo "bubblewrap 0.4.1" && exit\nexit 0\n')
    (old / "bwrap").chmod(0o755)
    seen = who.run("true", places=[str(old)])
    assert seen["exit"] == 6 and "0.4.1" in seen["what"]


def test_x10_without_user_namespaces_nothing_runs(tmp_path: Path) -> None:
    who = Who("root", tmp_path / "home")
    code = "import os, sys; open('/proc/sys/user/max_user_namespaces', 'w').write('0'); os.execv(sys.argv[1], sys.argv[1:])"
    order = json.dumps({"cache": f"{who.home}/cache", "script": "echo ran"})
    done = subprocess.run(
        ["unshare", "-Ur", sys.executable, "-c", code, sys.executable, str(PROGRAM), order],
        capture_output=True, text=True, check=False, env={"PATH": who.path, "HOME": str(who.home)},
    )  # fmt: skip
    seen = json.loads(done.stdout)
    assert done.returncode == 6 and seen["error"] == "ATOM-4012" and "git build doctor" in seen["hint"], seen
    assert seen["note"].count("\n") == len(MECHANISMS) - 1


def test_x11_words_are_never_options(who: Who) -> None:
    seen = who.run(
        argv=["/bin/sh", "-c", 'echo "$0" "$@" "$A"; ls -d /host', "--bind", "/", "/host", "--share-net"],
        environment={"A": "--bind / /host", "--bind": "/ /host"},
    )
    assert seen["log"].splitlines()[0] == "--bind / /host --share-net --bind / /host"
    assert seen["status"] == 2
    seen = who.run(argv=["--dev-bind", "/", "/"])
    assert seen["error"] == "ATOM-4016" and seen["exit"] == 4


def processes(word: str) -> list[int]:
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if word in Path(f"/proc/{pid}/cmdline").read_text(errors="replace") and int(pid) != os.getpid():
                found.append(int(pid))
        except OSError:
            continue
    return found


def wait_for(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 15
    while not condition():
        assert time.monotonic() < end, "it never came to be"
        time.sleep(0.02)


@pytest.mark.parametrize("victim", ["starter", "supervisor", "bwrap"])
def test_kill_leaves_nothing(who: Who, victim: str) -> None:
    mounts = Path("/proc/self/mountinfo").read_text()
    mark = f"9{os.getpid()}.{time.monotonic_ns()}"
    script = f"(perl -e '$SIG{{TERM}}=$SIG{{INT}}=\"IGNORE\"; setpgrp; sleep 500' {mark} &) ; sleep {mark}"
    child = who.start({"script": script}, start_new_session=True)
    wait_for(lambda: len(processes(mark)) >= 6)
    pid = child.pid
    if victim != "starter":
        pid = next(p for p in processes("") if parent(p) == child.pid)
    if victim == "bwrap":
        pid = next(p for p in processes(mark) if parent(p) == pid)
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: processes(mark) == [])
    child.communicate(timeout=20)
    assert Path("/proc/self/mountinfo").read_text() == mounts
    assert who.run("echo again")["log"] == "again\n"
    left = [n for n in os.listdir(f"{who.home}/cache/work") if n.startswith(f"{child.pid}-")]
    assert left == [], "what a dead process left is swept by the next"


def parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0  # gone meanwhile


def test_interrupt_ends_everything(who: Who) -> None:
    mark = f"8{os.getpid()}.{time.monotonic_ns()}"
    child = who.start({"script": f"sleep {mark}"}, start_new_session=True)
    wait_for(lambda: len(processes(f"sleep\0{mark}")) >= 1)
    os.killpg(child.pid, signal.SIGINT)
    child.communicate(timeout=20)
    assert child.returncode in (-signal.SIGINT, 130, 1)
    assert processes(mark) == []


def test_several_at_once_share_an_empty_cache(who: Who) -> None:
    """None disturbs another: not while blobs and trees are made, and not in what is observed."""
    orders = [{"script": f"echo {n}; cat /usr/include/a.h", "mechanisms": [MECHANISMS[n % 3]]} for n in range(9)]
    for child, (n, order) in [(who.start(order), (n, order)) for n, order in enumerate(orders)]:
        out, err = child.communicate(timeout=120)
        seen = json.loads(out)
        assert seen.get("log") == f"{n}\nint a;\n", (order, seen, err)
        assert seen["damaged"] == []
        if order["mechanisms"] != ["farm-disk"]:
            expected = {"usr/bin/dash", "usr/bin/cat", "usr/include/a.h"}
            assert {r for r in seen["reads"] if not r.startswith("usr/lib")} == expected
        else:
            assert "other executions" in seen["instrument"]


@pytest.mark.needs("strace")
@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_read_set_is_what_strace_sees(who: Who, mechanism: str) -> None:
    mark = f"mark-{of_bytes(mechanism.encode()).hex[:8]}"
    script = f": {mark}; cat /usr/include/a.h src/a.c src/d/b.c >/out/x; ls /usr/include >/dev/null; perl -e 'open F, \"/usr/include/same.h\"'; uname; cat missing; sh -c 'readlink /bin'"
    order = {"script": script, "inputs": {"a.c": "a", "d/b.c": "b", "d/unread.c": "c"}, "mechanisms": [mechanism]}
    trace = who.home / "trace"
    at = len(others.AS_USER) if who.front[0] == "setpriv" else 0
    who.front[at:at] = ["strace", "-f", "-qq", "-s", "4096", "-e", "trace=openat,open,execve", "-o", str(trace)]
    seen = who.run(**order)
    assert seen["status"] == 0 and not seen["incomplete"], seen
    assert set(seen["reads"]) == traced(trace.read_text(), mark)


def traced(text: str, mark: str) -> set[str]:
    """Canonical paths that processes of the program opened or executed, the ELF interpreter with each execution."""
    lines = [line.split(maxsplit=1) for line in text.splitlines()]
    first = next(i for i, (_, call) in enumerate(lines) if call.startswith('execve("/bin/sh"') and mark in call)
    before = {pid for pid, _ in lines[:first]} - {lines[first][0]}
    paths, pending = set(), {}
    for pid, call in lines[first:]:
        if pid in before:
            continue
        if call.endswith("<unfinished ...>"):
            pending[pid] = call
            continue
        call = pending.pop(pid, "") + call if call.startswith("<...") else call
        found = re.search(r'"((?:[^"\\]|\\.)*)"', call)
        result = re.search(r"= (-?\d+)", call)
        if not found or not result or int(result[1]) < 0:
            continue
        path = os.path.normpath(os.path.join("/build", found[1]))
        for link in ("bin", "lib64", "lib"):
            path = re.sub(rf"^/{link}/", f"/usr/{link}/", path)
        path = {"/usr/bin/sh": "/usr/bin/dash"}.get(path, path)
        if "execve" in call:
            paths.add(next(iter(INTERPRETER)))
        if path.startswith(("/usr/", "/build/src")):
            paths.add(path + "/" * ("O_DIRECTORY" in call))
    return {path.removeprefix("/") for path in paths}


INTERPRETER = {"/usr/lib64/ld-linux-x86-64.so.2" if COLUMN == 0 else "/usr/lib/ld-linux-aarch64.so.1"}
