"""A whole small plugin, task to backbone, and finished runs of it made by hand: no timm, no training, no Lightning."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from graft.backbones.contract import Backbone, BackboneInfo, StageInfo, WeightsInfo
from graft.data.dataset import ImageDataset
from graft.data.loader import make_loader
from graft.data.sampler import EpochSampler
from graft.data.samples import SPLITS, Catalogue, PreparedData, Sample
from graft.data.store import PixelStore
from graft.evaluation.metrics import Metric
from graft.model import Model
from graft.plugins import BackboneSpec, Contribution, HeadSpec, MetricSpec, PluginInfo, Plugins, TaskSpec
from graft.plugins.discovery import core
from graft.plugins.loading import LoadedPlugin, load
from graft.preprocess import Preprocess
from graft.recipe import Options, ResolvedRecipe, resolve
from graft.report.material import Material, Outcome
from graft.report.sections import Figure, Gallery, Picture, Section, Table
from graft.runs.bundle import save_bundle
from graft.runs.folder import Run
from graft.runs.measure import measure_outcome, predict_split
from graft.tasks.contract import Features, Head, Task

HOSTILE = (
    '<script>alert("x")</script>',
    "=1+1;'\"--",
    "$x^{$ \\frac",
    "a/b\\c\nd",
    "naïve 日本語 👩‍🔬 \u202eabc",
    "</style></table>{{ 7*7 }}&amp;",
)
SIZE = 16
PREPROCESS = Preprocess(size=(SIZE, SIZE), mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.25), channel_order="bgr")


class HeadOptions(Options):
    """Options of the head."""

    scale: float = 3.0
    """Sharpness of the scores."""


class TonesTask(Task):
    """Names the tone of an image; a prediction is a vector of scores."""

    prediction_columns = ("label", "score")

    def check(self, catalogue, split):
        return []

    def encode(self, sample):
        return np.int64(self.classes.index(sample.target[0]))

    def collate(self, targets):
        return torch.from_numpy(np.stack(targets))

    def strata(self, catalogue):
        return [sample.target[0] for sample in catalogue.samples]

    def as_row(self, prediction):
        best = int(prediction.argmax())
        return {"label": self.classes[best], "score": round(float(prediction[best]), 6)}

    def errors(self, predictions, targets):
        return np.array([1 - p[t] for p, t in zip(predictions, targets, strict=True)])

    def caption(self, prediction, target):
        return f"{self.classes[int(prediction.argmax())]} · true: {self.classes[int(target)]}"

    def baseline(self, targets, train_targets):
        counts = Counter(int(t) for t in train_targets)
        return [np.array([counts[i] for i in range(len(self.classes))], dtype=np.float32)] * len(targets)

    def sections(self, predictions, targets):
        from matplotlib.figure import Figure as Drawing

        drawing = Drawing(figsize=(4, 3))
        axes = drawing.subplots()
        names = self.classes[:20]
        axes.bar(range(len(names)), np.bincount(targets, minlength=len(self.classes))[: len(names)])
        axes.set_xticks(range(len(names)), names)
        axes.set_title(self.classes[-1])
        axes.set_yscale("log")
        rows = [(name, 1234, 0.123456, None, float("nan")) for name in self.classes]
        return [
            Section(
                title=f"Tones of {self.classes[0]}",
                how_to_read=self.classes[0],
                parts=[
                    Figure(figure=drawing, alt=self.classes[0]),
                    Table(columns=("class", "n", "share", "gap", "nan"), rows=rows),
                    Gallery(pictures=[Picture(path=Path("gone.png"), caption=self.classes[0])]),
                ],
            )
        ]


class TonesHead(Head):
    def __init__(self, *, info, classes, options, task):
        super().__init__(info=info, classes=classes, options=options, task=task)
        self.linear = nn.Linear(info.embed_dim, len(classes))
        self.scale = options.scale

    def forward(self, features: Features, image_size):
        return self.linear(features.embedding)

    def loss(self, outputs, targets):
        return {"cross_entropy": nn.functional.cross_entropy(outputs, targets)}

    def decode(self, outputs, image_sizes):
        return list(self.exported(outputs)["scores"].cpu().numpy())

    def exported(self, outputs) -> dict[str, Tensor]:
        return {"scores": (outputs * self.scale).softmax(dim=1)}


class Share(Metric):
    """The share of right answers, in all and per class."""

    def rows(self, predictions, targets):
        return np.array([(p.argmax() == t, t) for p, t in zip(predictions, targets, strict=True)], dtype=np.float64)

    def compute(self, rows):
        values = {"share": float(rows[:, 0].mean())}
        for index, name in enumerate(self.classes):
            mine = rows[rows[:, 1] == index, 0]
            values[f"share.{name}"] = float(mine.mean()) if len(mine) else float("nan")
        return values


class BlocksSource:
    """Two small stages."""

    def names(self):
        return ["two"]

    def build(self, arch, *, channels=3):
        stages = [
            nn.Sequential(nn.Conv2d(channels, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU()),
            nn.Conv2d(8, 12, 3, 2, 1),
        ]
        info = BackboneInfo(
            stages=(
                StageInfo(name="stem", channels=8, reduction=2),
                StageInfo(name="stage1", channels=12, reduction=4),
            ),
            embed_dim=12,
        )
        return Backbone(
            stages=stages, tail=nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()), info=info, preprocess=PREPROCESS
        )

    def pretrained(self, arch):
        return None


def tones_plugins(*more: Contribution) -> Plugins:
    """Return core's plugin and this one, which offers `more`, too."""
    info = PluginInfo(name="tones", version="1.2", distribution="graft-tones", licence="MIT", source="x", hooks=())
    contributions = (
        TaskSpec(
            name="tones",
            summary="Tones",
            target="tones:TonesTask",
            verb="tone",
            takes="labels",
            head="plain",
            augment="none",
            metrics=("share",),
            monitor="share",
        ),
        HeadSpec(
            name="plain",
            summary="Plain",
            target="tones:TonesHead",
            options="tones:HeadOptions",
            tasks=("tones",),
            needs="embedding",
        ),
        MetricSpec(name="share", summary="Share", target="tones:Share", tasks=("tones",)),
        BackboneSpec(name="blocks", summary="Blocks", target="tones:BlocksSource", index="tones:none.txt"),
        *more,
    )
    loaded = load(core())
    assert isinstance(loaded, LoadedPlugin)
    return Plugins([loaded, LoadedPlugin(info=info, contributions=contributions)])


