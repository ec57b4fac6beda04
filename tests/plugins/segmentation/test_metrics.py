"""Metrics equal an independent calculation to 1e-6."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage
from sklearn.metrics import confusion_matrix, f1_score, jaccard_score
from torchmetrics.functional.classification import multiclass_accuracy, multiclass_jaccard_index

from graft_segmentation.masks import IGNORE
from graft_segmentation.metrics import BoundaryF1, Dice, Iou, PixelAccuracy
from graft_segmentation.options import TaskOptions
from graft_segmentation.target import MaskTarget, Segmented

CLASSES = ("a", "b", "c", "d")


def _smooth(rng: np.random.Generator, size: tuple[int, int], classes: int) -> np.ndarray:
    fields = ndimage.gaussian_filter(rng.normal(size=(classes, *size)), (0, 3, 3))
    return fields.argmax(axis=0).astype(np.uint8)


@pytest.fixture
def single() -> tuple[list[Segmented], list[MaskTarget]]:
    rng = np.random.default_rng(0)
    predictions, targets = [], []
    for size in ((40, 50), (31, 60), (25, 25)):
        true = _smooth(rng, size, 4)
        noisy = np.where(rng.random(size) < 0.2, _smooth(rng, size, 4), true).astype(np.uint8)
        true[rng.random(size) < 0.1] = IGNORE
        predictions.append(Segmented(noisy))
        targets.append(MaskTarget(None, {}, False, moved_to=true))
    return predictions, targets


@pytest.fixture
def multi() -> tuple[list[Segmented], list[MaskTarget]]:
    rng = np.random.default_rng(1)
    predictions, targets = [], []
    for size in ((30, 40), (20, 25)):
        true = np.stack([_smooth(rng, size, 2) for _ in CLASSES], axis=2)
        noisy = np.where(rng.random(true.shape) < 0.2, 1 - true, true).astype(np.uint8)
        true[rng.random(size) < 0.1] = IGNORE
        predictions.append(Segmented(noisy))
        targets.append(MaskTarget(None, {}, True, moved_to=true))
    return predictions, targets


def _flat(pair: tuple[list[Segmented], list[MaskTarget]]) -> tuple[np.ndarray, np.ndarray]:
    predicted = np.concatenate([one.mask.reshape(-1, *one.mask.shape[2:]) for one in pair[0]])
    true = np.concatenate([one.mask.reshape(-1, *one.mask.shape[2:]) for one in pair[1]])
    return predicted, true


def _measured(metric_class, pair, **options):
    labels = "multi" if pair[0][0].mask.ndim == 3 else "single"
    metric = metric_class(classes=CLASSES, options=TaskOptions(labels=labels, **options))
    return metric.compute(metric.rows(*pair))


def test_single__iou_dice_accuracy(single) -> None:
    predicted, true = _flat(single)
    kept = true != IGNORE
    p, t = predicted[kept], true[kept]
    iou, dice = _measured(Iou, single), _measured(Dice, single)
    assert np.allclose([iou[f"iou.{c}"] for c in CLASSES], jaccard_score(t, p, average=None), atol=1e-6, rtol=0)
    assert np.allclose([dice[f"dice.{c}"] for c in CLASSES], f1_score(t, p, average=None), atol=1e-6, rtol=0)
    tp, tt = torch.from_numpy(predicted).long(), torch.from_numpy(true).long()
    theirs = multiclass_jaccard_index(tp, tt, 4, average="macro", ignore_index=IGNORE)
    assert iou["iou"] == pytest.approx(float(theirs), abs=1e-6)
    accuracy = multiclass_accuracy(tp, tt, 4, average="micro", ignore_index=IGNORE)
    assert _measured(PixelAccuracy, single)["pixel_accuracy"] == pytest.approx(float(accuracy), abs=1e-6)
    metric = Iou(classes=CLASSES, options=TaskOptions())
    assert np.array_equal(metric.rows(*single).sum(axis=0), confusion_matrix(t, p, labels=range(4)))


def test_multi__iou_dice_accuracy(multi) -> None:
    predicted, true = _flat(multi)
    kept = true[:, 0] != IGNORE
    p, t = predicted[kept], true[kept]
    iou, dice = _measured(Iou, multi), _measured(Dice, multi)
    assert np.allclose([iou[f"iou.{c}"] for c in CLASSES], jaccard_score(t, p, average=None), atol=1e-6, rtol=0)
    assert dice["dice"] == pytest.approx(f1_score(t, p, average="macro"), abs=1e-6)
    assert _measured(PixelAccuracy, multi)["pixel_accuracy"] == pytest.approx(float((p == t).mean()), abs=1e-6)


def _boundary_by_hand(predicted: np.ndarray, true: np.ndarray, tolerance: int) -> float:
    """F1 of boundaries, pixel by pixel, without any transform."""
    height, width = predicted.shape

    def edge(mask: np.ndarray) -> list[tuple[int, int]]:
        found = []
        for y in range(height):
            for x in range(width):
                if not mask[y, x]:
                    continue
                around = [(y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)]
                if any(0 <= a < height and 0 <= b < width and not mask[a, b] for a, b in around):
                    found.append((y, x))
        return found

    void = [(y, x) for y in range(height) for x in range(width) if true[y, x] == IGNORE]

    def near(point: tuple[int, int], others: list[tuple[int, int]]) -> bool:
        return any((point[0] - y) ** 2 + (point[1] - x) ** 2 <= tolerance**2 for y, x in others)

    ours = [point for point in edge(predicted == 1) if not near(point, void)]
    theirs = [point for point in edge(true == 1) if not near(point, void)]
    precision = np.mean([near(point, theirs) for point in ours]) if ours else 0
    recall = np.mean([near(point, ours) for point in theirs]) if theirs else 0
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


@pytest.mark.parametrize("tolerance", [1, 2, 4])
def test_boundary_f1__by_hand(tolerance: int) -> None:
    rng = np.random.default_rng(3)
    values = []
    predictions, targets = [], []
    for _ in range(3):
        true = _smooth(rng, (24, 30), 2)
        predicted = _smooth(rng, (24, 30), 2)
        predicted[:12] = np.roll(true, 1, axis=1)[:12]
        true[:3, :3] = IGNORE
        values.append(_boundary_by_hand(predicted, true, tolerance))
        predictions.append(Segmented(predicted))
        targets.append(MaskTarget(None, {}, False, moved_to=true))
    metric = BoundaryF1(classes=("x", "y"), options=TaskOptions(boundary=tolerance))
    assert metric.compute(metric.rows(predictions, targets))["boundary_f1.y"] == pytest.approx(
        np.mean(values), abs=1e-6
    )


def test_classes_that_nothing_shows_are_undefined() -> None:
    nothing = [Segmented(np.zeros((5, 5), np.uint8))]
    target = [MaskTarget(None, {}, False, moved_to=np.zeros((5, 5), np.uint8))]
    for metric_class, name in ((Iou, "iou"), (Dice, "dice"), (BoundaryF1, "boundary_f1")):
        values = _measured(metric_class, (nothing, target))
        assert np.isnan(values[f"{name}.d"])
        # A mask of one class has no border inside.
        assert np.isnan(values[name]) if name == "boundary_f1" else values[name] == 1


def test_a_perfect_prediction(single) -> None:
    perfect = [Segmented(np.where(t.mask == IGNORE, 0, t.mask)) for t in single[1]]
    for metric_class, name in ((Iou, "iou"), (Dice, "dice"), (PixelAccuracy, "pixel_accuracy")):
        assert _measured(metric_class, (perfect, single[1]))[name] == 1
