"""How often training samples are seen, when some kinds of them are rare. Torch-free."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def expected_repeats(strata: Sequence[str], sampling: str) -> NDArray[np.float64] | None:
    """Return how often each of N training samples is to be seen per epoch in expectation, `(N,)`, all above 0.

    `balanced`: every stratum as often as any other, in an epoch of N samples; frequent ones are then seen in part only.

    `repeat-factor`: `max(1, sqrt(t / f))`, with `f` the share of the sample's stratum (Gupta et al. 2019, LVIS).
    Nothing is left out, epochs become longer, and a rare stratum stays the rarer one. The threshold `t` is 1 / number
    of strata: what is rarer than its even share is repeated. (The paper's 0.001 is for a thousand classes; of some
    hundred images it would repeat none.)

    Args:
        strata: A word per sample, as `Task.strata` gives them.
        sampling: `natural`, which gives None, `balanced` or `repeat-factor`.
    """
    if sampling == "natural":
        return None
    _, stratum, counts = np.unique(np.asarray(strata, dtype=object), return_inverse=True, return_counts=True)
    even = len(strata) / (len(counts) * counts[stratum])
    return even if sampling == "balanced" else np.maximum(1.0, np.sqrt(even))
