"""What strategies share that look at nothing but the learner's probabilities."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from stream_cl.core.protocols import Utilities
from stream_cl.core.records import FloatMatrix
from stream_cl.core.snapshot import Snapshot


class Stateless:
    """Remembers nothing of events or labels."""

    def commit(self, utilities: Utilities) -> None:
        """Nothing to make its own."""

    def learn(self, x: FloatMatrix, y: npt.NDArray[np.int64]) -> None:
        """Nothing to learn."""

    def snapshot(self) -> Snapshot:
        return {}

    def restore(self, snapshot: Snapshot) -> None:
        assert not snapshot
