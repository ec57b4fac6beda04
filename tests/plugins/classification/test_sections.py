from __future__ import annotations

import io
import warnings

import numpy as np
import pytest

from graft.report.sections import Figure, Table
from graft_classification.options import TaskOptions
from graft_classification.scores import Scores
from graft_classification.sections import MANY, most_confused, sections, top_confusions

AWKWARD = (
    "$\\nope{$",
    "<b>bold</b> & co",
    "a_very_long_class_name_without_any_end_at_all",
    "100 %\nsecond line",
    "{}\\frac",
)


def predictions_of(rows: np.ndarray) -> list[Scores]:
    return [Scores(row.astype(np.float32)) for row in rows]


def part(section: object, kind: type) -> object:
    return next(part for part in section.parts if isinstance(part, kind))


def test_sections__numbers() -> None:
    """Of three cats one is taken for a dog; the one dog is found; there is no bird."""
    rows = np.array([[0.9, 0.1, 0], [0.8, 0.2, 0], [0.3, 0.7, 0], [0.1, 0.9, 0]])
    confusion, classes, calibration = sections(
        predictions_of(rows), [0, 0, 0, 1], classes=("cat", "dog", "bird"), options=TaskOptions()
    )
    assert list(part(confusion, Table).rows) == [("cat", "dog", 1, "33%")]
    assert "3 of 4 images on the diagonal" in part(confusion, Figure).alt
    table = {row[0]: row[1:] for row in part(classes, Table).rows}
    assert list(table) == ["dog", "cat", "bird"]
    assert table["cat"][:5] == pytest.approx((3, 2, 1.0, 2 / 3, 0.8))
    assert table["dog"][:5] == pytest.approx((1, 2, 0.5, 1.0, 2 / 3))
    assert table["bird"] == (0, 0, None, None, None, None, None)
    values = dict(part(calibration, Table).rows)
    assert values["expected calibration error"] == pytest.approx((0.1 + 0.2 + 0.7 + 0.1) / 4)
    assert values["share of right predictions"] == 0.75


def test_sections__perfect() -> None:
    confusion, *_ = sections(predictions_of(np.eye(2)), [0, 1], classes=("a", "b"), options=TaskOptions())
    assert [type(part) for part in confusion.parts] == [Figure]


def test_sections__nothing_predicted() -> None:
    assert sections([], [], classes=("a", "b"), options=TaskOptions()) == []


@pytest.mark.parametrize("labels", ["single", "multi"])
def test_sections__awkward_names_are_drawn_as_they_are(labels: str) -> None:
    options = TaskOptions(labels=labels)
    targets = list(np.eye(5, dtype=np.float32)) if options.multi else list(range(5))
    found = sections(predictions_of(np.eye(5)[::-1]), targets, classes=AWKWARD, options=options)
    figures = [part for section in found for part in section.parts if isinstance(part, Figure)]
    assert len(figures) == 2 - options.multi
    for figure in figures:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            figure.figure.savefig(io.BytesIO(), format="svg")
    if not options.multi:
        shown = [label.get_text() for label in figures[0].figure.axes[0].get_yticklabels()]
        assert shown[0] == "$\\nope{$"
        assert len(shown[2]) < len(AWKWARD[2])


@pytest.mark.parametrize("names", [AWKWARD, ("cat", "dog")])
def test_confusion__nothing_sticks_out_of_the_picture(names: tuple[str, ...]) -> None:
    n = len(names)
    found = sections(predictions_of(np.eye(n)), list(range(n)), classes=names, options=TaskOptions())
    figure = found[0].parts[0].figure
    figure.draw_without_rendering()
    for axes in figure.axes:
        box = axes.get_tightbbox()
        assert box.x0 >= 0
        assert box.y0 >= 0
        assert box.x1 <= figure.bbox.x1
        assert box.y1 <= figure.bbox.y1


def test_per_class__what_is_predicted_but_never_true_is_a_gap_not_a_failure() -> None:
    rows = np.array([[0.9, 0.1], [0.2, 0.8]])
    _, classes, _ = sections(predictions_of(rows), [0, 0], classes=("cat", "dog"), options=TaskOptions())
    table = {row[0]: row[1:] for row in part(classes, Table).rows}
    assert table["dog"][:5] == (0, 1, 0.0, None, None)
    assert table["cat"][:5] == pytest.approx((2, 1, 1.0, 0.5, 2 / 3))


def test_sections__many_classes_show_the_most_confused() -> None:
    n = 2 * MANY
    targets = list(range(n))
    taken = np.arange(n)
    taken[7], taken[9] = 9, 7
    found = sections(
        predictions_of(np.eye(n)[taken]), targets, classes=[f"c{i}" for i in range(n)], options=TaskOptions()
    )
    assert f"{MANY} classes" in found[0].title
    labels = [label.get_text() for label in found[0].parts[0].figure.axes[0].get_yticklabels()]
    assert labels[:2] == ["c7", "c9"]
    assert labels[-1] == f"{n - MANY} others"


def test_most_confused__loses_no_image() -> None:
    matrix = np.random.default_rng(0).integers(0, 9, size=(30, 30))
    merged, names = most_confused(matrix, [str(i) for i in range(30)], keep=4)
    assert merged.shape == (5, 5)
    assert merged.sum() == matrix.sum()
    first = int(names[0])
    assert merged[0].sum() == matrix[first].sum()
    assert merged[0, 0] == matrix[first, first]


def test_top_confusions__largest_first_without_the_diagonal() -> None:
    matrix = np.array([[90, 1, 0], [5, 3, 0], [0, 2, 8]])
    assert top_confusions(matrix, ["a", "b", "c"], keep=2) == [("b", "a", 5, 8), ("c", "b", 2, 10)]
