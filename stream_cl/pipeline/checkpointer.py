"""Writes checkpoints in a thread, so that the step waits only for the copy."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

from stream_cl.checkpoint.folder import Checkpoint, CheckpointFolder
from stream_cl.core.clock import Clock
from stream_cl.core.errors import CheckpointCorrupt
from stream_cl.core.faults import Faults
from stream_cl.core.snapshot import Snapshot
from stream_cl.evaluation.forgetting import Forgetting
from stream_cl.pipeline.state import State

_FORGETTING: Final = "forgetting"
"""Beside the state's parts in a checkpoint; it is none of them, and no digest covers it."""


@dataclass(frozen=True, slots=True)
class Written:
    """The checkpoint that was written last.

    at_ms: Unix time, None where an earlier version wrote it. copy_s: how long the steps waited for
    it; write_s: how long the thread took. Both None where another process wrote it.
    """

    step: int
    size_bytes: int
    at_ms: int | None
    copy_s: float | None = None
    write_s: float | None = None


class Checkpointer:
    """One checkpoint at a time; while one is being written the next is left out.

    The thread restores the copy into a state of its own and compares its digest with the
    one taken at the boundary, so that a copy that was changed behind its back is found
    before it is needed. Then that state's learner predicts the held-out set (`forgetting`),
    which costs the steps nothing; what it gave is kept in the checkpoint and influences nothing.

    Args:
        fresh: builds S(0), into which a copy is restored for the comparison.

    written: the last one that is whole. count, skipped: how many were written, and left out
    because one was being written. Others may read these and `forgetting.last` at any time.
    """

    def __init__(
        self, folder: CheckpointFolder, fresh: Callable[[], State], clock: Clock, faults: Faults
    ) -> None:
        self.last_step: int | None = None
        self.written: Written | None = None
        self.count = self.skipped = 0
        self.forgetting = Forgetting()
        self._clock = clock
        self._folder = folder
        self._fresh = fresh
        self._faults = faults
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="checkpoint")
        self._writing: Future[None] | None = None

    def resume(self, base: Checkpoint, data: Snapshot) -> None:
        """Go on from the checkpoint that the state was restored from, with this data."""
        at_ms = base.about.get("written_ms")
        self.written = Written(base.step, int(base.about["bytes"]), at_ms)
        if _FORGETTING in data:  # else an earlier version wrote it
            self.forgetting.restore(data[_FORGETTING])

    def write(self, state: State, incarnation: int, about: dict[str, Any], wait: bool) -> None:
        """Copy the state and have it written.

        Raises:
            StreamClError: this one (with `wait`) or the one before could not be written.
        """
        if self._writing is not None and (wait or self._writing.done()):
            self._writing.result()
            self._writing = None
        if self._writing is not None:
            self.skipped += 1
            return
        began_s = self._clock.monotonic_s()
        copied = state.snapshot()
        positions = [[*at, offset] for at, offset in sorted(state.positions.items())]
        about = {**about, "digest": str(state.fingerprint()), "positions": positions}
        self._faults.reach("checkpoint-copied")
        copy_s = self._clock.monotonic_s() - began_s
        self._writing = self._thread.submit(
            self._write, state.step, incarnation, copied, about, copy_s
        )
        self.last_step = state.step
        if wait:
            self._writing.result()
            self._writing = None

    def close(self) -> None:
        """Wait for the one that is being written."""
        self._thread.shutdown(wait=True)
        if self._writing is not None:
            self._writing.result()

    def abandon(self) -> None:
        """Let the thread end; what became of its checkpoint does not matter any more."""
        self._thread.shutdown(wait=True)

    def _write(
        self,
        step: int,
        incarnation: int,
        copied: Snapshot,
        about: dict[str, Any],
        copy_s: float,
    ) -> None:
        began_s, at_ms = self._clock.monotonic_s(), self._clock.now_ms()
        again = self._fresh()
        again.restore(copied)
        if str(again.fingerprint()) != about["digest"]:
            raise CheckpointCorrupt(
                f"the copy of the state after step {step} is not what it was taken from; it was "
                "not written. This is a fault of stream_cl: please report it"
            )
        self.forgetting.look(step, *again.held_out.judged(lambda x: again.guard.predict(x)[0]))
        whole = {**copied, _FORGETTING: self.forgetting.snapshot()}
        path = self._folder.write(step, incarnation, whole, {**about, "written_ms": at_ms})
        write_s = self._clock.monotonic_s() - began_s
        self.written = Written(step, path.stat().st_size, at_ms, copy_s, write_s)
        self.count += 1
