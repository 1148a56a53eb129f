"""From what a run left behind to a state that can go on.

1. fence: become the writer; every earlier one can commit nothing any more.
2. read the manifest from the newest valid checkpoint on; check that it is one story.
3. commit OPEN: incarnation = max(checkpoint, manifest) + 1, and every position.
4. restore the checkpoint, replay the steps behind it with outputs suppressed, and compare
   the digests of outputs and state with the manifest's.

A crash between any two of these leaves a manifest from which the same can be done again.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from stream_cl.checkpoint.folder import Checkpoint, CheckpointFolder
from stream_cl.core.errors import (
    BrokenFence,
    CheckpointCorrupt,
    RecoveryError,
    ReplayMismatch,
    StateIncompatible,
)
from stream_cl.core.protocols import Transport
from stream_cl.core.records import TopicPartition
from stream_cl.pipeline import manifest
from stream_cl.pipeline.manifest import Open, Step

NEW_STATE: Final = (
    "or give up the learned state and go on behind the last step with `stream-cl run --new-state`"
)
_READ_AT_ONCE: Final = 1000

Config = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Identity:
    """What this process is: it stands in OPEN and decides what may be replayed.

    config: all of it, without secrets. state_config: the keys that the state depends on.
    """

    config: Config
    state_config: Config
    code: str
    fingerprint: str


SHAPE_KEYS: Final = ("encoder", "learner", "memory", "budget.kind", "labels.join", "seed")
"""Config keys (or sections) that decide what the state is made of."""


@dataclass(slots=True)
class Story:
    """What the manifest says since the base that a recovery starts from.

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
    fresh_from: Open | None = None
    corrupt: list[str] = field(default_factory=list)


def read_story(transport: Transport, topic: str, folder: CheckpointFolder) -> Story:
    """Read the manifest from the newest checkpoint that is whole.

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
            "that belongs to it, or another checkpoint.path"
        )
    if base is None and bounds.start > 0:
        raise RecoveryError(
            f"{topic} begins at offset {bounds.start}, so what came before it is only in a "
            f"checkpoint, and none is whole: put one back into checkpoint.path, {NEW_STATE}"
        )
    story = Story(base, lineage=base.about["lineage"] if base else "", corrupt=corrupt)
    if base:
        story.incarnation, story.last_step, story.opened = base.incarnation, base.step, True
        story.positions = {TopicPartition(t, p): o for t, p, o in base.about["positions"]}
    offset = start
    while True:
        chunk = transport.read(topic, 0, offset, _READ_AT_ONCE)
        if not len(chunk):
            break
        for at, value in zip(chunk.offsets, chunk.values, strict=True):
            _tell(story, manifest.decode(value, at))
        offset = chunk.offsets[-1] + 1
    story.end = offset
    return story


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
                f"says {story.lineage}: it belongs to another log; name another checkpoint.path"
            )
        story.incarnation, story.lineage, story.opened = entry.incarnation, entry.lineage, True
        story.opens.append(entry)
        story.positions.update(entry.positions)
        if entry.new_state:
            story.base, story.fresh_from, story.to_replay = None, entry, []
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


def check_compatible(story: Story, identity: Identity) -> None:
    """Whether this process may go on from where the story begins.

    Raises:
        StateIncompatible: steps must be replayed with what they were taken with, or the
            state of the checkpoint has another shape.
    """
    written = {o.incarnation: (o.state_config, o.code) for o in story.opens}
    if story.base is not None:
        about = story.base.about
        written.setdefault(story.base.incarnation, (about["state_config"], about["code"]))
    for incarnation in sorted({step.incarnation for step in story.to_replay}):
        _check_replay(len(story.to_replay), *written[incarnation], identity)
    if story.base is not None and not story.to_replay:
        _check_shape(story.base.about, identity)


def _check_replay(steps: int, state_config: Config, code: str, identity: Identity) -> None:
    changed = manifest.differences(state_config, identity.state_config)
    if code != identity.code:
        changed.append(f"the version of stream_cl (was {code}, is {identity.code})")
    if changed:
        raise StateIncompatible(
            f"{steps} steps stand behind the last checkpoint and must be replayed "
            f"with what they were taken with, but these changed: {', '.join(changed)}. Put them "
            f"back and run `stream-cl drain`, which writes a checkpoint, then change them; "
            f"{NEW_STATE}"
        )


def _check_shape(about: Mapping[str, Any], identity: Identity) -> None:
    changed = manifest.differences(about["state_config"], identity.state_config)
    shape = [
        key
        for key in changed
        if any(key == s or key.startswith((f"{s}.", f"{s} ")) for s in SHAPE_KEYS)
    ]
    if shape:
        raise StateIncompatible(
            f"the state in the checkpoint is made for another config: {', '.join(shape)}. Put "
            f"these back, {NEW_STATE}"
        )


def new_lineage() -> str:
    """A name that no other manifest has. The state does not depend on it."""
    return uuid.uuid4().hex


def check_replayed(step: Step, outputs_digest: str, same_machine: bool) -> bool:
    """Compare a replayed step with its manifest record; True when only numbers differ.

    Raises:
        ReplayMismatch: ids or decisions differ, or anything on the same machine.
    """
    if outputs_digest == step.outputs_digest:
        return False
    discrete = _discrete(outputs_digest) != _discrete(step.outputs_digest)
    if discrete or same_machine:
        raise ReplayMismatch(_mismatch(step, "outputs" if discrete else "the outputs' numbers"))
    return True


def check_state(step: Step, digests: Callable[[], str], same_machine: bool) -> bool:
    """Compare the state before a replayed step, where the manifest says its digests."""
    if step.digests is None:
        return False
    now = digests()
    if now == step.digests:
        return False
    discrete = _discrete(now) != _discrete(step.digests)
    if discrete or same_machine:
        raise ReplayMismatch(_mismatch(step, "state" if discrete else "the state's numbers"))
    return True


def _discrete(digest: str) -> str:
    return digest.partition("-")[0]


def _mismatch(step: Step, what: str) -> str:
    return (
        f"replaying step {step.step} gave other {what} than it had when it was taken; going on "
        "would publish predictions of a state that never was. Ways out: run the version of "
        "stream_cl, numpy and numba that took the step (the OPEN record in the manifest names "
        f"it), {NEW_STATE}"
    )


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
