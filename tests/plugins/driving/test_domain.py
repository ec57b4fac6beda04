"""What the domain finds in two splits, and what it adds to the report."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from graft.data import STANDARD
from graft.data.samples import Catalogue, Sample
from graft.recipe.schema import Options
from graft_detection.detections import Detections, Truth
from graft_driving.domain import Driving
from graft_driving.sections import sections
from graft_segmentation.target import Segmented


def catalogue(*frames: tuple[str | None, str | None]) -> Catalogue:
    samples = tuple(
        Sample(id=f"{n}.png", path=Path(f"{n}.png"), target=("car",), group=drive, time=time)
        for n, (drive, time) in enumerate(frames)
    )
    return Catalogue(samples=samples, classes=("car",), reader="camvid", root=Path())


def leaks(own: Catalogue, **split: list[int]) -> list[str]:
    return [str(problem) for problem in Driving(options=Options(), decoder=STANDARD).leaks(own, split)]


def test_neighbours_in_two_splits_are_counted_and_one_pair_is_named() -> None:
    own = catalogue(("a", "0.0"), ("a", "1.0"), ("a", "1.5"), ("a", "60"), ("b", "1.2"), ("c", "1.2"), ("b", None))
    found = leaks(own, train=[0, 2, 4, 5], val=[6], test=[1, 3])
    assert len(found) == 1
    assert found[0].startswith("drive a: 2 pairs of neighbours are in different splits: 0.png in train, and 1.0 s")


def test_images_of_a_single_drive_have_no_group_and_are_watched_all_the_same() -> None:
    own = catalogue(*((None, f"{second}") for second in range(4)))
    (found,) = leaks(own, train=[0, 2], test=[1, 3])
    assert found.startswith("the one drive: 3 pairs of neighbours")
    # Without times nothing is known.
    assert leaks(catalogue((None, None), (None, None)), train=[0], test=[1]) == []
    # A table's times may be days.
    assert leaks(replace(own, reader="csv"), train=[0, 2], test=[1, 3]) == []


def test_two_lone_drives_are_not_taken_for_one() -> None:
    names = ("0006R0_f00900.png", "val/0016E5_f00901.png", "val/0016E5_f00903.png")
    own = catalogue(*((None, f"{second}") for second in (30.0, 30.03, 30.1)))
    samples = tuple(replace(sample, id=name) for sample, name in zip(own.samples, names, strict=True))
    assert leaks(replace(own, samples=samples), train=[0], val=[1, 2]) == []
    (found,) = leaks(replace(own, samples=samples), train=[0, 1], val=[2])
    assert found.startswith("drive 0016E5: 1 pairs of neighbours")


def test_drives_that_are_whole_and_neighbours_that_are_far_apart_are_no_leak() -> None:
    own = catalogue(("a", "0.0"), ("a", "1.0"), ("b", "0.0"), ("b", "30"), ("c", "2011-09-26"), ("c", "2011-09-26"))
    assert leaks(own, train=[0, 1, 2, 4], test=[3, 5]) == []


class Mask:
    def __init__(self, mask: np.ndarray) -> None:
        self.mask = mask


def test_masks_are_reported_with_people_first() -> None:
    true = np.array([[0, 0, 1, 1], [2, 2, 2, 2]], np.uint8)
    said = np.array([[0, 0, 1, 0], [2, 2, 2, 2]], np.uint8)
    (own,) = sections(("road", "person", "sky"), [Segmented(said)], [Mask(true)])
    assert [(row[0], row[2], row[3]) for row in own.parts[0].rows] == [("person", 0.5, 2), ("road", 0.0, 2)]
    assert sections(("a", "b", "c"), [Segmented(said)], [Mask(true)]) == []


def test_boxes_are_reported_by_distance() -> None:
    boxes = np.array([[0, 0, 30, 60], [50, 0, 52, 6]], np.float32)
    none = np.zeros(2, bool)
    target = Truth(boxes, np.array([0, 1]), none, none, np.ones(2, np.float32), (240, 320))
    found = Detections(boxes[:1], np.array([0]), np.ones(1, np.float32), (240, 320))
    (own,) = sections(("car", "person"), [found], [target])
    rows = {row[0]: row[1:] for row in own.parts[0].rows}
    assert list(rows) == ["person", "car", "all"]
    near, _, far = rows["car"][0:2], rows["car"][2:4], rows["person"][4:6]
    assert near == (pytest.approx(1), 1)
    assert far == (0.0, 1)
    assert rows["car"][4:6] == (None, 0)


def test_other_predictions_get_no_section() -> None:
    assert sections(("car",), ["car"], ["car"]) == []
    assert sections(("car",), [], []) == []
