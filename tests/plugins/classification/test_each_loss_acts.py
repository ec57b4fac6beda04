"""What a head's options say is what is trained on, to the number: the loss by hand in a real training, and dropout."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from graft.console import Console
from graft.engine.train import train
from graft.plugins import Plugins, load_plugins
from graft.recipe import load_recipe
from graft.runs.folder import Run
from graft_classification.heads import EmbeddingHead, LinearHead, MlpHead
from graft_classification.options import HeadOptions
from photos import COLOURS, write_photos

CLASSES = sorted(COLOURS)
QUICK = {
    "task.kind": "classification",
    "backbone.weights": "none",
    "backbone.size": 32,
    "augment.kind": "flip",
    "train.epochs": 2,
    "train.batch": 8,
    "evaluation.bootstrap": 0,
}
LOSSES = {"label_smoothing": 0.3, "class_weights": "balanced", "focal": 2.0}
"""For every option that all heads share, a value of it that is not the default."""

Training = Callable[..., Run]


@dataclass(kw_only=True)
class Asked:
    """One call of a head's loss."""

    training: bool
    logits: NDArray[np.float64]
    targets: NDArray[Any]
    loss: float


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three classes, one of them rarer than the others."""
    root = write_photos(tmp_path_factory.mktemp("losses") / "photos", per_class=12)
    for path in sorted((root / "sky").iterdir())[6:]:
        path.unlink()
    return root


@pytest.fixture(scope="module")
def plugins() -> Plugins:
    return load_plugins(names=["classification"])


@pytest.fixture
def trained(photos: Path, plugins: Plugins, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Training:
    monkeypatch.setattr("graft.engine._finish.write_report", lambda run, material: run.path / "report.html")

    def run(*overrides: str) -> Run:
        recipe = load_recipe(None, base={**QUICK, "data.train": str(photos)}, overrides=overrides, plugins=plugins)
        return train(recipe, plugins=plugins, out=tmp_path, name=None, console=Console(quiet=True))

    return run


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Asked]:
    found: list[Asked] = []
    loss = EmbeddingHead.loss

    def seen(head: EmbeddingHead, outputs: Tensor, targets: Tensor) -> dict[str, Tensor]:
        terms = loss(head, outputs, targets)
        found.append(
            Asked(
                training=head.training,
                logits=outputs.detach().double().numpy(),
                targets=targets.numpy(),
                loss=float(sum(terms.values()).detach()),
            )
        )
        return terms

    monkeypatch.setattr(EmbeddingHead, "loss", seen)
    return found


def _images(run: Run) -> Counter[str]:
    """Return how many images of each class were trained on."""
    with (run.path / "split.csv").open(encoding="utf-8", newline="") as file:
        return Counter(row["id"].split("/")[0] for row in csv.DictReader(file) if row["split"] == "train")


def _by_hand(
    call: Asked, images: Sequence[int], *, multi: bool, label_smoothing: float, class_weights: str, focal: float
) -> float:
    """Return the loss of a batch; `images` says how many of each class are trained on."""
    counts, total = np.array(images, float), 0.0
    balanced = class_weights == "balanced"
    if multi:
        weights = (counts.sum() - counts) / counts if balanced else np.ones(len(counts))
        for logits, target in zip(call.logits, call.targets, strict=True):
            for logit, yes, weight in zip(logits, target, weights, strict=True):
                score, share = 1 / (1 + np.exp(-logit)), yes * (1 - label_smoothing) + label_smoothing / 2
                term = -weight * share * np.log(score) - (1 - share) * np.log(1 - score)
                total += term * abs(share * (1 - score) + (1 - share) * score) ** focal
        return total / call.logits.size
    weights = counts.sum() / (len(counts) * counts) if balanced else np.ones(len(counts))
    for logits, target in zip(call.logits, call.targets, strict=True):
        scores = np.exp(logits) / np.exp(logits).sum()
        for label, score in enumerate(scores):
            share = (1 - label_smoothing) * (label == target) + label_smoothing / len(scores)
            total -= weights[label] * share * (1 - score) ** focal * np.log(score)
    return total / float(weights[call.targets].sum())


def test_every_option_of_all_heads_is_here() -> None:
    assert set(LOSSES) == set(HeadOptions.model_fields)


@pytest.mark.parametrize("labels", ["single", "multi"])
@pytest.mark.parametrize("names", [(), *((name,) for name in LOSSES), tuple(LOSSES)], ids="+".join)
def test_loss__is_the_one_by_hand(names: Sequence[str], labels: str, trained: Training, asked: list[Asked]) -> None:
    chosen = {name: LOSSES[name] for name in names}
    run = trained(f"task.labels={labels}", *(f"head.{name}={value}" for name, value in chosen.items()))
    images = _images(run)
    plain = {"label_smoothing": 0.0, "class_weights": "none", "focal": 0.0}
    given, cross_entropy, expected = [], [], []
    for call in asked:
        counts = [images[name] for name in CLASSES]
        given.append(call.loss)
        cross_entropy.append(_by_hand(call, counts, multi=labels == "multi", **plain))
        expected.append(_by_hand(call, counts, multi=labels == "multi", **{**plain, **chosen}))
    assert given == pytest.approx(expected, rel=1e-4)
    if names:
        assert given != pytest.approx(cross_entropy, rel=1e-2)
    trained_on = [loss for loss, call in zip(expected, asked, strict=True) if call.training]
    epochs = np.array_split(trained_on, 2)
    assert [row["train.loss"] for row in run.history] == pytest.approx([np.mean(one) for one in epochs], rel=1e-4)


@pytest.mark.parametrize(("kind", "head"), [("linear", LinearHead), ("mlp", MlpHead)])
@pytest.mark.parametrize("dropout", [0.0, 0.4])
def test_dropout__drops_its_share_in_training_alone(
    dropout: float, kind: str, head: type[EmbeddingHead], trained: Training, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs: dict[bool, list[Tensor]] = {True: [], False: []}
    build = head.build

    def watched(self: EmbeddingHead, *arguments: Any) -> nn.Module:
        layers = build(self, *arguments)
        first = next(layer for layer in layers.modules() if isinstance(layer, nn.Linear))
        first.register_forward_pre_hook(lambda layer, given: inputs[layer.training].append(given[0].detach()))
        return layers

    monkeypatch.setattr(head, "build", watched)
    trained(f"head.kind={kind}", f"head.dropout={dropout}")
    # Standardised embeddings are zero by dropout alone, but for entries that are equal in all images of a batch.
    zero = torch.cat([batch[:, batch.count_nonzero(0) > 0] == 0 for batch in inputs[True]], dim=1)
    assert float(zero.float().mean()) == pytest.approx(dropout, abs=0.05)
    assert all(float((batch == 0).float().mean()) < 0.02 for batch in inputs[False])
