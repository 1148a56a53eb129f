"""How far each annotator is to be trusted, learned from their answers alone, one by one.

The model of Dawid and Skene (1979, *Maximum likelihood estimation of observer error-rates using
the EM algorithm*, sections 2 and 3): annotator a who is shown an event of class j answers l with
probability θ_a[j, l], whatever others answer. With π_j the share of class j, an event answered
l_a by the annotators a has class j with probability

    q_j ∝ π_j · Π_a θ_a[j, l_a]

EM goes in steps of one event, as every answer comes (Neal and Hinton 1998, *A view of the EM
algorithm that justifies incremental, sparse, and other variants*, section 4): what the event's
answers had added to the counts N_a[j, l] is taken out, q is computed anew, and q_j is added to
N_a[j, l_a]. What an event added stays once it is forgotten.

Most annotators give few answers, from which a whole matrix cannot be told. So each estimate is
the mean of a posterior whose prior is the estimate above it (annotators as draws from a
population: Kim and Ghahramani 2012, *Bayesian Classifier Combination*, section 3; Venanzi et al.
2014, *Community-Based Bayesian Aggregation Models for Crowdsourcing*, section 3): one number for
all, one matrix for all, one number for each, one matrix for each. N is Σ_a N_a, |·| a sum:

    r       = (tr N + SKILL · right) / (|N| + SKILL)            how often an answer is right
    P[j]    = (N[j] + POOL · B[j]) / (|N[j]| + POOL)            B[j]: r at j, the rest even
    r_a     = (tr N_a + SKILL · r) / (|N_a| + SKILL)
    M_a[j]    has the odds of P[j, j] times odds(r_a) / odds(r) at j, the rest as in P[j]
    θ_a[j]  = (N_a[j] + MATRIX · M_a[j]) / (|N_a[j]| + MATRIX)
    π_j     = (n_j + CLASS) / (Σ n + k · CLASS)                 n: of the last answers, LATELY

With little known all annotators are alike, right more often than not and wrong in no direction,
and all classes are as likely, which is majority vote. π is taken from answers as they came and
not from q, as EM would have it: a class that is new would be taken for a mistake about an old one,
its events be counted as the old one's, and so for ever. It is of late, since streams change.

The constants were chosen on nine crowds that no benchmark here uses, of 1,700 to 28,000 answers;
around them the accuracy is flat. MATRIX taken as what is most likely given the counts (Minka
2000, *Estimating a Dirichlet distribution*) was between 5 and 20 there, and gained nothing.

Memory: 8 · annotators · classes · (classes + 1) bytes, annotators rounded up to a power of two and
at most `max_annotators`; of more the one who has not answered for longest is forgotten. Cost of a
posterior: O(answers · classes); of a new class: a copy of all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from stream_cl.core.snapshot import Snapshot

Posterior = npt.NDArray[np.float64]
"""`float64 [k]`: the probability of each class; sums to 1."""
Column = npt.NDArray[np.float64]
"""`float64 [m]`: a number for each of some annotators."""
Matrix = npt.NDArray[np.float64]
Votes = Sequence[tuple[str, int]]
"""Who answered, and which class; every annotator once."""
SKILL: Final = 20.0
"""Answers that the accuracy of all counts for in judging that of one."""
MATRIX: Final = 10.0
"""Answers to events of a class that an annotator's accuracy counts for in judging how."""
POOL: Final = 100.0
"""Answers to events of a class that it takes to believe in mistakes that all make."""
CLASS: Final = 5.0
"""Answers for each class that it takes to believe in classes that are rare."""
LATELY: Final = 1_000
"""Answers that the shares of the classes are taken from, the older ones counting less."""
_SURE: Final = 1e-9
"""Nobody is surer than 1 less this: odds are finite."""


class Population(NamedTuple):
    """What is known of all annotators together: r, |N[j]| `float64 [k]`, N[j, j] `float64 [k]`."""

    r: float
    rows: Posterior
    right: Posterior


