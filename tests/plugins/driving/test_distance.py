"""Average precision by distance: bands of box heights, with objects of other bands left out of account."""

from __future__ import annotations

import math

import numpy as np
import pytest

from graft.recipe.schema import Options
from graft_detection.detections import Detections, Truth
from graft_detection.evaluation.metrics import CocoMetrics
from graft_driving.distance import PrecisionByDistance

SIZE = (240, 320)
NEAR, MIDDLE, FAR = 60.0, 20.0, 6.0
"""Heights in each band: of 240 pixels, near begins at 30 and far ends at 10."""


def truth(*heights: float) -> Truth:
    boxes = np.array([[40 * n, 100, 40 * n + h, 100 + h] for n, h in enumerate(heights)], np.float32).reshape(-1, 4)
    none = np.zeros(len(heights), bool)
    return Truth(boxes, np.zeros(len(heights), np.int64), none, none, boxes[:, 2] * 0 + 1, SIZE)


def found(target: Truth, *which: int, shift: float = 0.0) -> Detections:
    boxes = target.boxes[list(which)] + np.float32(shift)
    return Detections(boxes, np.zeros(len(which), np.int64), np.linspace(0.9, 0.5, len(which), dtype=np.float32), SIZE)


def values(predictions: list[Detections], targets: list[Truth]) -> dict[str, float]:
    metric = PrecisionByDistance(classes=("car",), options=Options())
    return metric.compute(metric.rows(predictions, targets))


def test_each_band_counts_its_own_objects_alone() -> None:
    target = truth(NEAR, MIDDLE, FAR)
    got = values([found(target, 0, 2)], [target])
    assert got["map50_near"] == pytest.approx(1)
    assert got["map50_middle"] == 0
    assert got["map50_far"] == pytest.approx(1)


def test_a_false_one_counts_in_the_band_of_its_own_height() -> None:
    target = truth(NEAR, FAR)
    false = Detections(
        np.array([[200, 10, 260, 70]], np.float32), np.zeros(1, np.int64), np.array([0.95], np.float32), SIZE
    )
    right = found(target, 0, 1)
    both = Detections(
        np.concatenate([false.boxes, right.boxes]), np.zeros(3, np.int64), np.r_[false.scores, right.scores], SIZE
    )
    got = values([both], [target])
    assert got["map50_near"] == pytest.approx(0.5)
    assert got["map50_far"] == pytest.approx(1)


def test_a_band_without_objects_has_no_value() -> None:
    target = truth(NEAR)
    assert math.isnan(values([found(target, 0)], [target])["map_far"])


def test_where_all_objects_are_in_one_band_it_is_cocos_value() -> None:
    rng = np.random.default_rng(0)
    targets = [truth(*rng.uniform(40, 60, 4)) for _ in range(6)]
    predictions = [found(target, 0, 2, 3, shift=float(rng.uniform(0, 9))) for target in targets]
    coco = CocoMetrics(classes=("car",), options=Options())
    whole = coco.compute(coco.rows(predictions, targets))
    own = values(predictions, targets)
    assert 0 < whole["map"] < 1
    assert own["map_near"] == pytest.approx(whole["map"])
    assert own["map50_near"] == pytest.approx(whole["map50"])


def test_a_resample_counts_images_as_often_as_they_are_drawn() -> None:
    targets = [truth(NEAR), truth(NEAR)]
    metric = PrecisionByDistance(classes=("car",), options=Options())
    rows = metric.rows([found(targets[0], 0), found(targets[1])], targets)
    assert metric.compute(rows[[0, 0]])["map50_near"] == pytest.approx(1)
    assert metric.compute(rows[[1, 1]])["map50_near"] == 0
