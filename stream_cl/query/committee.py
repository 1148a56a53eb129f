"""Query by committee: ask where models that know the same labels disagree.

Sources: Seung, Opper and Sompolinsky 1992, *Query by Committee*; McCallum and Nigam 1998,
*Employing EM and Pool-Based Active Learning for Text Classification*, section 3.2 (KL to the
mean); Settles 2009, *Active Learning Literature Survey*, section 3.2. With E members, member e
says p_e and votes for argmax p_e; V_c is the share of votes for class c, p̄ the mean of the p_e:

    vote_entropy   −Σ_c V_c log V_c / log min(E, k)
    kl             1/E · Σ_e Σ_c p_ec log (p_ec / p̄_c) / log k

Few members can vote in few ways, so `vote_entropy` has many ties; `kl` has none, and sees how
sure each member is. The members are samples of the learner's posterior where it has the power,
otherwise logistic regressions trained by online bagging (`_ensemble.py`), whatever the learner
is: they tell where labels leave room for opinions, not where this learner is unsure.

Memory: that of the members. Cost per event: predicting with all of them, 0.4 µs for ten
features and 2 classes, 4 µs for 128 columns of which 39 are filled and 23 classes.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from stream_cl.query._models import SeveralModels, Votes, mutual_information, vote_entropy

Disagreement = Literal["kl", "vote_entropy"]


class CommitteeSampling(SeveralModels):
    """Disagreement of a committee, in [0, 1]; 1 while fewer than two classes are known.

    Args:
        width: numbers in an encoded event.
        seed: of which member learns which label.
        max_classes: most classes that there may ever be.
        measure: how disagreement is measured.
        members: models in the committee.
    """

    name = "committee"

    def __init__(
        self,
        width: int,
        seed: int,
        max_classes: int,
        measure: Disagreement = "kl",
        members: int = 5,
    ) -> None:
        super().__init__(width, seed, max_classes, members)
        self.measure: Disagreement = measure

    def worth(self, votes: Votes) -> npt.NDArray[np.float64]:
        """The measure for each event of `votes [members, n, k]`."""
        return mutual_information(votes) if self.measure == "kl" else vote_entropy(votes)
