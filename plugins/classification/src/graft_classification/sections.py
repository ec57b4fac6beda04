"""The task's part of the report: confusions, values per class, calibration. matplotlib only when a figure is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graft.report.sections import Figure, Section, Table
from graft_classification import figures
from graft_classification.calibration import calibrate
from graft_classification.metrics import F1, Auroc, AveragePrecision, Precision, Recall, confusion_matrix
from graft_classification.options import TaskOptions
from graft_classification.scores import Scores, decide, members, stack, truth

MANY = 20
"""Up to so many classes, a confusion matrix shows all of them."""

_TOP = 10

Ints = NDArray[np.int64]


def sections(
    predictions: Sequence[Scores], targets: Sequence[Any], *, classes: Sequence[str], options: TaskOptions
) -> list[Section]:
    """Return the sections on these predictions; none when there are no predictions."""
    if not len(predictions):
        return []
    scores = stack(predictions, len(classes))
    true = truth(targets, len(classes), options)
    decided = decide(scores, options)
    found = [per_class(predictions, targets, classes=classes, options=options)]
    if options.multi:
        found.append(calibration(scores.ravel(), true.ravel(), what="score", right="share of images with the label"))
    else:
        found.insert(0, confusions(confusion_matrix(true, decided, len(classes)), classes))
        right = decided == true
        found.append(calibration(scores.max(axis=1), right, what="confidence", right="share of right predictions"))
    return found


def confusions(matrix: Ints, classes: Sequence[str]) -> Section:
    """Return the confusion matrix `(C, C)`, rows true, as a figure, and its largest confusions as a table."""
    wrong = int(matrix.sum() - matrix.trace())
    shown, names, title = matrix, list(classes), "Confusion matrix"
    merged = len(classes) > MANY
    if merged:
        shown, names = most_confused(matrix, classes, keep=MANY)
        title = f"Confusion matrix of the {MANY} classes that are confused most, of {len(classes)}"
    top = top_confusions(matrix, classes)
    rows = [(true, taken, count, f"{count / total:.0%}") for true, taken, count, total in top]
    alt = f"{title}: {matrix.sum() - wrong} of {matrix.sum()} images on the diagonal."
    if top:
        alt += f" Most often, {top[0][0]} is taken for {top[0][1]}: {top[0][2]} times."
    parts: list[Figure | Table] = [Figure(figure=figures.confusion(shown, names, merged=merged), alt=alt)]
    if rows:
        parts.append(Table(columns=("true", "taken for", "images", "of the true class"), rows=rows))
    return Section(
        title=title,
        how_to_read="Each row is a true class, each column a prediction: what is off the diagonal is a mistake. "
        "Left in images, right as a share of the row.",
        parts=parts,
    )


def most_confused(matrix: Ints, classes: Sequence[str], *, keep: int) -> tuple[Ints, list[str]]:
    """Return a `(keep + 1, keep + 1)` matrix of the classes with most mistakes, most first; the rest is one class."""
    mistakes = matrix.sum(axis=0) + matrix.sum(axis=1) - 2 * matrix.diagonal()
    order = np.argsort(-mistakes, kind="stable")[:keep]
    place = np.full(len(classes), keep)
    place[order] = np.arange(keep)
    merged = np.zeros((keep + 1, keep + 1), dtype=np.int64)
    np.add.at(merged, (place[:, None], place[None, :]), matrix)
    return merged, [*(classes[index] for index in order), f"{len(classes) - keep} others"]


def top_confusions(matrix: Ints, classes: Sequence[str], *, keep: int = _TOP) -> list[tuple[str, str, int, int]]:
    """Return the most frequent mistakes: true class, prediction, how many, of how many images of the true class."""
    off = matrix.copy()
    np.fill_diagonal(off, 0)
    order = np.argsort(-off.ravel(), kind="stable")[:keep]
    pairs = [divmod(int(cell), len(classes)) for cell in order if off.flat[cell]]
    return [(classes[row], classes[column], int(off[row, column]), int(matrix[row].sum())) for row, column in pairs]


def per_class(
    predictions: Sequence[Scores], targets: Sequence[Any], *, classes: Sequence[str], options: TaskOptions
) -> Section:
    """Return a table with a row per class, the weakest first; a value is missing where it is not defined."""
    metrics = [kind(classes=classes, options=options) for kind in (Precision, Recall, F1, Auroc, AveragePrecision)]
    values = np.stack([metric.per_class(metric.rows(predictions, targets)) for metric in metrics], axis=1)
    n = len(classes)
    true = members(truth(targets, n, options), n).sum(axis=0)
    predicted = members(decide(stack(predictions, n), options), n).sum(axis=0)
    # A ratio over nothing counts as 0 in the macro mean; in the table it is a gap, so that nobody sees a failure in it.
    values[predicted == 0, 0] = np.nan
    values[true == 0, 1:3] = np.nan
    order = sorted(range(n), key=lambda index: (true[index] == 0, values[index, 2], index))
    rows = [
        (classes[index], int(true[index]), int(predicted[index]), *(_or_gap(value) for value in values[index]))
        for index in order
    ]
    columns = ("class", "images", "predicted", "precision", "recall", "F1", "AUROC", "average precision")
    return Section(
        title="Per class",
        how_to_read="The weakest classes come first. A value from few images says little; a gap means that there was "
        "nothing to measure.",
        parts=[Table(columns=columns, rows=rows)],
    )


def calibration(confidence: NDArray[np.float32], happened: NDArray[np.bool_], *, what: str, right: str) -> Section:
    """Return the reliability diagram of scores `(N,)` and of what they promised, `(N,)`."""
    bins = calibrate(confidence, happened)
    alt = f"Reliability diagram: {what} against the {right}. The expected calibration error is {bins.error:.3f}."
    return Section(
        title="Calibration",
        how_to_read="Bars that end on the dashed line mean that scores can be taken at their word; below it, "
        "they promise too much.",
        parts=[
            Figure(figure=figures.reliability(bins, what=what, right=right), alt=alt),
            Table(
                columns=("measure", "value"),
                rows=[
                    ("expected calibration error", bins.error),
                    (f"mean {what}", float(np.mean(confidence))),
                    (right, float(np.mean(happened))),
                ],
            ),
        ],
    )


def _or_gap(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
