"""How long an answer takes: the option `--delay`."""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import NormalDist

from stream_cl.core.errors import UserError


def delay_of(text: str) -> Callable[[float], float]:
    """A function from a uniform number in (0, 1) to seconds.

    Raises:
        UserError: the text is neither a number ≥ 0 nor `lognormal:MEDIAN,SIGMA`.
    """
    kind, _, rest = text.partition(":")
    try:
        if kind == "lognormal":
            median, sigma = (float(part) for part in rest.split(","))
            if median <= 0 or sigma < 0 or not math.isfinite(median * sigma):
                raise ValueError
            # Inverse of the distribution function, so that one draw gives one delay.
            normal = NormalDist()
            return lambda u: median * math.exp(sigma * normal.inv_cdf(min(max(u, 1e-9), 1 - 1e-9)))
        seconds = float(text)
        if not 0 <= seconds < math.inf:
            raise ValueError
    except ValueError:
        raise UserError(
            f"--delay {text}: give seconds, or lognormal:MEDIAN,SIGMA with a median above 0 and a "
            "sigma of at least 0"
        ) from None
    return lambda _: seconds
