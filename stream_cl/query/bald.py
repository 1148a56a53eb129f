"""BALD: ask where a label would say most about which model is right.

Sources: Houlsby, Huszár, Ghahramani and Lengyel 2011, *Bayesian Active Learning for
Classification and Preference Learning*, equation 2; Gal, Islam and Ghahramani 2017, *Deep
Bayesian Active Learning with Image Data*, section 4 (dropout as samples of the posterior). The
mutual information between the label y of an event and the model θ, over S samples of θ:

    utility(x) = I(y; θ) / log k = ( H(1/S · Σ_s p_s) − 1/S · Σ_s H(p_s) ) / log k

An event of two classes that overlap is uncertain but teaches nothing: all models say one half,
and the utility is 0. Samples come from the learner where it has the power `SamplesPosterior`,
else from a committee of logistic regressions (`_ensemble.py`): with these, and as many of them,
it is `committee` with `kl`.

Memory: that of the committee. Cost per event: predicting with all samples, 0.8 µs for ten
features and 2 classes, 9 µs for 128 columns of which 39 are filled and 23 classes.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from stream_cl.query._models import SeveralModels, Votes, mutual_information


class BaldSampling(SeveralModels):
    """Mutual information of label and model, in [0, 1]; 1 while fewer than two classes are known.

    Args:
        width: numbers in an encoded event.
        seed: of the committee's draws, where it is needed.
        max_classes: most classes that there may ever be.
        samples: models drawn from the posterior.
    """

    name = "bald"

    def __init__(self, width: int, seed: int, max_classes: int, samples: int = 10) -> None:
        super().__init__(width, seed, max_classes, samples)

    def worth(self, votes: Votes) -> npt.NDArray[np.float64]:
        """The mutual information for each event of `votes [samples, n, k]`."""
        return mutual_information(votes)
