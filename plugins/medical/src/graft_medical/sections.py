"""The domain's part of the report: how sure a class is to be found, and how far off borders are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graft.data.samples import Sample
from graft.evaluation import Value, evaluate
from graft.report.sections import Section, Table
from graft_classification.metrics import Auroc
from graft_classification.scores import Scores, members, truth
from graft_medical.decoder import MedicalDecoder
from graft_medical.lesions import lesion_counts, sensitivity
from graft_medical.regions import BACKGROUND
from graft_medical.sensitivity import EACH
from graft_medical.surfaces import mean_of_images, surface_scores
from graft_segmentation.target import Segmented

_RESAMPLES = 1000


def sections(
    task: Any, samples: Sequence[Sample], predictions: Sequence[Any], targets: Sequence[Any], decoder: Any
) -> list[Section]:
    """Return the sections on scores of images or on masks; none on other predictions."""
    if not len(predictions):
        return []
    if isinstance(predictions[0], Scores):
        return [_diagnosis(task, samples, predictions, targets)]
    if isinstance(predictions[0], Segmented):
        return _borders(task.classes, samples, predictions, targets, decoder)
    return []


def _diagnosis(task: Any, samples: Sequence[Sample], predictions: Sequence[Scores], targets: Sequence[Any]) -> Section:
    groups = [sample.group for sample in samples if sample.group is not None]
    by_patient = len(groups) == len(samples)
    metrics = [kind(classes=task.classes, options=task.options) for kind in (Auroc, *EACH)]
    values = evaluate(
        metrics, predictions, targets, bootstrap=_RESAMPLES, seed=0, groups=groups if by_patient else None
    )
    number = members(truth(targets, len(task.classes), task.options), len(task.classes)).sum(axis=0)
    rows = []
    for name, images in zip(task.classes, number, strict=True):
        cells = [values[f"{metric}.{name}"] for metric in ("auroc", *(kind.name for kind in EACH))]
        rows.append((name, int(images), *map(_with_interval, cells)))
    measured = ("AUROC", *(f"sensitivity at {kind.percent} %" for kind in EACH))
    whose = f"{len(set(groups))} patients" if by_patient else f"{len(samples)} images, which name no patients,"
    return Section(
        title="Found, while the others are left alone",
        how_to_read="Sensitivity is the share of a class's images that are found when the threshold leaves alone 90, "
        "95 or 99 % of the others: another threshold than that of the decisions above, and chosen on these images. "
        f"Intervals of 95 % over {whose} resampled.",
        parts=[Table(columns=("class", "images", *measured), rows=rows)],
    )


def _borders(
    classes: Sequence[str],
    samples: Sequence[Sample],
    predictions: Sequence[Segmented],
    targets: Sequence[Any],
    decoder: Any,
) -> list[Section]:
    spacings = [decoder.spacing(one.path) if isinstance(decoder, MedicalDecoder) else None for one in samples]
    known = [spacing for spacing in spacings if spacing is not None]
    unit = "mm" if len(known) == len(samples) else "pixels"
    measures = known if unit == "mm" else [(1.0, 1.0)] * len(samples)
    scores, counts = [], []
    for prediction, target, spacing in zip(predictions, targets, measures, strict=True):
        mask = target.mask
        scores.append(surface_scores(prediction.mask, mask, len(classes), spacing=spacing))
        counts.append(lesion_counts(prediction.mask, mask, len(classes)))
    distances, total = mean_of_images(np.stack(scores)), np.sum(counts, axis=0)
    found = sensitivity(total)
    rows = [
        (name, *(_or_gap(value) for value in distances[i]), int(total[i, 0]), _or_gap(found[i]), int(total[i, 2]))
        for i, name in enumerate(classes)
        if name != BACKGROUND
    ]
    columns = (
        "class",
        f"Hausdorff 95, {unit}",
        f"surface distance, {unit}",
        "regions",
        "of these found",
        "false regions",
    )
    return [
        Section(
            title="Borders and regions",
            how_to_read="How far predicted and true borders are apart, the mean over images: at the worst 5 %, and on "
            "average; an image in which a class is missed, or made up, counts with its diagonal. Regions are what "
            "touches in one image, or slice: found when any pixel is; false when no pixel is true.",
            parts=[Table(columns=columns, rows=rows)],
        )
    ]


def _with_interval(one: Value) -> str | None:
    value = _or_gap(one.value)
    if value is None or one.low is None:
        return None if value is None else f"{value:.3f}"
    return f"{value:.3f} ({one.low:.2f}–{one.high:.2f})"


def _or_gap(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
