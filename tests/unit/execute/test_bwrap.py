"""The bubblewrap command line holds what the lock-down asks for, whatever the values are."""

from __future__ import annotations

from git_atom.execute import sandbox


def line(**more: object) -> list[str]:
    options: dict[str, object] = {
        "root": "/tmp/root", "build": "/tmp/build", "out": "/tmp/out", "directory": "/build", "environment": [("A", "--bind"), ("--bind", "/ /")],
        "seccomp": 3, "status": 4, "disable_userns": True,
    }  # fmt: skip
    return sandbox.arguments(**(options | more))  # type: ignore[arg-type]


def test_lock_down() -> None:
    args = line()
    for flag in ("user", "ipc", "pid", "uts", "net", "cgroup-try"):
        assert f"--unshare-{flag}" in args
    for flag in ("--disable-userns", "--die-with-parent", "--new-session", "--clearenv"):
        assert flag in args
    for pair in (
        ["--cap-drop", "ALL"],
        ["--uid", "1000"],
        ["--gid", "1000"],
        ["--hostname", "build"],
        ["--seccomp", "3"],
    ):
        at = args.index(pair[0])
        assert args[at : at + 2] == pair
    assert args.index("--clearenv") < args.index("--setenv")
    at = args.index("--ro-bind")
    assert args[at : at + 3] == ["--ro-bind", "/tmp/root", "/"]


def test_what_is_opened_is_opened_alone() -> None:
    assert "--unshare-net" not in line(network=True) and "--unshare-pid" in line(network=True)
    assert "--new-session" not in line(new_session=False)
    args = line(binds=[("/home/u", "/build/u", False)])
    at = args.index("/home/u")
    assert args[at - 1 : at + 2] == ["--ro-bind", "/home/u", "/build/u"]


def test_values_stay_values() -> None:
    args = line()
    options = []
    while args:
        name = args.pop(0)
        options.append(name)
        del args[: {"--setenv": 2, "--bind": 2, "--ro-bind": 2}.get(name, 0 if name in FLAGS else 1)]
    assert options.count("--bind") == 2 and options.count("--ro-bind") == 1 and options.count("--setenv") == 2


FLAGS = {
    "--unshare-user", "--unshare-ipc", "--unshare-pid", "--unshare-uts", "--unshare-cgroup-try", "--unshare-net", "--disable-userns",
    "--die-with-parent", "--new-session", "--clearenv",
}  # fmt: skip


def test_version() -> None:
    assert sandbox.parse_version("bubblewrap 0.8.0\n") == (0, 8, 0)
    assert sandbox.parse_version("0.11.0") == (0, 11, 0)
    assert sandbox.parse_version("something else") == (0,) < sandbox.OLDEST
