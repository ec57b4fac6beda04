"""Metrics equal MONAI's, scikit-learn's, or what can be counted by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.metrics import compute_average_surface_distance, compute_hausdorff_distance
from scipy import ndimage
from sklearn.metrics import roc_curve

from graft_classification.options import TaskOptions as Labels
from graft_classification.scores import Scores
from graft_medical.lesions import Lesions
from graft_medical.sensitivity import EACH, SensitivityAt95
from graft_medical.surfaces import SurfaceDistances, surface_scores
from graft_segmentation.masks import IGNORE
from graft_segmentation.options import TaskOptions as Masks
from graft_segmentation.target import MaskTarget, Segmented


def blobs(seed: int, size: tuple[int, int], classes: int = 3) -> np.ndarray:
    fields = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(classes, *size)), (0, 3, 3))
    return fields.argmax(axis=0).astype(np.uint8)


def target(mask: np.ndarray) -> MaskTarget:
    return MaskTarget(None, {}, mask.ndim == 3, moved_to=mask)


@pytest.mark.parametrize("spacing", [(1.0, 1.0), (0.5, 2.0)])
@pytest.mark.parametrize("size", [(40, 50), (31, 17)])
def test_surfaces__are_those_of_monai(size: tuple[int, int], spacing: tuple[float, float]) -> None:
    said, true = blobs(0, size), blobs(1, size)
    one_hot = [torch.tensor(np.eye(3)[mask].transpose(2, 0, 1)[None]) for mask in (said, true)]
    given = {"include_background": True, "spacing": spacing}
    hausdorff = compute_hausdorff_distance(*one_hot, percentile=95, **given)
    surface = compute_average_surface_distance(*one_hot, symmetric=True, **given)
    found = surface_scores(said, true, 3, spacing=spacing)
    np.testing.assert_allclose(found, np.stack([hausdorff[0], surface[0]], axis=1), atol=1e-6)


def test_surfaces__missed_is_the_diagonal_absent_is_nothing_and_background_is_in_no_mean() -> None:
    true = np.zeros((30, 40), np.uint8)
    true[5:15, 5:15] = 1
    said = np.zeros_like(true)
    said[5:15, 8:18] = 1
    metric = SurfaceDistances(classes=("background", "lesion", "never"), options=Masks())
    rows = metric.rows([Segmented(said), Segmented(np.zeros_like(true))], [target(true), target(true)])
    assert rows[0, 1, 0] == 3
    assert rows[1, 1].tolist() == [50, 50]
    values = metric.compute(rows)
    assert values["hausdorff95"] == values["hausdorff95.lesion"] == pytest.approx((3 + 50) / 2)
    assert np.isnan(values["hausdorff95.never"])
    assert values["surface_distance"] == values["surface_distance.lesion"] < 30


def test_void_pixels_are_of_no_region() -> None:
    true = np.zeros((30, 40), np.uint8)
    true[5:15, 5:15] = 1
    said = true.copy()
    said[20:25, 20:25] = 1
    true[18:30] = IGNORE
    assert surface_scores(said, true, 2)[1].tolist() == [0, 0]
    counts = Lesions(classes=("background", "lesion"), options=Masks()).rows([Segmented(said)], [target(true)])
    assert counts[0, 1].tolist() == [1, 1, 0]


def test_classes_that_overlap_are_measured_each_by_itself() -> None:
    single = blobs(3, (30, 40)), blobs(4, (30, 40))
    multi = [np.eye(3, dtype=np.uint8)[mask] for mask in single]
    np.testing.assert_array_equal(surface_scores(*multi, 3), surface_scores(*single, 3))


def test_lesions__are_counted_one_by_one() -> None:
    true, said = np.zeros((20, 20), np.uint8), np.zeros((20, 20), np.uint8)
    true[1:4, 1:4] = 1  # found by one pixel
    said[3, 3] = 1
    true[10, 10] = true[11, 11] = 1  # one, that touches at a corner: missed
    true[15:18, 2:5] = 1
    said[15:18, 2:9] = 1
    said[0, 15] = said[5, 15] = 1  # two false ones
    metric = Lesions(classes=("background", "lesion"), options=Masks())
    rows = metric.rows([Segmented(said), Segmented(said)], [target(true), target(np.zeros_like(true))])
    assert rows[:, 1].tolist() == [[3, 2, 2], [0, 0, 4]]
    values = metric.compute(rows)
    assert values["lesion_sensitivity"] == values["lesion_sensitivity.lesion"] == pytest.approx(2 / 3)
    assert values["false_lesions"] == 3


@pytest.mark.parametrize("classes", [2, 3])
def test_sensitivity__is_the_best_point_of_scikit_learns_curve(classes: int) -> None:
    draw = np.random.default_rng(classes)
    labels = draw.integers(0, classes, 300)
    # Of few values, so that there are ties.
    logits = np.round(draw.normal(0, 1, (300, classes)) + 1.5 * np.eye(classes)[labels], 1)
    scores = (np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)).astype(np.float32)
    names = tuple("abc"[:classes])
    found = []
    for kind in EACH:
        metric = kind(classes=names, options=Labels())
        values = metric.compute(metric.rows([Scores(row) for row in scores], list(labels)))
        for number, name in enumerate(names):
            false, true, _ = roc_curve(labels == number, scores[:, number], drop_intermediate=False)
            best = true[false <= 1 - kind.percent / 100 + 1e-12].max()
            assert values[f"{kind.name}.{name}"] == pytest.approx(best, abs=1e-12)
        of_all = [values[f"{kind.name}.{name}"] for name in names]
        assert values[kind.name] == pytest.approx(of_all[1] if classes == 2 else np.mean(of_all))
        found.append(values[kind.name])
    assert found == sorted(found, reverse=True)
    assert 0.1 < found[-1] < found[0] < 1


def test_sensitivity__is_undefined_without_the_class() -> None:
    metric = SensitivityAt95(classes=("a", "b"), options=Labels())
    scores = [Scores(np.array([0.3, 0.7], np.float32))] * 4
    assert np.isnan(list(metric.compute(metric.rows(scores, [1, 1, 1, 1])).values())).all()