def tones_recipe(plugins: Plugins, data: Mapping[str, Any]) -> ResolvedRecipe:
    """Return a resolved recipe."""
    values = {
        "task": "tones",
        "data": data,
        "backbone": {"kind": "blocks:two", "weights": "none"},
        "head": {"kind": "plain", "scale": 2.0},
        "train": {"batch": 4},
        "evaluation": {"bootstrap": 40},
    }
    return resolve(values, plugins=plugins)


def tones_model(resolved: ResolvedRecipe, classes: Sequence[str], plugins: Plugins) -> Model:
    """Return a model with random weights, and norm statistics that are not the initial ones."""
    torch.manual_seed(0)
    task = plugins.target(resolved.task)(classes=classes, options=resolved.task_options)
    backbone = BlocksSource().build("two")
    head = plugins.target(resolved.head)(info=backbone.info, classes=classes, options=resolved.head_options, task=task)
    model = Model(backbone, head, resolved.head.needs)
    with torch.no_grad():
        model.train()(torch.randint(0, 256, (8, 3, SIZE, SIZE), dtype=torch.uint8))
    return model.eval()


def save_tones(folder: Path, classes: Sequence[str] = HOSTILE) -> tuple[Path, Model, Plugins]:
    """Write a bundle; returns its folder, the model in it and the plugins."""
    plugins = tones_plugins()
    resolved = tones_recipe(plugins, {"train": "data"})
    model = tones_model(resolved, classes, plugins)
    weights = WeightsInfo(name="blocks.tag", licence="cc-by-nc-4.0", origin="here", preprocess=PREPROCESS)
    save_bundle(folder, model=model, resolved=resolved, classes=classes, weights=weights, plugins=plugins)
    return folder, model, plugins


