"""Checkpoints in a local folder: written whole or not at all, two kept.

How one is written:
1. the data to `<name>.safetensors.tmp`, fsync, rename to `<name>.safetensors`;
2. its description, with the data's sha256, to `<name>.json.tmp`, fsync, rename;
3. fsync of the folder;
4. the checkpoints before the last two are removed.

A checkpoint exists when its description does, whole (it carries a sha256 of itself), and the
data has the sha256 that stands in it. A crash between any two of these leaves the ones before
untouched.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson

from stream_cl.checkpoint.format import FORMAT, READABLE, decode, encode
from stream_cl.core.errors import CheckpointCorrupt, StreamClError, UserError
from stream_cl.core.faults import Faults, NoFaults
from stream_cl.core.limits import CHECKPOINTS_KEPT
from stream_cl.core.snapshot import Snapshot

_PREFIX: Final = "checkpoint-"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint's description; `read` gives its data."""

    path: Path
    step: int
    incarnation: int
    about: dict[str, Any]

    def read(self) -> Snapshot:
        """The snapshot.

        Raises:
            CheckpointCorrupt: the bytes are not those that were written.
        """
        try:
            data = self.path.read_bytes()
        except OSError as error:
            raise CheckpointCorrupt(f"{self.path}: {error.strerror}") from error
        if hashlib.sha256(data).hexdigest() != self.about["sha256"]:
            raise CheckpointCorrupt(f"{self.path}: its sha256 is not the one in its description")
        return decode(data)


class CheckpointFolder:
    """The checkpoints of one pipeline.

    Args:
        folder: made if it is missing.
    """

    def __init__(self, folder: Path, faults: Faults | None = None) -> None:
        self._folder = folder
        self._faults = faults or NoFaults()
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(
                f"checkpoint.path: {folder} cannot be made ({error.strerror}); name a folder "
                "that can be written"
            ) from error

    def write(self, step: int, incarnation: int, snapshot: Snapshot, about: dict[str, Any]) -> Path:
        """Write one checkpoint; `about` is what its description says besides.

        Raises:
            StreamClError: it could not be written; those before still stand.
        """
        name = f"{_PREFIX}{step:012d}-{incarnation:06d}"
        data = encode(snapshot)
        description = {
            **about,
            "format": FORMAT,
            "step": step,
            "incarnation": incarnation,
            "sha256": hashlib.sha256(data).hexdigest(),
            "bytes": len(data),
        }
        description["check"] = _check(description)
        path = self._folder / f"{name}.safetensors"
        try:
            self._put(path, data)
            self._faults.reach("checkpoint-half-written")
            self._put(
                path.with_suffix(".json"), orjson.dumps(description, option=orjson.OPT_INDENT_2)
            )
            _fsync_folder(self._folder)
            self._faults.reach("checkpoint-renamed")
            self._prune()
        except OSError as error:
            raise StreamClError(
                f"checkpoint {path} could not be written ({error.strerror}); those before it "
                "still stand: make room, or name another checkpoint.path"
            ) from error
        return path

    def newest_first(self) -> list[Checkpoint]:
        """Every checkpoint whose description can be read, the newest first."""
        found = []
        for description in self._folder.glob(f"{_PREFIX}*.json"):
            try:
                about = orjson.loads(description.read_bytes())
                whole = about.pop("check") == _check(about)
                step, incarnation = int(about["step"]), int(about["incarnation"])
            except (OSError, KeyError, TypeError, ValueError, AttributeError):
                continue  # half a description is none; the one before is used
            if whole and about.get("format") in READABLE:
                data = description.with_suffix(".safetensors")
                found.append(Checkpoint(data, step, incarnation, about))
        return sorted(found, key=lambda c: (c.step, c.incarnation), reverse=True)

    def clear(self) -> None:
        """Remove every checkpoint: the state was given up."""
        for pattern in (f"{_PREFIX}*.json", f"{_PREFIX}*"):
            for file in self._folder.glob(pattern):
                file.unlink(missing_ok=True)

    def _put(self, path: Path, data: bytes) -> None:
        temporary = path.with_name(path.name + ".tmp")
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)

    def _prune(self) -> None:
        kept = self.newest_first()[:CHECKPOINTS_KEPT]
        if len(kept) == CHECKPOINTS_KEPT:
            # By name, so that one whose description is damaged goes too.
            for old in sorted(self._folder.glob(f"{_PREFIX}*.json")):
                if old.stem < kept[-1].path.stem:
                    old.unlink(missing_ok=True)
        for left in self._folder.glob(f"{_PREFIX}*.tmp"):
            left.unlink(missing_ok=True)
        for data in self._folder.glob(f"{_PREFIX}*.safetensors"):
            if not data.with_suffix(".json").exists():
                data.unlink(missing_ok=True)


def _check(description: dict[str, Any]) -> str:
    """What tells a description from a damaged one."""
    return hashlib.sha256(orjson.dumps(description, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _fsync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