class DawidSkene:
    """Confusion matrices of annotators; formulas and sources stand above.

    Args:
        max_annotators: annotators remembered.
        right: how often an annotator is right before anything is known, above 0 and below 1.

    >>> trust = DawidSkene(max_annotators=10)
    >>> for event in range(30):
    ...     truth = event % 2
    ...     votes = [("anna", truth), ("ben", truth), ("carl", 0)]
    ...     for name, label in votes:
    ...         trust.came(name, label)
    ...     trust.learn(votes, trust.posterior(votes, classes=2))
    >>> trust.trust("anna") > 0.8, trust.trust("carl") < 0.7
    (True, True)
    >>> trust.posterior([("anna", 1), ("carl", 0)], classes=2).argmax()
    np.int64(1)
    """

    def __init__(self, max_annotators: int, right: float = 0.7) -> None:
        assert max_annotators >= 1
        assert 0.0 < right < 1.0
        self.max_annotators = max_annotators
        self._right = right
        self._slot: dict[str, int] = {}  # the one who has not answered for longest first
        self._allocate(0, 0)

    def _allocate(self, annotators: int, classes: int) -> None:
        self._population: Population | None = None
        # A function of what is remembered alone, since the order of a sum may depend on shapes.
        rows = min(self.max_annotators, 1 << max(0, annotators - 1).bit_length())
        self._counts = np.zeros((rows, classes, classes))
        self._totals = np.zeros((rows, classes))
        self._pool = np.zeros((classes, classes))
        self._lately = np.zeros(classes)

    def __len__(self) -> int:
        return len(self._slot)

    @property
    def classes(self) -> int:
        """k: one more than the largest class ever answered."""
        return len(self._lately)

    def posterior(self, votes: Votes, classes: int, prior: Posterior | None = None) -> Posterior:
        """The probability of each of `classes` classes, given who answered what. Pure.

        prior: `float64 [classes]`, what is known of this event besides, such as what a learner
        predicts; takes the place of π.
        """
        k = max(classes, self.classes, 1 + max((label for _, label in votes), default=-1))
        q = self.shares(k)
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
        self._grow(max(len(q), 1 + max((label for _, label in votes), default=-1)))
        self._population = None
        pad = self.classes - len(q)
        q = sign * np.pad(q, (0, pad)) if pad else sign * q
        for name, label in votes:
            _add(self._pool[:, label], q)
            slot = self._slot.get(name)
            if slot is not None:  # else forgotten since: what it said went with it
                _add(self._counts[slot, :, label], q)
                _add(self._totals[slot], q)

    def came(self, name: str, label: int) -> None:
        """An annotator answers `label`: remembered from now on, in the place of the one who has
        not answered for longest."""
        self._grow(label + 1)
        self._lately *= 1.0 - 1.0 / LATELY
        self._lately[label] += 1.0
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

    def confusion(self, name: str) -> Matrix:
        """θ `float64 [k, k]`: row j, how an event of class j is answered. Of an unknown name,
        that of all."""
        k = self.classes
        return self._says([(name, label) for label in range(k)], k).T

    def trust(self, name: str) -> float:
        """How often this annotator is right: Σ_j π_j θ[j, j]."""
        return float(self.trusts([name])[0])

    def trusts(self, names: Sequence[str]) -> Column:
        """The same of several annotators, `float64 [m]`; of unknown ones, that of all."""
        k, slots = self.classes, self._slots(names)
        if not k:
            return np.full(len(names), self._right)
        at, known = np.arange(k), (slots >= 0).nonzero()[0]
        own, total = np.zeros((2, len(names), k))
        own[known] = self._counts[slots[known, None], at, at]
        total[known] = self._totals[slots[known]]
        right, _ = self._usual(own.sum(axis=1), total.sum(axis=1), k)
        found: Column = ((own + MATRIX * right) / (total + MATRIX)) @ self.shares(k)
        return found

    def shares(self, classes: int) -> Posterior:
        """π `float64 [k]`, k at least `classes`: how likely each class is, lately."""
        counts = np.full(max(classes, self.classes), CLASS)
        counts[: self.classes] += self._lately
        share: Posterior = counts / counts.sum()
        return share

    def largest_share(self) -> float:
        """max π: how often always naming the largest class would be right."""
        return float(self.shares(max(1, self.classes)).max())

    def names(self) -> list[str]:
        """Who is remembered, the one who has not answered for longest first."""
        return list(self._slot)

    def _of_all(self) -> Population:
        if self._population is None:
            rows, right = self._pool.sum(axis=1), np.diagonal(self._pool).copy()
            hits, answers = float(right.sum()), float(rows.sum())
            r = min((hits + SKILL * self._right) / (answers + SKILL), 1.0 - _SURE)
            self._population = Population(r, rows, right)
        return self._population

    def _usual(self, hits: Column, answers: Column, k: int) -> tuple[Matrix, Matrix]:
        """M_a[j, j] `float64 [m, k]` of annotators who gave `answers [m]`, right in `hits [m]`,
        and what the rest of P[j] is multiplied with to be that of M_a[j]."""
        r, rows, right = self._of_all()
        pad = (0, k - self.classes)
        of_all = (np.pad(right, pad) + POOL * r) / (np.pad(rows, pad) + POOL) if k > 1 else 1.0
        of_all = np.minimum(of_all, 1.0 - _SURE)
        own = np.minimum((hits + SKILL * r) / (answers + SKILL), 1.0 - _SURE)
        odds = own / (1.0 - own) * ((1.0 - r) / r)
        odds_of_all = of_all / (1.0 - of_all)
        wrong = 1.0 / (1.0 + odds[:, None] * odds_of_all)
        return 1.0 - wrong, wrong * (1.0 + odds_of_all)

    def _slots(self, names: Sequence[str]) -> npt.NDArray[np.int64]:
        return np.array([self._slot.get(name, -1) for name in names], dtype=np.int64)

    def _says(self, votes: Votes, k: int) -> Matrix:
        """θ_a[·, l] of each vote (a, l), `float64 [m, k]`."""
        known, m = self.classes, len(votes)
        labels = np.array([label for _, label in votes])
        slots = self._slots([name for name, _ in votes])
        r, rows, _ = self._of_all()
        pooled, own, total = np.zeros((3, m, k))
        hits, at = np.zeros(m), np.arange(known)
        here = (slots >= 0).nonzero()[0]
        total[here, :known] = self._totals[slots[here]]
        hits[here] = self._counts[slots[here, None], at, at].sum(axis=1)
        old = (labels < known).nonzero()[0]
        pooled[old, :known] = self._pool[:, labels[old]].T
        old = old[slots[old] >= 0]
        own[old, :known] = self._counts[slots[old], :, labels[old]]
        even = (1.0 - r) / max(k - 1, 1)
        right, rest = self._usual(hits, total.sum(axis=1), k)
        usual = (pooled + POOL * even) / (np.pad(rows, (0, k - known)) + POOL) * rest
        usual[np.arange(m), labels] = right[np.arange(m), labels]
        said: Matrix = (own + MATRIX * usual) / (total + MATRIX)
        return said

    def _grow(self, k: int) -> None:
        if k > self.classes:
            self._reallocate(k)

    def _reallocate(self, classes: int) -> None:
        before, n = (self._counts, self._totals, self._pool, self._lately), self.classes
        rows = len(self._totals)
        self._allocate(len(self._slot), classes)
        self._counts[:rows, :n, :n], self._totals[:rows, :n] = before[0], before[1]
        self._pool[:n, :n], self._lately[:n] = before[2], before[3]

    def snapshot(self) -> Snapshot:
        return {
            "names": list(self._slot),
            "slots": list(self._slot.values()),
            "counts": self._counts[: len(self)].copy(),
            "totals": self._totals[: len(self)].copy(),
            "pool": self._pool.copy(),
            "lately": self._lately.copy(),
        }

    def restore(self, snapshot: Snapshot) -> None:
        n = len(snapshot["names"])
        assert n <= self.max_annotators, f"{n} annotators, where {self.max_annotators} may be kept"
        self._slot = dict(zip(snapshot["names"], snapshot["slots"], strict=True))
        self._allocate(n, len(snapshot["lately"]))
        self._counts[:n], self._totals[:n] = snapshot["counts"], snapshot["totals"]
        self._pool[...], self._lately[...] = snapshot["pool"], snapshot["lately"]


def _add(counts: npt.NDArray[np.float64], q: Posterior) -> None:
    # Taking out may leave rounding below zero, or more of it where the annotator was forgotten
    # meanwhile and came again.
    np.maximum(counts + q, 0.0, out=counts)
