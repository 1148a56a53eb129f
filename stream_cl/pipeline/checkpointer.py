"""Writes checkpoints in a thread, so that the step waits only for the copy."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from stream_cl.checkpoint.folder import CheckpointFolder
from stream_cl.core.errors import CheckpointCorrupt
from stream_cl.core.faults import Faults
from stream_cl.core.snapshot import Snapshot
from stream_cl.pipeline.state import State


class Checkpointer:
    """One checkpoint at a time; while one is being written the next is left out.

    The thread restores the copy into a state of its own and compares its digest with the
    one taken at the boundary, so that a copy that was changed behind its back is found
    before it is needed.

    Args:
        fresh: builds S(0), into which a copy is restored for the comparison.
    """

    def __init__(
        self, folder: CheckpointFolder, fresh: Callable[[], State], faults: Faults
    ) -> None:
        self.last_step: int | None = None
        self._folder = folder
        self._fresh = fresh
        self._faults = faults
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="checkpoint")
        self._writing: Future[None] | None = None

    def write(self, state: State, incarnation: int, about: dict[str, Any], wait: bool) -> None:
        """Copy the state and have it written.

        Raises:
            StreamClError: this one (with `wait`) or the one before could not be written.
        """
        if self._writing is not None and (wait or self._writing.done()):
            self._writing.result()
            self._writing = None
        if self._writing is not None:
            return
        copied = state.snapshot()
        positions = [[*at, offset] for at, offset in sorted(state.positions.items())]
        about = {**about, "digest": str(state.fingerprint()), "positions": positions}
        self._faults.reach("checkpoint-copied")
        self._writing = self._thread.submit(self._write, state.step, incarnation, copied, about)
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

    def _write(self, step: int, incarnation: int, copied: Snapshot, about: dict[str, Any]) -> None:
        again = self._fresh()
        again.restore(copied)
        if str(again.fingerprint()) != about["digest"]:
            raise CheckpointCorrupt(
                f"the copy of the state after step {step} is not what it was taken from; it was "
                "not written. This is a fault of stream_cl: please report it"
            )
        self._folder.write(step, incarnation, copied, about)
