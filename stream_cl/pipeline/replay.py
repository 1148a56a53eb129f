"""From a checkpoint and the manifest behind it to S(k), in silence."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from stream_cl.checkpoint.folder import Checkpoint
from stream_cl.core.errors import CheckpointCorrupt, StateIncompatible
from stream_cl.core.faults import Faults
from stream_cl.core.snapshot import Snapshot
from stream_cl.pipeline import recovery
from stream_cl.pipeline.decoded import decoded
from stream_cl.pipeline.record import outputs_digest
from stream_cl.pipeline.slicer import Slicer
from stream_cl.pipeline.state import State
from stream_cl.pipeline.step import Plan, learn, score
from stream_cl.pipeline.story import NEW_STATE, Story


def restored(
    story: Story, state: State, new_state: bool, resume: Callable[[Checkpoint, Snapshot], None]
) -> State:
    """`state`, which is S(0), as the story's base has it: of a checkpoint, or empty. `resume` is
    told of the checkpoint and of all that is in it.

    Raises:
        StateIncompatible: the checkpoint does not fit the config.
        CheckpointCorrupt: what was restored has another digest than what was written.
    """
    if story.base is not None:
        try:
            data = story.base.read()
            state.restore(data)
            resume(story.base, data)
        except (KeyError, ValueError, TypeError, AssertionError) as error:
            raise StateIncompatible(
                f"checkpoint {story.base.path} does not fit this config ({error}); put the "
                f"config back that wrote it, {NEW_STATE}"
            ) from error
        if str(state.fingerprint()) != story.base.about["digest"]:
            raise CheckpointCorrupt(
                f"{story.base.path}: the restored state has another digest than the one "
                f"written; remove this checkpoint, {NEW_STATE}"
            )
    elif new_state:
        state.step, state.positions = story.last_step, dict(story.positions)
    elif story.opens:
        state.step, state.positions = story.opens[0].step, dict(story.opens[0].positions)
    return state


def replay(
    state: State, story: Story, slicer: Slicer, plan: Plan, machine: str, faults: Faults
) -> int:
    """Take the steps of the manifest again, with outputs suppressed and digests compared.

    Returns how many steps differ in numbers only, which another machine may.

    Raises:
        InputChanged: a slice is gone, or is not what it was.
        ReplayMismatch: outputs or state are not what they were.
    """
    differing = 0
    machines = {opened.incarnation: opened.fingerprint for opened in story.opens}
    if story.base is not None:
        machines.setdefault(story.base.incarnation, story.base.about["machine"])
    for step, following in pairwise([*story.to_replay, None]):
        assert step is not None
        same = machines[step.incarnation] == machine
        differing += recovery.check_state(step, lambda: str(state.fingerprint()), same)
        taken = slicer.again(step.slices, step.unread_ms)
        read = decoded(taken, plan.decoder, plan.topics, frozenset(step.unknown_schemas))
        scored = score(state, read, step.time_ms, step.incarnation, plan)
        differing += recovery.check_replayed(step, outputs_digest(scored), same)
        scored.rehearsals = step.rehearsals
        learn(state, scored, plan, following.quarantined if following else None)
        faults.reach("replayed-step")
    return differing
