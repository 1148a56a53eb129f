"""How far each annotator is to be trusted, learned from their answers alone, one by one.

The model of Dawid and Skene (1979, *Maximum likelihood estimation of observer error-rates using
the EM algorithm*, sections 2 and 3): annotator a who is shown an event of class j answers l with
probability θ_a[j, l], whatever others answer. With π_j the share of class j, an event answered
l_a by the annotators a has class j with probability

    q_j ∝ π_j · Π_a θ_a[j, l_a]

EM goes in steps of one event, as every answer comes (Neal and Hinton 1998, *A view of the EM
algorithm that justifies incremental, sparse, and other variants*, section 4): what the event's
answers had added to the counts N_a[j, l] and n_j is taken out, q is computed anew, and q_j is
added to N_a[j, l_a] and to n_j. What an event added stays once it is forgotten. The estimates
are means of the posteriors under pseudo-counts that annotators share, so that a new one starts as
the mean of all others and moves away as the answers come:

    θ_a[j] = (N_a[j] + s · P[j]) / (|N_a[j]| + s)          s = `strength`
    P[j]   = (Σ_a N_a[j] + s · B[j]) / (|Σ_a N_a[j]| + s)
    B[j]   = `right` at j, the rest spread evenly over the other classes
    π_j    = (n_j + 1) / (Σ n + k)

With little known, all annotators are alike and right more often than not, which is majority vote.

Memory: 8 · annotators · classes · (classes + 1) bytes, annotators rounded up to a power of two and
at most `max_annotators`; of more the one who has not answered for longest is forgotten. Cost of a
posterior: O(answers · classes); of a new class: a copy of all.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from stream_cl.core.snapshot import Snapshot

Posterior = npt.NDArray[np.float64]
"""`float64 [k]`: the probability of each class; sums to 1."""
Votes = Sequence[tuple[str, int]]
"""Who answered, and which class; every annotator once."""


class DawidSkene:
    """Confusion matrices of annotators; formulas and sources stand above.

    Args:
        max_annotators: annotators remembered.
        strength: answers that what is known of all counts for in judging one.
        right: how often an annotator is right before anything is known, above 0 and below 1.

    >>> trust = DawidSkene(max_annotators=10)
    >>> for name in ("anna", "ben", "carl"):
    ...     trust.came(name)
    >>> for event in range(30):
    ...     truth = event % 2
    ...     votes = [("anna", truth), ("ben", truth), ("carl", 0)]
    ...     trust.learn(votes, trust.posterior(votes, classes=2))
    >>> trust.trust("anna") > 0.8, trust.trust("carl") < 0.7
    (True, True)
    >>> trust.posterior([("anna", 1), ("carl", 0)], classes=2).argmax()
    np.int64(1)
    """

    def __init__(self, max_annotators: int, strength: float = 10.0, right: float = 0.7) -> None:
        assert max_annotators >= 1
        assert strength > 0.0
        assert 0.0 < right < 1.0
        self.max_annotators = max_annotators
        self._strength, self._right = strength, right
        self._slot: dict[str, int] = {}  # the one who has not answered for longest first
        self._allocate(0, 0)

    def _allocate(self, annotators: int, classes: int) -> None:
        # A function of what is remembered alone, since the order of a sum may depend on shapes.
        rows = min(self.max_annotators, 1 << max(0, annotators - 1).bit_length())
        self._counts = np.zeros((rows, classes, classes))
        self._totals = np.zeros((rows, classes))
        self._pool = np.zeros((classes, classes))
        self._classes = np.zeros(classes)

    def __len__(self) -> int:
        return len(self._slot)

    @property
    def classes(self) -> int:
        """k: one more than the largest class ever answered."""
        return len(self._classes)

    def posterior(self, votes: Votes, classes: int, prior: Posterior | None = None) -> Posterior:
        """The probability of each of `classes` classes, given who answered what. Pure.

        prior: `float64 [classes]`, what is known of this event besides, such as what a learner
        predicts; takes the place of π.
        """
        k = max(classes, self.classes, 1 + max((label for _, label in votes), default=-1))
        q = self._prior(k)
        if prior is not None:  # a class that it does not name is unlikely, not impossible
            q = np.maximum(np.pad(prior, (0, k - len(prior))), 1e-6)
        for said in self._says(votes, k) if votes else ():
            q = q * said
            q /= q.sum()  # at once: products of many small numbers would come to nothing
        normed: Posterior = q / q.sum()
        return normed

    def learn(self, votes: Votes, q: Posterior, sign: int = 1) -> None:
        """Add what an event's votes say if its class is distributed as `q`; with sign −1 take
        out what was added before."""
        self._grow(len(q), votes)
        pad = self.classes - len(q)
        q = sign * np.pad(q, (0, pad)) if pad else sign * q
        _add(self._classes, q)
        for name, label in votes:
            _add(self._pool[:, label], q)
            slot = self._slot.get(name)
            if slot is not None:  # else forgotten since: what it said went with it
                _add(self._counts[slot, :, label], q)
                _add(self._totals[slot], q)

    def came(self, name: str) -> None:
        """An annotator answers: remembered from now on, in the place of the one who has not
        answered for longest."""
        slot = self._slot.pop(name, None)
        if slot is None:
            if len(self._slot) < self.max_annotators:
                slot = len(self._slot)
                self._slot[name] = slot
                self._reallocate(self.classes)
                return
            slot = self._slot.pop(next(iter(self._slot)))
            self._counts[slot], self._totals[slot] = 0.0, 0.0
        self._slot[name] = slot

    def confusion(self, name: str) -> npt.NDArray[np.float64]:
        """θ `float64 [k, k]`: row j, how an event of class j is answered. Of an unknown name,
        that of all."""
        k = self.classes
        return self._says([(name, label) for label in range(k)], k).T

    def trust(self, name: str) -> float:
        """How often this annotator is right: Σ_j π_j θ[j, j]."""
        s, slot = self._strength, self._slot.get(name)
        if slot is None:
            return self.typical()
        own, total = np.diagonal(self._counts[slot]), self._totals[slot]
        said = (own + s * self._right_of_all()) / (total + s)
        return float((self._prior(self.classes) * said).sum()) if self.classes else self._right

    def typical(self) -> float:
        """How often an annotator of whom nothing is known is right."""
        if not self.classes:
            return self._right
        return float((self._prior(self.classes) * self._right_of_all()).sum())

    def largest_share(self) -> float:
        """max π: how often always naming the largest class would be right."""
        return float(self._prior(max(1, self.classes)).max())

    def _right_of_all(self) -> Posterior:
        """P[j, j] `float64 [k]`."""
        s = self._strength
        right: Posterior = (np.diagonal(self._pool) + s * self._right) / (
            self._pool.sum(axis=1) + s
        )
        return right

    def names(self) -> list[str]:
        """Who is remembered, the one who has not answered for longest first."""
        return list(self._slot)

    def _prior(self, k: int) -> Posterior:
        counts = np.ones(k)
        counts[: self.classes] += self._classes
        share: Posterior = counts / counts.sum()
        return share

    def _says(self, votes: Votes, k: int) -> npt.NDArray[np.float64]:
        """θ_a[·, l] of each vote (a, l), `float64 [m, k]`."""
        known, m, s = self.classes, len(votes), self._strength
        labels = np.array([label for _, label in votes])
        slots = np.array([self._slot.get(name, -1) for name, _ in votes])
        pooled, own, total = np.zeros((3, m, k))
        rows = np.zeros(k)
        rows[:known] = self._pool.sum(axis=1)
        total[:, :known] = self._totals[slots] * (slots >= 0)[:, None]
        old = (labels < known).nonzero()[0]
        pooled[old, :known] = self._pool[:, labels[old]].T
        old = old[slots[old] >= 0]
        own[old, :known] = self._counts[slots[old], :, labels[old]]
        base = np.full((m, k), (1.0 - self._right) / max(k - 1, 1))
        base[np.arange(m), labels] = self._right if k > 1 else 1.0
        share: npt.NDArray[np.float64] = (pooled + s * base) / (rows + s)
        said: npt.NDArray[np.float64] = (own + s * share) / (total + s)
        return said

    def _grow(self, k: int, votes: Votes) -> None:
        k = max(k, 1 + max((label for _, label in votes), default=-1))
        if k > self.classes:
            self._reallocate(k)

    def _reallocate(self, classes: int) -> None:
        before, n = (self._counts, self._totals, self._pool, self._classes), self.classes
        rows = len(self._totals)
        self._allocate(len(self._slot), classes)
        self._counts[:rows, :n, :n], self._totals[:rows, :n] = before[0], before[1]
        self._pool[:n, :n], self._classes[:n] = before[2], before[3]

    def snapshot(self) -> Snapshot:
        return {
            "names": list(self._slot),
            "slots": list(self._slot.values()),
            "counts": self._counts[: len(self)].copy(),
            "totals": self._totals[: len(self)].copy(),
            "pool": self._pool.copy(),
            "classes": self._classes.copy(),
        }

    def restore(self, snapshot: Snapshot) -> None:
        n = len(snapshot["names"])
        assert n <= self.max_annotators, f"{n} annotators, where {self.max_annotators} may be kept"
        self._slot = dict(zip(snapshot["names"], snapshot["slots"], strict=True))
        self._allocate(n, len(snapshot["classes"]))
        self._counts[:n], self._totals[:n] = snapshot["counts"], snapshot["totals"]
        self._pool[...], self._classes[...] = snapshot["pool"], snapshot["classes"]


def _add(counts: npt.NDArray[np.float64], q: Posterior) -> None:
    # Taking out may leave rounding below zero, or more of it where the annotator was forgotten
    # meanwhile and came again.
    np.maximum(counts + q, 0.0, out=counts)
