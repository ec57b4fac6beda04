"""How many of the ill are found when so many of the healthy must be left alone. numpy alone."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from graft_classification.metrics import RankingMetric


class _Sensitivity(RankingMetric):
    """The largest sensitivity of any threshold whose specificity is at least `percent`.

    Each class against the rest, as scikit-learn's `roc_curve` gives it, without interpolation. NaN where a class is
    absent, or where there is nothing else.
    """

    percent: int

    def per_class(self, rows: NDArray[Any]) -> NDArray[np.float64]:
        """Return the sensitivity of each class, `(C,)`."""
        negatives, positives = (np.cumsum(counted[:, ::-1], axis=1) for counted in self.counts(rows))
        healthy, ill = negatives[:, -1], positives[:, -1]
        # In whole numbers: 1 - 0.95 in floats would lose the threshold that is exactly there.
        allowed = 100 * negatives <= (100 - self.percent) * healthy[:, None]
        best = np.where(allowed, positives, 0).max(axis=1)
        return np.where((healthy > 0) & (ill > 0), best / np.maximum(ill, 1), np.nan)


class SensitivityAt90(_Sensitivity):
    """`sensitivity_at_90`: with at most a tenth of the others called ill."""

    name, percent = "sensitivity_at_90", 90


class SensitivityAt95(_Sensitivity):
    """`sensitivity_at_95`: with at most a twentieth of the others called ill."""

    name, percent = "sensitivity_at_95", 95


class SensitivityAt99(_Sensitivity):
    """`sensitivity_at_99`: with at most a hundredth of the others called ill."""

    name, percent = "sensitivity_at_99", 99


EACH = (SensitivityAt90, SensitivityAt95, SensitivityAt99)
