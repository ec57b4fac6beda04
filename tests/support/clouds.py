"""Points in overlapping clouds, as descriptions of images, and the classical heads that are fitted to them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from graft.backbones import BackboneInfo, StageInfo
from graft.plugins import HeadSpec, Plugins, load_plugins
from graft.tasks import FittedHead
from graft_classification.options import TaskOptions
from graft_classification.task import ClassificationTask

LENGTH = 12
INFO = BackboneInfo(
    stages=(StageInfo(name="stem", channels=5, reduction=2), StageInfo(name="stage1", channels=7, reduction=4)),
    embed_dim=LENGTH,
)
KINDS = ("logistic", "linear-svm", "svm", "knn", "forest", "boosting", "fitted-mlp")
QUICK: dict[str, dict[str, Any]] = {
    "forest": {"trees": 12},
    "boosting": {"iterations": 8},
    "fitted-mlp": {"hidden": (6, 5), "iterations": 30},
}
"""Options with which fitting takes a moment."""


@cache
def plugins() -> Plugins:
    return load_plugins(names=["classification"])


def clouds(n: int, classes: int, *, seed: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return points `(n, 12)` in overlapping clouds, of unlike scale in each direction, and their classes `(n,)`."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(0, 1.2, (classes, LENGTH))
    labels = rng.integers(0, classes, n)
    scales = np.logspace(-1, 2, LENGTH)
    x = (centres[labels] + rng.normal(size=(n, LENGTH))) * scales + 3 * scales
    return x.astype(np.float32), labels


def as_labels(y: NDArray[np.int64], classes: int) -> NDArray[np.float32]:
    """Return class numbers as several labels: an image of one class also shows the next, if its place is even."""
    shown = np.eye(classes, dtype=np.float32)[y]
    shown[np.arange(len(y)) % 2 == 0] += np.eye(classes, dtype=np.float32)[(y[::2] + 1) % classes]
    shown[::7] = 0
    return shown


def head_of(kind: str, classes: int, *, labels: str = "single", **options: Any) -> FittedHead:
    """Return a head that is not fitted yet."""
    names = tuple("abcdefgh"[:classes])
    spec = plugins().find(HeadSpec, kind)
    model = plugins().options(spec)
    task = ClassificationTask(classes=names, options=TaskOptions(labels=labels))
    values = {**QUICK.get(kind, {}), **options}
    return plugins().target(spec)(info=INFO, classes=names, options=model(**values), task=task)


def fit(head: FittedHead, x: NDArray[np.float32], targets: Sequence[Any], **more: Any) -> dict[str, Any]:
    return dict(head.fit(x, list(targets), **{"seed": 5, "groups": None, **more}))


def scores_of(head: FittedHead, x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return probabilities `(n, C)`."""
    with torch.no_grad():
        return head.exported(head.answer(torch.from_numpy(x)))["scores"].numpy()
