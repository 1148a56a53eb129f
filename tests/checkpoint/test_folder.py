"""The folder of checkpoints: whole or not at all, two kept, faults in one clear line."""

from __future__ import annotations

import errno
import json
import os
import random
from pathlib import Path

import numpy as np
import pytest

from stream_cl.checkpoint.folder import CheckpointFolder
from stream_cl.core.errors import CheckpointCorrupt, StreamClError, UserError
from stream_cl.testing.faults import CrashAt, SimulatedCrash


def state(step: int) -> dict[str, object]:
    return {"step": step, "x": np.full(50, float(step)), "ids": [f"id {step}"]}


def written(path: Path, steps: int) -> CheckpointFolder:
    folder = CheckpointFolder(path)
    for step in range(1, steps + 1):
        folder.write(step, 1, state(step), {"lineage": "abc", "positions": [["events", 0, step]]})
    return folder


def newest_whole(folder: CheckpointFolder) -> int | None:
    """The step that a recovery would start from."""
    for checkpoint in folder.newest_first():
        try:
            return int(checkpoint.read()["step"])
        except CheckpointCorrupt:
            continue
    return None


def test_what_is_written_is_read(tmp_path):
    path = written(tmp_path, 0).write(7, 3, state(7), {"lineage": "abc", "offset": 2**40})
    (found,) = CheckpointFolder(tmp_path).newest_first()
    assert (found.path, found.step, found.incarnation) == (path, 7, 3)
    assert found.about["lineage"] == "abc"
    assert found.about["offset"] == 2**40
    assert found.read()["x"].tolist() == [7.0] * 50


def test_two_are_kept(tmp_path):
    """Fewer: a torn one loses everything. More: the disk fills."""
    folder = written(tmp_path, 5)
    assert [c.step for c in folder.newest_first()] == [5, 4]
    assert len(list(tmp_path.iterdir())) == 4


def test_a_later_life_counts_as_newer(tmp_path):
    """The same step written again after a restart is the one to start from."""
    folder = written(tmp_path, 2)
    folder.write(2, 2, state(2), {})
    assert [(c.step, c.incarnation) for c in folder.newest_first()] == [(2, 2), (2, 1)]


@pytest.mark.parametrize("torn", [b"", b"{", b"[]", b"3", b"{}", b'{"step": 3}', b"\xff\xfe"])
def test_a_torn_description_is_no_checkpoint(tmp_path, torn):
    """Else a start after a disk fault stops with a traceback."""
    folder = written(tmp_path, 3)
    folder.newest_first()[0].path.with_suffix(".json").write_bytes(torn)
    assert newest_whole(folder) == 2


def test_a_flip_anywhere_in_a_description_is_found(tmp_path):
    """Else a changed position or lineage is believed, or a missing one is a traceback."""
    folder = written(tmp_path, 2)
    description = folder.newest_first()[0].path.with_suffix(".json")
    data, draw = description.read_bytes(), random.Random(3)
    for _ in range(500):
        damaged = bytearray(data)
        damaged[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
        description.write_bytes(damaged)
        if json_or_none(bytes(damaged)) == json.loads(data):
            continue  # white space
        assert newest_whole(folder) == 1


def json_or_none(data: bytes) -> object:
    try:
        return json.loads(data)
    except ValueError:
        return None


def test_a_flip_anywhere_in_the_data_is_found(tmp_path):
    """1,000 flips and cuts: none is believed, none is another error."""
    folder = written(tmp_path, 2)
    newest = folder.newest_first()[0]
    data, draw = newest.path.read_bytes(), random.Random(4)
    for _ in range(1000):
        damaged = bytearray(data)
        damaged[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
        if draw.random() < 0.2:
            del damaged[draw.randrange(len(data)) :]
        newest.path.write_bytes(damaged)
        with pytest.raises(CheckpointCorrupt):
            newest.read()


def test_data_that_is_gone_is_corrupt(tmp_path):
    folder = written(tmp_path, 2)
    folder.newest_first()[0].path.unlink()
    assert newest_whole(folder) == 1


def test_what_a_crash_left_is_removed(tmp_path):
    """Temporary files, data without a description, and damaged descriptions do not pile up."""
    folder = written(tmp_path, 2)
    with pytest.raises(SimulatedCrash):
        CheckpointFolder(tmp_path, CrashAt("checkpoint-half-written")).write(3, 1, state(3), {})
    (tmp_path / "checkpoint-000000000004-000001.json.tmp").write_bytes(b"{")
    (tmp_path / "checkpoint-000000000001-000001.json").write_bytes(b"torn")
    (tmp_path / "keep.txt").write_text("not ours")
    assert newest_whole(folder) == 2
    folder.write(5, 2, state(5), {})
    names = sorted(p.name for p in tmp_path.iterdir())
    stems = ("checkpoint-000000000002-000001", "checkpoint-000000000005-000002")
    suffixes = (".json", ".safetensors")
    assert names == [*(stem + suffix for stem in stems for suffix in suffixes), "keep.txt"]


@pytest.mark.parametrize("point", ["checkpoint-half-written", "checkpoint-renamed"])
def test_a_crash_while_writing_leaves_those_before(tmp_path, point):
    written(tmp_path, 2)
    with pytest.raises(SimulatedCrash):
        CheckpointFolder(tmp_path, CrashAt(point)).write(3, 1, state(3), {})
    assert newest_whole(CheckpointFolder(tmp_path)) == (2 if "half" in point else 3)


def test_a_folder_that_cannot_be_made_is_the_users_mistake(tmp_path):
    """One line that names the key and the folder, status 2."""
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "inside"):
        with pytest.raises(UserError, match=r"^checkpoint\.path: .*cannot be made.*") as raised:
            CheckpointFolder(path)
        assert str(path) in str(raised.value)
        assert "\n" not in str(raised.value)


@pytest.mark.parametrize("call", ["fsync", "open", "replace"])
def test_a_full_disk_is_an_error_of_ours_and_leaves_those_before(tmp_path, monkeypatch, call):
    """The pipeline stops with one line, and starts again from the checkpoint before."""
    folder = written(tmp_path, 2)

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os if call == "fsync" else Path, call, full)
        with pytest.raises(StreamClError, match="No space left on device.*still stand"):
            folder.write(3, 1, state(3), {})
    assert newest_whole(CheckpointFolder(tmp_path)) == 2
    folder.write(4, 1, state(4), {})
    assert newest_whole(folder) == 4


def test_clearing_leaves_no_checkpoint(tmp_path):
    folder = written(tmp_path, 3)
    (tmp_path / "keep.txt").write_text("not ours")
    folder.clear()
    assert [p.name for p in tmp_path.iterdir()] == ["keep.txt"]
    assert folder.newest_first() == []
