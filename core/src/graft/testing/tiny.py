"""A whole plugin that is as small as can be: a task, a head, a metric and a backbone, for what needs some of each.

It is not installed: `with_tiny` puts it beside what is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from graft.backbones.contract import Backbone, BackboneInfo, WeightsInfo
from graft.data import Catalogue, Sample
from graft.errors import Problem
from graft.evaluation import Metric
from graft.plugins import BackboneSpec, HeadSpec, MetricSpec, PluginInfo, Plugins, TaskSpec
from graft.plugins.loading import LoadedPlugin
from graft.report.sections import Section
from graft.tasks import Features, Head, Task
from graft.testing.backbones import tiny_backbone

NAME = "graft-tiny"

QUICK: Mapping[str, Any] = {
    "task": NAME,
    "backbone.kind": f"{NAME}:five",
    "backbone.weights": "none",
    "augment": "flip",
    "train.epochs": 4,
    "train.batch": 4,
    "train.device": "cpu",
    "evaluation.bootstrap": 0,
}
"""A recipe that is carried out in a moment; `data.train` is left to say."""


def with_tiny(plugins: Plugins) -> Plugins:
    """Return plugins with this one beside them."""
    info = PluginInfo(name=NAME, version="1", distribution=None, licence=None, source=__name__, hooks=())
    own = (
        TaskSpec(
            name=NAME,
            summary="Which of two shades a picture has.",
            target=f"{__name__}:TinyTask",
            verb=NAME,
            takes="labels",
            head=NAME,
            augment="flip",
            metrics=(NAME,),
            monitor=NAME,
            mixes=("mixup", "cutmix"),
        ),
        HeadSpec(name=NAME, summary="Linear.", target=f"{__name__}:TinyHead", tasks=(NAME,), needs="embedding"),
        MetricSpec(name=NAME, summary="Share of hits.", target=f"{__name__}:TinyMetric", tasks=(NAME,)),
        BackboneSpec(
            name=NAME, summary="Five stages.", target=f"{__name__}:TinySource", index="graft.testing:tiny.txt"
        ),
    )
    loaded = [LoadedPlugin(info=one, contributions=plugins.contributions(one)) for one in plugins.loaded]
    return Plugins([*loaded, LoadedPlugin(info=info, contributions=own)])


def write_shades(folder: Path, per_class: int = 8) -> Path:
    """Write a folder of two class folders with noisy pictures, 32 pixels wide, and return it."""
    for label, name in enumerate(("dark", "light")):
        (folder / name).mkdir(parents=True)
        for index in range(per_class):
            pixels = np.random.default_rng([label, index]).normal(60 + 120 * label, 50, (32, 32, 3))
            Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(folder / name / f"{index}.png")
    return folder


class TinyTask(Task):
    """One label for each picture."""

    prediction_columns = ("label",)

    def check(self, catalogue: Catalogue, split: Mapping[str, Sequence[int]]) -> list[Problem]:
        """Return nothing."""
        return []

    def encode(self, sample: Sample) -> np.int64:
        """Return the number of its class."""
        return np.int64(self.classes.index(sample.target[0]))

    def collate(self, targets: Sequence[Any]) -> Tensor:
        """Return `(B,)`."""
        return torch.tensor(np.array(targets))

    def strata(self, catalogue: Catalogue) -> Sequence[str]:
        """Return the labels."""
        return [sample.target[0] for sample in catalogue.samples]

    def as_row(self, prediction: Any) -> dict[str, Any]:
        """Return the label."""
        return {"label": self.classes[int(prediction.argmax())]}

    def errors(self, predictions: Sequence[Any], targets: Sequence[Any]) -> NDArray[np.float64]:
        """Return what is missing to a score of one."""
        return np.array([1 - one[target] for one, target in zip(predictions, targets, strict=True)], np.float64)

    def caption(self, prediction: Any, target: Any) -> str:
        """Return both labels."""
        return f"{self.as_row(prediction)['label']}, truly {self.classes[target]}"

    def baseline(self, targets: Sequence[Any], train_targets: Sequence[Any]) -> list[Any]:
        """Return the shares of the classes."""
        counts = np.bincount(train_targets, minlength=len(self.classes))
        return [(counts / counts.sum()).astype(np.float32)] * len(targets)

    def sections(self, predictions: Sequence[Any], targets: Sequence[Any]) -> list[Section]:
        """Return nothing."""
        return []


class TinyHead(Head):
    """Dropout and a linear layer."""

    def __init__(self, *, info: BackboneInfo, classes: Sequence[str], options: Any, task: Task) -> None:
        super().__init__(info=info, classes=classes, options=options, task=task)
        self.layers = nn.Sequential(nn.Dropout(0.1), nn.Linear(info.embed_dim, len(classes)))

    def forward(self, features: Features, image_size: tuple[int, int]) -> Tensor:
        """Return logits `(B, C)`."""
        return self.layers(features.embedding)  # type: ignore[no-any-return]

    def loss(self, outputs: Any, targets: Any) -> dict[str, Tensor]:
        """Return the cross-entropy."""
        return {"cross_entropy": nn.functional.cross_entropy(outputs, targets)}

    def decode(self, outputs: Any, image_sizes: Sequence[tuple[int, int]]) -> list[NDArray[np.float32]]:
        """Return scores `(C,)` for each image."""
        return list(outputs.float().softmax(1).cpu().numpy())

    def exported(self, outputs: Any) -> dict[str, Tensor]:
        """Return the scores."""
        return {"scores": outputs.softmax(1)}


class TinyMetric(Metric):
    """Share of the pictures whose largest score is the true one's."""

    def rows(self, predictions: Sequence[Any], targets: Sequence[Any]) -> NDArray[Any]:
        """Return `(N,)`."""
        return np.array([one.argmax() == target for one, target in zip(predictions, targets, strict=True)], float)

    def compute(self, rows: NDArray[Any]) -> dict[str, float]:
        """Return the mean."""
        return {NAME: float(rows.mean()) if len(rows) else float("nan")}


class TinySource:
    """Offers the backbone `five`: `graft.testing.tiny_backbone`."""

    def names(self) -> Sequence[str]:
        """Return its one name."""
        return ("five",)

    def build(self, arch: str, *, channels: int = 3, stochastic_depth: float = 0.0) -> Backbone:
        """Return it."""
        return tiny_backbone(channels=channels)

    def pretrained(self, arch: str) -> WeightsInfo | None:
        """Return None: there are no weights."""
        return None

    def tagged(self, arch: str) -> Sequence[str]:
        """Return nothing."""
        return ()

    def fetch(self, arch: str) -> dict[str, Tensor]:
        """Return nothing."""
        return {}

    def convert(self, arch: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return it as it is."""
        return state

    def classifier(self, arch: str) -> Sequence[str]:
        """Return nothing."""
        return ()
