"""Sweeping: only what is old, only what is named so, files and directories alike."""

from __future__ import annotations

import os
import time
from pathlib import Path

from git_atom.git import leftovers


def test_only_the_old_and_so_named_go(tmp_path: Path) -> None:
    names = ("tmp_pack_12_34", "tmp_pack_12_34.idx", "tmp_pack_zBRV4B", "tmp_obj_1_2", "pack-1.pack", "tmp_other")
    for name in names:
        (tmp_path / name).write_text("x")
    time.sleep(0.3)
    (tmp_path / "tmp_obj_now").write_text("x")
    os.utime(tmp_path / "tmp_obj_now", (0, 0))  # a fixed mtime says nothing about age
    leftovers.sweep(str(tmp_path), leftovers.OBJECTS, seconds=0.2)
    assert sorted(os.listdir(tmp_path)) == ["pack-1.pack", "tmp_obj_now", "tmp_other"]


def test_directories_go_whole_and_links_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept/file").write_text("x")
    (tmp_path / "tmp/deep/er").mkdir(parents=True)
    (tmp_path / "tmp/link").symlink_to(tmp_path / "kept")
    leftovers.sweep(str(tmp_path / "tmp"), seconds=-1)
    assert os.listdir(tmp_path / "tmp") == [] and (tmp_path / "kept/file").exists()
    leftovers.sweep(str(tmp_path / "nowhere"))
