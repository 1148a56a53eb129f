"""From what a run left behind to a state that can go on.

1. read the manifest (`story`) and check that this process may go on from it (here): a start
   that must be refused fences nobody.
2. fence: become the writer; every earlier one can commit nothing any more. Read again.
3. commit OPEN: incarnation = max(checkpoint, manifest) + 1, and every position.
4. restore the checkpoint, replay the steps behind it (`replay`) with outputs suppressed, and
   compare the digests of outputs and state with the manifest's (here).

A crash between any two of these leaves a manifest from which the same can be done again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from stream_cl.core.errors import ReplayMismatch, StateIncompatible
from stream_cl.pipeline import manifest
from stream_cl.pipeline.manifest import Step
from stream_cl.pipeline.story import NEW_STATE, Story

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
    changed = _changed(state_config, identity)
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
    changed = _changed(about["state_config"], identity)
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


def _changed(state_config: Mapping[str, Any], identity: Identity) -> list[str]:
    """Config keys that changed; of a section that is of another kind now, its kind alone."""
    changed = manifest.differences(state_config, identity.state_config)
    other = {key.split(".kind ")[0] for key in changed if ".kind " in key}
    return [key for key in changed if ".kind " in key or key.partition(".")[0] not in other]


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
