"""A task small enough that a whole training takes a moment: which of a few shades a picture has.

The backbone has what freezing can get wrong: norms with running statistics, and dropout.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from graft.backbones import BackboneInfo, StageInfo
from graft.backbones.contract import Backbone, WeightsInfo
from graft.data.samples import Catalogue, Sample
from graft.errors import Problem
from graft.evaluation.metrics import Metric
from graft.model import Model
from graft.plugins import BackboneSpec, HeadSpec, MetricSpec, PluginInfo, Plugins, TaskSpec
from graft.plugins.discovery import core
from graft.plugins.loading import LoadedPlugin, load
from graft.preprocess import Preprocess
from graft.recipe import Options
from graft.runs.folder import Run
from graft.tasks import Features, FittedHead, Head, Task

Train = Callable[..., Run]

TASK = TaskSpec(
    name="shades",
    summary="Which shade a picture has.",
    target="shades:Shades",
    verb="shade",
    takes="labels",
    head="plain",
    augment="flip",
    metrics=("hits",),
    monitor="hits",
    mixes=("mixup", "cutmix"),
)
CONTRIBUTIONS = (
    TASK,
    HeadSpec(name="plain", summary="Linear.", target="shades:Plain", tasks=("shades",), needs="embedding"),
    HeadSpec(
        name="nearest", summary="Nearest.", target="shades:Nearest", tasks=("shades",), needs="embedding", fitted=True
    ),
    HeadSpec(
        name="steps", summary="Recurrent.", target="shades:Steps", tasks=("shades",), needs="embedding", sequences=True
    ),
    MetricSpec(name="hits", summary="Share of hits.", target="shades:Hits", tasks=("shades",)),
    BackboneSpec(name="shades", summary="Tiny.", target="shades:Source", index="shades:index.txt"),
)


def shades_plugins() -> Plugins:
    """Return core and this plugin."""
    own = load(core())
    assert isinstance(own, LoadedPlugin)
    info = PluginInfo(
        name="shades", version="1", distribution=None, licence=None, source="shades", hooks=("graft_tasks",)
    )
    return Plugins([own, LoadedPlugin(info=info, contributions=CONTRIBUTIONS)])


def write_shades(root: Path, per_class: int = 12, classes: Sequence[str] = ("dark", "light")) -> Path:
    """Write a folder of class folders with noisy pictures, 16 pixels wide."""
    for label, name in enumerate(classes):
        (root / name).mkdir(parents=True)
        for index in range(per_class):
            level = 60 + 120 * label / (len(classes) - 1)
            pixels = np.random.default_rng([label, index]).normal(level, 50, (16, 16, 3))
            Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(root / name / f"{name}{index:02}.png")
    return root


class Source:
    """Offers the backbone `bits`."""

    def names(self) -> Sequence[str]:
        return ("bits",)

    def build(self, arch: str, *, channels: int = 3) -> Backbone:
        def stage(before: int, after: int) -> nn.Module:
            return nn.Sequential(
                nn.Conv2d(before, after, 3, stride=2, padding=1), nn.BatchNorm2d(after), nn.ReLU(), nn.Dropout(0.1)
            )

        infos = StageInfo(name="stem", channels=4, reduction=2), StageInfo(name="stage1", channels=8, reduction=4)
        return Backbone(
            stages=[stage(channels, 4), stage(4, 8)],
            tail=nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 6)),
            info=BackboneInfo(stages=infos, embed_dim=6),
            preprocess=Preprocess(size=(16, 16), resize="squash", mean=(0.5,) * channels, std=(0.5,) * channels),
        )

    def pretrained(self, arch: str) -> WeightsInfo | None:
        return None

    def tagged(self, arch: str) -> Sequence[str]:
        return ()

    def fetch(self, arch: str) -> dict[str, Tensor]:
        return {}

    def convert(self, arch: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
        return state

    def classifier(self, arch: str) -> Sequence[str]:
        return ()


class Plain(Head):
    """Dropout and one linear layer."""

    def __init__(self, *, info: BackboneInfo, classes: Sequence[str], options: Any, task: Task) -> None:
        super().__init__(info=info, classes=classes, options=options, task=task)
        self.dropout = nn.Dropout(0.2)
        self.linear = nn.Linear(info.embed_dim, len(classes))
        self.register_buffer("seen", torch.zeros(()))

    def prepare(self, targets: Sequence[Any]) -> None:
        self.seen += len(targets)

    def forward(self, features: Features, image_size: tuple[int, int]) -> Tensor:
        return self.linear(self.dropout(features.embedding))

    def loss(self, outputs: Any, targets: Any) -> dict[str, Tensor]:
        return {"cross_entropy": nn.functional.cross_entropy(outputs, targets)}

    def decode(self, outputs: Any, image_sizes: Sequence[tuple[int, int]]) -> list[NDArray[np.float32]]:
        return list(outputs.softmax(1).cpu().numpy())

    def exported(self, outputs: Any) -> dict[str, Tensor]:
        return {"scores": outputs.softmax(1)}


class Steps(Plain):
    """A recurrent layer over the frames of a sequence, one sequence after the other, and dropout."""

    def __init__(self, *, info: BackboneInfo, classes: Sequence[str], options: Any, task: Task) -> None:
        super().__init__(info=info, classes=classes, options=options, task=task)
        self.layer = nn.GRU(info.embed_dim, info.embed_dim, batch_first=True)

    def forward(self, features: Features, image_size: tuple[int, int]) -> Tensor:
        rows = features.embedding
        sequences = rows.split(1 if features.lengths is None else list(features.lengths))
        last = torch.cat([self.layer(own[None])[1][0] for own in sequences])
        return self.linear(self.dropout(last))


class Nearest(FittedHead):
    """The shade of the training picture that is nearest: it keeps all of them, so the data decides its shapes."""

    def __init__(self, *, info: BackboneInfo, classes: Sequence[str], options: Any, task: Task) -> None:
        super().__init__(info=info, classes=classes, options=options, task=task)
        self.register_buffer("kept", torch.zeros(1, info.embed_dim))
        self.register_buffer("shades", torch.zeros(1, len(classes)))

    def fit(
        self, descriptions: NDArray[np.float32], targets: Sequence[Any], *, seed: int, groups: Sequence[str] | None
    ) -> dict[str, Any]:
        self.kept = torch.from_numpy(descriptions)
        self.shades = torch.eye(self.shades.shape[1])[torch.tensor(targets)]
        return {"pictures": len(targets)}

    def answer(self, descriptions: Tensor) -> Tensor:
        nearest = torch.cdist(descriptions, self.kept).argmin(dim=1)
        return 5 * self.shades[nearest]

    loss, decode, exported = Plain.loss, Plain.decode, Plain.exported


class Shades(Task):
    """One label per picture."""

    prediction_columns = ("label",)

    def check(self, catalogue: Catalogue, split: Mapping[str, Sequence[int]]) -> list[Problem]:
        return []

    def encode(self, sample: Sample) -> int:
        return self.classes.index(sample.target[0])

    def collate(self, targets: Sequence[Any]) -> Tensor:
        return torch.tensor(targets)

    def strata(self, catalogue: Catalogue) -> Sequence[str]:
        return [sample.target[0] for sample in catalogue.samples]

    def as_row(self, prediction: Any) -> dict[str, Any]:
        return {"label": self.classes[int(prediction.argmax())]}

    def errors(self, predictions: Sequence[Any], targets: Sequence[Any]) -> NDArray[np.float64]:
        return np.array([1 - scores[target] for scores, target in zip(predictions, targets, strict=True)], float)

    def caption(self, prediction: Any, target: Any) -> str:
        return f"{self.as_row(prediction)['label']}, truly {self.classes[target]}"

    def baseline(self, targets: Sequence[Any], train_targets: Sequence[Any]) -> list[Any]:
        most = np.bincount(train_targets, minlength=len(self.classes)).argmax()
        return [np.eye(len(self.classes), dtype=np.float32)[most] for _ in targets]

    def sections(self, predictions: Sequence[Any], targets: Sequence[Any]) -> list[Any]:
        return []


class Hits(Metric):
    """Share of the pictures whose largest score is the true one's."""

    def rows(self, predictions: Sequence[Any], targets: Sequence[Any]) -> NDArray[Any]:
        return np.array([scores.argmax() == target for scores, target in zip(predictions, targets, strict=True)], float)

    def compute(self, rows: NDArray[Any]) -> dict[str, float]:
        return {"hits": float(rows.mean()) if len(rows) else float("nan")}


QUICK = {
    "task.kind": "shades",
    "backbone.kind": "shades:bits",
    "backbone.weights": "none",
    "train.epochs": 3,
    "train.batch": 4,
    "evaluation.bootstrap": 20,
}
"""A recipe that is carried out in a moment; `data.train` is left to say."""


def small_model() -> Model:
    """Return the network with a head for two classes."""
    backbone = Source().build("bits")
    classes = ("dark", "light")
    task = Shades(classes=classes, options=Options())
    return Model(backbone, Plain(info=backbone.info, classes=classes, options=Options(), task=task), "embedding")
