from __future__ import annotations

import contextlib
import io
import time
from typing import Any

import numpy as np
import pytest

from graft.evaluation import evaluate
from graft_detection.detections import Detections, Truth
from graft_detection.evaluation.metrics import CocoMetrics

Floats = np.ndarray[Any, Any]


def truth(boxes: Any, labels: Any, *, crowd: Any = None, difficult: Any = None, areas: Any = None) -> Truth:
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    n = len(boxes)
    own = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    return Truth(
        boxes,
        np.array(labels, np.int64).reshape(-1),
        np.zeros(n, bool) if crowd is None else np.array(crowd, bool),
        np.zeros(n, bool) if difficult is None else np.array(difficult, bool),
        own if areas is None else np.array(areas, np.float32),
        (480, 640),
    )


def detections(boxes: Any, labels: Any, scores: Any) -> Detections:
    return Detections(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.array(labels, np.int64).reshape(-1),
        np.array(scores, np.float32).reshape(-1),
        (480, 640),
    )


def scene(rng: np.random.Generator, n: int, classes: int, *, spread: float) -> tuple[list[Detections], list[Truth]]:
    """Return n images: of many sizes, with crowds, images without objects or detections, ties and false detections."""
    predictions, targets = [], []
    for _ in range(n):
        objects = rng.integers(0, 9) * (rng.random() < 0.85)
        side = np.exp(rng.uniform(np.log(6), np.log(250), (objects, 2)))
        corner = rng.uniform(0, 1, (objects, 2)) * (np.array([640, 480]) - side)
        boxes = np.round(np.concatenate([corner, corner + side], axis=1) * 4) / 4
        labels = rng.integers(0, classes, objects)
        crowd = rng.random(objects) < 0.12
        # Some crowds are all of the image: whatever is found is in them, too.
        boxes[crowd & (rng.random(objects) < 0.5)] = [0, 0, 640, 480]
        areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1) * rng.uniform(0.5, 1, objects)
        targets.append(truth(boxes, labels, crowd=crowd, areas=areas))
        hits = np.concatenate([boxes, boxes])[rng.random(2 * objects) < 0.75]
        kinds = np.concatenate([labels, labels])[: len(hits)] if len(hits) else np.zeros(0, np.int64)
        hits = hits + rng.normal(0, spread, hits.shape) * np.tile(hits[:, 2:] - hits[:, :2], 2)
        corner = rng.uniform(0, 400, (rng.integers(0, 6) * (rng.random() < 0.9), 2))
        false = np.concatenate([corner, corner + rng.uniform(5, 200, corner.shape)], axis=1)
        found = np.concatenate([hits, false])
        found[:, 2:] = np.maximum(found[:, 2:], found[:, :2] + 1)
        kinds = np.concatenate([kinds, rng.integers(0, classes, len(false))])
        # Of few digits, so that many are equal.
        predictions.append(detections(found, kinds, np.round(rng.random(len(found)), 2)))
    return predictions, targets


def documents(predictions: list[Detections], targets: list[Truth], classes: int) -> tuple[dict[str, Any], list[Any]]:
    rows = []
    for image, true in enumerate(targets, 1):
        for box, label, crowd, area in zip(true.boxes.astype(float), true.labels, true.crowd, true.areas, strict=True):
            left, top, right, bottom = box.tolist()
            bbox = [left, top, right - left, bottom - top]
            row = {"id": len(rows) + 1, "image_id": image, "category_id": int(label) + 1, "bbox": bbox}
            rows.append({**row, "area": float(area), "iscrowd": int(crowd)})
    document = {
        "info": {},
        "images": [{"id": image, "width": 640, "height": 480} for image in range(1, len(targets) + 1)],
        "annotations": rows,
        "categories": [{"id": number, "name": str(number)} for number in range(1, classes + 1)],
    }
    results = []
    for image, found in enumerate(predictions, 1):
        for box, label, score in zip(found.boxes.astype(float), found.labels, found.scores, strict=True):
            left, top, right, bottom = box.tolist()
            bbox = [left, top, right - left, bottom - top]
            results.append({"image_id": image, "category_id": int(label) + 1, "bbox": bbox, "score": float(score)})
    return document, results


NAMES = ("map", "map50", "map75", "map_small", "map_medium", "map_large")
NAMES += ("ar1", "ar10", "ar100", "ar_small", "ar_medium", "ar_large")


def reference(library: str, predictions: list[Detections], targets: list[Truth], classes: int) -> tuple[Floats, Floats]:
    """Return the twelve values, and the precision `(T, R, K, A, M)`, as a library has them."""
    with contextlib.redirect_stdout(io.StringIO()):
        document, results = documents(predictions, targets, classes)
        if library == "pycocotools":
            from pycocotools.coco import COCO
            from pycocotools.cocoeval import COCOeval

            true = COCO()
            true.dataset = document
            true.createIndex()
            judge = COCOeval(true, true.loadRes(results), "bbox")
        else:
            from faster_coco_eval import COCO, COCOeval_faster

            true = COCO(document)
            judge = COCOeval_faster(true, true.loadRes(results), "bbox")
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
        return np.array(judge.stats[:12]), np.array(judge.eval["precision"])