def write_images(folder: Path, number: int, *, seed: int = 0) -> list[Path]:
    """Write pictures of different size and tone."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    paths = []
    for index in range(number):
        height, width = rng.integers(12, 40, 2)
        noise = rng.normal(0, 30, (height, width, 3)) + rng.uniform(0, 255, 3)
        paths.append(folder / f"{index:02}.png")
        Image.fromarray(np.clip(noise, 0, 255).astype(np.uint8)).save(paths[-1])
    return paths


def finished_run(
    folder: Path, classes: Sequence[str] = HOSTILE, *, shares: Sequence[int] = (4, 2, 2)
) -> tuple[Run, Material, Plugins]:
    """Write a run of 8 images per class as the engine would, without training; `shares` are images per class and split.

    The data is a table, since no folder can be named like some of the classes.
    """
    plugins = tones_plugins()
    data = folder / "data"
    files = write_images(data, len(classes) * sum(shares))
    where = [split for split, share in zip(SPLITS, shares, strict=True) for _ in range(share)] * len(classes)
    rows = [(file.name, classes[index // sum(shares)], where[index]) for index, file in enumerate(files)]
    (data / "labels.csv").write_text(_table(("path", "label", "split"), rows), encoding="utf-8", newline="")
    resolved = tones_recipe(
        plugins,
        {"train": str(data / "labels.csv"), "reader": {"kind": "csv", "separator": ""}},
    )
    model = tones_model(resolved, classes, plugins)
    task = plugins.target(resolved.task)(classes=classes, options=resolved.task_options)
    samples = tuple(Sample(id=n, path=data / n, target=(label,), split=split) for n, label, split in rows)
    catalogue = Catalogue(samples=samples, classes=tuple(classes), reader="csv", root=data, notes=("a <note>",))
    split = {name: [i for i, sample in enumerate(samples) if sample.split == name] for name in SPLITS}
    prepared = PreparedData(catalogue=catalogue, split=split, split_by="as given")
    outcomes, metrics, baseline = {}, {}, {}
    for name in ("val", "test"):
        members = [samples[index] for index in split[name]]
        if not members:
            continue
        targets = [task.encode(sample) for sample in members]
        dataset = ImageDataset(members, targets, store=PixelStore(PREPROCESS), task_collate=task.collate)
        sampler = EpochSampler(len(dataset), seed=0, shuffle=False)
        loader = make_loader(dataset, sampler, batch=4, workers=0, drop_last=False)
        outcomes[name] = Outcome(
            samples=members, predictions=predict_split(model, loader, device="cpu")[0], targets=targets
        )
        guesses = task.baseline(targets, [task.encode(samples[index]) for index in split["train"]])
        guessed = Outcome(samples=members, predictions=guesses, targets=targets)
        shared = {"resolved": resolved, "task": task, "plugins": plugins}
        metrics[name] = measure_outcome(outcomes[name], intervals=name == "test", **shared)
        baseline[name] = measure_outcome(guessed, intervals=False, **shared)
    path = folder / "run <b>&amp;"
    path.mkdir()
    results = {
        "metrics": {s: {n: _plain(asdict(v)) for n, v in values.items()} for s, values in metrics.items()},
        "baseline": {s: {n: _plain(asdict(v)) for n, v in values.items()} for s, values in baseline.items()},
        "monitor": "share",
        "best_epoch": 2,
        "epochs": 3,
        "seconds": 1.5,
        "weights_sha256": "ab" * 32,
        "warnings": [f"beware of {classes[0]}"],
    }
    history = [
        {"epoch": e, "train.loss": 2 / e, "val.loss": 2.5 / e, "val.share": 0.2 * e, "lr.stem": 0, "lr.head": 0.1}
        for e in (1, 2, 3)
    ]
    texts = {
        "results.json": json.dumps(results),
        "metrics.jsonl": "".join(f"{json.dumps(row)}\n" for row in history),
        "recipe.toml": resolved.to_toml(),
        "environment.json": json.dumps({"versions": {"torch": "2"}, "command": ["graft", classes[0]]}),
        "split.csv": _table(("id", "split", "sha256"), [_recorded(samples[i]) for name in SPLITS for i in split[name]]),
        "bad_files.csv": _table(("id", "code", "reason"), [(f"{classes[0]}.png", "corrupt", "broken")]),
        "duplicates.csv": _table(("sha256", "id", "split"), [("ab", "1.png", "train"), ("ab", "2.png", "test")]),
        "status.json": json.dumps({"state": "finished"}),
    }
    for name, text in texts.items():
        (path / name).write_text(text, encoding="utf-8")
    save_bundle(path / "bundle", model=model, resolved=resolved, classes=classes, weights=None, plugins=plugins)
    return Run.open(path, plugins=plugins), Material(task=task, outcomes=outcomes, prepared=prepared), plugins


def _plain(values: dict[str, float | None]) -> dict[str, float | None]:
    return {name: None if value is None or np.isnan(value) else value for name, value in values.items()}


def _recorded(sample: Sample) -> tuple[str, str | None, str]:
    return sample.id, sample.split, hashlib.sha256(sample.path.read_bytes()).hexdigest()


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([header, *rows])
    return text.getvalue()
