"""What the manifest tells, from the newest checkpoint or from where the state was given up."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from stream_cl.checkpoint.folder import Checkpoint, CheckpointFolder
from stream_cl.core.errors import BrokenFence, CheckpointCorrupt, RecoveryError
from stream_cl.core.protocols import Transport
from stream_cl.core.records import TopicPartition
from stream_cl.pipeline import manifest
from stream_cl.pipeline.manifest import Open, Step

NEW_STATE: Final = (
    "or give up the learned state and go on behind the last step with `stream-cl run --new-state`"
)
_READ_AT_ONCE: Final = 1000


@dataclass(slots=True)
class Story:
    """What the manifest says since the base that a recovery starts from.

    base: the checkpoint to begin with, None for an empty state at the first of `opens`.
    opened: whether any OPEN was ever written. to_replay: steps behind the base.
    """

    base: Checkpoint | None
    lineage: str
    incarnation: int = 0
    last_step: int = 0
    end: int = 0
    opened: bool = False
    positions: dict[TopicPartition, int] = field(default_factory=dict)
    opens: list[Open] = field(default_factory=list)
    to_replay: list[Step] = field(default_factory=list)
    corrupt: list[str] = field(default_factory=list)


def read_story(transport: Transport, topic: str, folder: CheckpointFolder) -> Story:
    """Read the manifest from the newest checkpoint that is whole, or from where the state was
    last given up, if that is later.

    Raises:
        BrokenFence: a record of an older incarnation stands behind a newer one's OPEN.
        RecoveryError: manifest and checkpoints do not belong together.
    """
    corrupt: list[str] = []
    base = _newest_whole(folder, corrupt)
    bounds = transport.bounds([topic])[TopicPartition(topic, 0)]
    start = int(base.about["manifest_offset"]) if base else bounds.start
    if base and not bounds.start <= start <= bounds.end:
        raise RecoveryError(
            f"checkpoint {base.path} belongs to a manifest that goes up to offset {start}, but "
            f"{topic} holds {bounds.start} to {bounds.end}: this is another log. Name the log "
            f"that belongs to it, or another checkpoint.path, {NEW_STATE}"
        )
    values, end = _values(transport, topic, start)
    begin = _given_up_at(values)
    if begin is None and base is None and bounds.start > 0:
        raise RecoveryError(
            f"{topic} begins at offset {bounds.start}, so what came before it is only in a "
            f"checkpoint, and none is whole: put one back into checkpoint.path, {NEW_STATE}"
        )
    story = Story(base if begin is None else None, lineage="", corrupt=corrupt, end=end)
    if story.base:
        about = story.base.about
        story.lineage, story.opened = about["lineage"], True
        story.incarnation, story.last_step = story.base.incarnation, story.base.step
        story.positions = {TopicPartition(t, p): o for t, p, o in about["positions"]}
    for at, value in values[begin or 0 :]:
        _tell(story, manifest.decode(value, at))
    return story


def salvage(transport: Transport, topic: str, group: str, folder: CheckpointFolder) -> Story:
    """What can be known where the state is to be given up, however damaged the rest is.

    Positions are the furthest that anything says, so that no event is predicted twice.
    """
    start = transport.bounds([topic])[TopicPartition(topic, 0)].start
    values, end = _values(transport, topic, start)
    committed = transport.group_offsets(group)
    story = Story(None, lineage="", end=end, opened=bool(values or committed))
    _advance(story, committed)
    for checkpoint in folder.newest_first():
        story.incarnation = max(story.incarnation, checkpoint.incarnation)
    for at, value in values:
        try:
            entry = manifest.decode(value, at)
        except RecoveryError:
            continue
        story.incarnation = max(story.incarnation, entry.incarnation)
        story.last_step = max(story.last_step, entry.step)
        if isinstance(entry, Open):
            _advance(story, entry.positions)
        else:
            _advance(story, {taken.at: taken.stop for taken in entry.slices})
    return story


def _advance(story: Story, positions: Mapping[TopicPartition, int]) -> None:
    for at, position in positions.items():
        story.positions[at] = max(position, story.positions.get(at, 0))


def _values(
    transport: Transport, topic: str, start: int
) -> tuple[list[tuple[int, bytes | None]], int]:
    """Every record of the manifest from `start`: (offset, value); and the offset behind them."""
    found: list[tuple[int, bytes | None]] = []
    while True:
        chunk = transport.read(topic, 0, start, _READ_AT_ONCE)
        if not len(chunk):
            return found, start
        found += zip(chunk.offsets, chunk.values, strict=True)
        start = chunk.offsets[-1] + 1


def _given_up_at(values: list[tuple[int, bytes | None]]) -> int | None:
    """Index of the last OPEN that gave up the state; what stands before it no longer counts."""
    for i in range(len(values) - 1, -1, -1):
        if b'"new_state":true' in (values[i][1] or b""):
            return i
    return None


def _newest_whole(folder: CheckpointFolder, corrupt: list[str]) -> Checkpoint | None:
    for checkpoint in folder.newest_first():
        try:
            checkpoint.read()
        except CheckpointCorrupt as error:
            corrupt.append(str(error))
        else:
            return checkpoint
    return None


def _tell(story: Story, entry: Open | Step) -> None:
    """Take one record of the manifest into the story."""
    if entry.incarnation < story.incarnation:
        raise BrokenFence(
            f"manifest offset {entry.offset}: step {entry.step} of incarnation "
            f"{entry.incarnation} was committed after incarnation {story.incarnation} had "
            f"opened. Its outputs are duplicates: those whose headers say incarnation "
            f"{entry.incarnation} and step {entry.step}. Find out how two writers ran at once; "
            f"then {NEW_STATE[3:]}"
        )
    if isinstance(entry, Open):
        if story.lineage and entry.lineage != story.lineage:
            raise RecoveryError(
                f"manifest offset {entry.offset}: lineage {entry.lineage}, but the checkpoint "
                f"says {story.lineage}: it belongs to another log; name another checkpoint.path, "
                f"{NEW_STATE}"
            )
        story.incarnation, story.lineage, story.opened = entry.incarnation, entry.lineage, True
        story.opens.append(entry)
        story.positions.update(entry.positions)
        if entry.new_state:
            story.last_step = entry.step
        return
    if entry.step != story.last_step + 1 or entry.incarnation != story.incarnation:
        raise RecoveryError(
            f"manifest offset {entry.offset}: step {entry.step} of incarnation "
            f"{entry.incarnation} follows step {story.last_step} of incarnation "
            f"{story.incarnation}; the log is damaged: restore it from a backup, {NEW_STATE}"
        )
    story.last_step = entry.step
    story.to_replay.append(entry)
    for taken in entry.slices:
        story.positions[taken.at] = taken.stop


def new_lineage() -> str:
    """A name that no other manifest has. The state does not depend on it."""
    return uuid.uuid4().hex


def check_nothing_between(transport: Transport, topic: str, story: Story, opened: int) -> None:
    """After the fence nobody else may have committed to the manifest.

    Raises:
        BrokenFence: records stand between what was read and our OPEN.
    """
    chunk = transport.read(topic, 0, story.end, _READ_AT_ONCE) if story.end < opened else None
    if chunk is not None and chunk.offsets[0] < opened:
        raise BrokenFence(
            f"manifest offsets {chunk.offsets[0]} to {opened - 1} were committed after this "
            "process had fenced every other writer; stop all of them and start one again"
        )
