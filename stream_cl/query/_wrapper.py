"""What strategies share that change what another strategy says.

Everything that they do not change goes on to the strategy inside, its optional powers too.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from stream_cl.core.protocols import (
    HearsAnswers,
    HearsCorrections,
    QueryStrategy,
    SeesDrift,
    Utilities,
)
from stream_cl.core.records import FloatMatrix
from stream_cl.core.snapshot import Snapshot


class Wrapper:
    """A strategy around the strategy `of`, whose state is part of its own.

    Subclasses give `utility` and `KIND`, and add what they remember themselves to `_own` and
    `_become`. Where events move that, they override `commit` too.
    """

    KIND: str

    def __init__(self, of: QueryStrategy) -> None:
        self.of = of

    @property
    def name(self) -> str:
        return f"{self.KIND}_of_{self.of.name}"

    @property
    def drifts(self) -> int:
        """Drifts that the strategy inside has seen."""
        return self.of.drifts if isinstance(self.of, SeesDrift) else 0

    @property
    def left(self) -> int:
        """Events that still belong to a burst of the strategy inside."""
        return self.of.left if isinstance(self.of, SeesDrift) else 0

    def commit(self, utilities: Utilities) -> None:
        """What the events changed lies in the strategy inside."""
        self.of.commit(utilities)

    def learn(self, x: FloatMatrix, y: npt.NDArray[np.int64]) -> None:
        """The strategy inside learns."""
        self.of.learn(x, y)

    def hear(
        self,
        y: npt.NDArray[np.int64],
        predicted: npt.NDArray[np.int64],
        cost: npt.NDArray[np.float64],
    ) -> None:
        """The strategy inside hears it, if it listens."""
        if isinstance(self.of, HearsAnswers):
            self.of.hear(y, predicted, cost)

    def corrected(self, old: npt.NDArray[np.int64]) -> None:
        """The strategy inside hears it, if it counts."""
        if isinstance(self.of, HearsCorrections):
            self.of.corrected(old)

    def snapshot(self) -> Snapshot:
        return {"of": self.of.snapshot(), **self._own()}

    def fingerprint(self) -> Snapshot:
        """What a digest of the state is taken of."""
        of = self.of
        inner = of.fingerprint() if hasattr(of, "fingerprint") else of.snapshot()
        return {"of": inner, **self._own()}

    def restore(self, snapshot: Snapshot) -> None:
        self.of.restore(snapshot["of"])
        self._become(snapshot)

    def _own(self) -> Snapshot:
        """What it remembers itself, as a copy."""
        return {}

    def _become(self, snapshot: Snapshot) -> None:
        """Take a copy of what `_own` gave."""