def measured(predictions: list[Detections], targets: list[Truth], classes: int) -> dict[str, float]:
    metric = CocoMetrics(classes=[str(number) for number in range(classes)], options=None)
    return metric.compute(metric.rows(predictions, targets))


@pytest.mark.parametrize("library", ["pycocotools", "faster-coco-eval"])
@pytest.mark.parametrize(("seed", "spread"), [(0, 0.02), (1, 0.08), (2, 0.2), (3, 0.0)])
def test_values__equal_those_of_the_libraries(library: str, seed: int, spread: float) -> None:
    predictions, targets = scene(np.random.default_rng(seed), 60, 4, spread=spread)
    assert any(true.crowd.any() for true in targets)
    assert any(not len(true.labels) for true in targets)
    values = measured(predictions, targets, 4)
    stats, precision = reference(library, predictions, targets, 4)
    np.testing.assert_allclose([values[name] for name in NAMES], stats, atol=1e-6)
    for label in range(4):
        np.testing.assert_allclose(values[f"map.{label}"], precision[:, :, label, 0, -1].mean(), atol=1e-6)
        np.testing.assert_allclose(values[f"map50.{label}"], precision[0, :, label, 0, -1].mean(), atol=1e-6)


def test_values__more_than_a_hundred_detections_of_a_class() -> None:
    rng = np.random.default_rng(5)
    true = truth([[10, 10, 60, 60], [100, 100, 300, 300]], [0, 0])
    boxes = np.repeat(true.boxes, 90, axis=0) + rng.normal(0, 4, (180, 4))
    predictions = [detections(boxes, np.zeros(180), rng.random(180))]
    values = measured(predictions, [true], 1)
    stats, _ = reference("pycocotools", predictions, [true], 1)
    np.testing.assert_allclose([values[name] for name in NAMES], np.where(stats < 0, np.nan, stats), atol=1e-6)


def test_values__of_equal_overlaps_the_last_object_is_chosen() -> None:
    true = truth([[0, 0, 10, 10], [4, 0, 14, 10]], [0, 0])
    between = [detections([[2, 0, 12, 10], [4, 0, 14, 10]], [0, 0], [0.9, 0.8])]
    values = measured(between, [true], 1)
    stats, _ = reference("pycocotools", between, [true], 1)
    np.testing.assert_allclose([values[name] for name in NAMES], np.where(stats < 0, np.nan, stats), atol=1e-6)


def test_values__nothing_there_is_no_value() -> None:
    nothing = truth([], [])
    values = measured([detections([[0, 0, 5, 5]], [0], [0.9])], [nothing], 2)
    assert all(np.isnan(value) for value in values.values())
    one = measured([Detections.none((480, 640))], [truth([[0, 0, 5, 5]], [0])], 2)
    assert (one["map"], one["ar100"], one["map.0"], one["map_small"]) == (0, 0, 0, 0)
    assert np.isnan([one["map.1"], one["map_large"]]).all()


def test_difficult_objects__count_neither_for_nor_against() -> None:
    boxes = [[0, 0, 50, 50], [100, 100, 150, 150]]
    found = [detections(boxes, [0, 0], [0.8, 0.9])]
    missed = [detections(boxes[:1], [0], [0.8])]
    hard = [truth(boxes, [0, 0], difficult=[False, True])]
    assert measured(found, hard, 1)["map"] == pytest.approx(1)
    assert measured(missed, hard, 1)["map"] == pytest.approx(1)
    # Two detections of it: the second one is false.
    twice = [detections([*boxes, boxes[1]], [0, 0, 0], [0.5, 0.9, 0.8])]
    assert measured(twice, hard, 1)["map"] == pytest.approx(0.5)


def test_resamples__are_as_if_the_images_were_there_so_often() -> None:
    predictions, targets = scene(np.random.default_rng(7), 25, 3, spread=0.05)
    # Without ties, whose order a resample may change.
    rng = np.random.default_rng(8)
    for found in predictions:
        found.scores[:] = rng.random(len(found.scores))
    metric = CocoMetrics(classes=["0", "1", "2"], options=None)
    rows = metric.rows(predictions, targets)
    drawn = rng.integers(0, 25, 25)
    again = measured([predictions[index] for index in drawn], [targets[index] for index in drawn], 3)
    values = metric.compute(rows[drawn])
    for name, value in again.items():
        np.testing.assert_allclose(values[name], value, atol=1e-9, err_msg=name)


def test_intervals__hold_the_value() -> None:
    predictions, targets = scene(np.random.default_rng(9), 40, 2, spread=0.05)
    metric = CocoMetrics(classes=["0", "1"], options=None)
    values = evaluate([metric], predictions, targets, bootstrap=100, seed=0)
    value = values["map"]
    assert value.low is not None
    assert value.high is not None
    assert value.low < value.value < value.high


def test_speed__five_thousand_images_in_seconds() -> None:
    predictions, targets = scene(np.random.default_rng(10), 5000, 20, spread=0.1)
    began = time.monotonic()
    measured(predictions, targets, 20)
    assert time.monotonic() - began < 20
