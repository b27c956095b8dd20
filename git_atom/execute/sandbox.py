"""The bubblewrap command line: every namespace new, nothing of the host's but what is named. Pure; `supervise.py` runs it."""

from __future__ import annotations

from collections.abc import Sequence

UID = 1000
HOST_NAME = "build"
PLACES = ("/usr/bin", "/bin", "/usr/local/bin", "/run/current-system/sw/bin", "/run/wrappers/bin", "/opt/bin")
OLDEST = (0, 5, 0)  # --perms
DISABLES_USERNS = (0, 8, 0)


def find(search: str = "") -> str:
    """Path of bwrap: in the system's own places, else in the absolute directories of `search` (a PATH); or an empty string."""
    import os

    places = (*PLACES, *(d for d in search.split(":") if d.startswith("/")))
    return next((p for d in places if os.access(p := f"{d}/bwrap", os.X_OK)), "")


def parse_version(text: str) -> tuple[int, ...]:
    """`bubblewrap 0.8.0` as (0, 8, 0); (0,) when it says something else."""
    digits = text.strip().rpartition(" ")[2].split(".")
    return tuple(int(d) for d in digits) if all(d.isdigit() for d in digits) else (0,)


def arguments(
    *,
    root: str,
    build: str,
    out: str,
    directory: str,
    environment: Sequence[tuple[str, str]],
    seccomp: int,
    status: int,
    disable_userns: bool,
    network: bool = False,
    new_session: bool = True,
    binds: Sequence[tuple[str, str, bool]] = (),
) -> list[str]:
    """Options for bwrap, program and `--` not included.

    root, build, out: host directories that become `/`, `/build`, `/out`. binds: (host path, path inside, writable), only for
    interactive use. seccomp: descriptor of the filter; status: descriptor on which bwrap says how the program ended, if it ever began. Values are arguments of their own option and never parsed as options.
    """
    args = ["--unshare-user", "--unshare-ipc", "--unshare-pid", "--unshare-uts", "--unshare-cgroup-try"]
    if not network:
        args.append("--unshare-net")
    if disable_userns:
        args.append("--disable-userns")
    args += ["--die-with-parent", "--cap-drop", "ALL", "--uid", str(UID), "--gid", str(UID), "--hostname", HOST_NAME]
    if new_session:
        args.append("--new-session")
    args.append("--clearenv")
    for name, value in environment:
        args += ["--setenv", name, value]
    args += ["--ro-bind", root, "/", "--proc", "/proc", "--dev", "/dev", "--perms", "1777", "--tmpfs", "/tmp"]
    args += ["--bind", build, "/build", "--bind", out, "/out"]
    for source, target, writable in binds:
        args += ["--bind" if writable else "--ro-bind", source, target]
    return [*args, "--chdir", directory, "--seccomp", str(seccomp), "--json-status-fd", str(status)]
