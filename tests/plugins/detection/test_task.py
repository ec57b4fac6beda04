from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from boxes import write_coco
from graft.data.augment import strong
from graft.data.options import AugmentOptions
from graft.data.samples import Catalogue, Sample
from graft.data.spatial import Placement, placed, restored
from graft.errors import DataError
from graft.preprocess import Preprocess
from graft_detection.detections import Detections, Truth
from graft_detection.evaluation.kinds import KINDS, kinds
from graft_detection.formats.coco import CocoReader
from graft_detection.objects import Objects
from graft_detection.options import CocoOptions, TaskOptions
from graft_detection.task import DetectionTask

CLASSES = ("cat", "dog")


def task(**options: object) -> DetectionTask:
    return DetectionTask(classes=CLASSES, options=TaskOptions(**options))  # type: ignore[arg-type]


def truth(boxes: list[list[float]], labels: list[int], *, crowd: list[bool] | None = None) -> Truth:
    objects = Objects.of(boxes, [CLASSES[label] for label in labels], crowd=crowd, size=(100, 200))
    return task().encode(Sample(id="a", path=Path("a.png"), target=objects))


def found(boxes: list[list[float]], labels: list[int], scores: list[float]) -> Detections:
    corners = np.array(boxes, np.float32).reshape(-1, 4)
    return Detections(corners, np.array(labels, np.int64), np.array(scores, np.float32), (100, 200))


def counted(prediction: Detections, target: Truth) -> dict[str, int]:
    counts = kinds([prediction], [target], n_classes=2, threshold=0.5).counts.sum(axis=(0, 1))
    return {kind: count for kind, count in zip(KINDS, counts.tolist(), strict=True) if count}


@pytest.mark.parametrize("kind", ["crowd", "difficult"])
def test_kinds__what_is_found_at_objects_that_do_not_count_is_no_mistake(kind: str) -> None:
    void = [[10, 10, 50, 50]]
    objects = Objects.of(void, ["cat"], size=(100, 200), **{kind: [True]})
    target = task().encode(Sample(id="a", path=Path("a.png"), target=objects))
    at = [[10, 10, 50, 50], [12, 10, 52, 50], [10, 10, 50, 50], [10, 10, 30, 25], [150, 60, 190, 90]]
    assert counted(found(at, [0, 0, 1, 0, 0], [0.9, 0.8, 0.9, 0.9, 0.9]), target) == {"false": 1}


def test_encode__numbers_and_an_unknown_class() -> None:
    given = truth([[1, 2, 3, 5]], [1])
    assert (given.labels.tolist(), given.areas.tolist(), given.size) == ([1], [6.0], (100, 200))
    with pytest.raises(DataError, match="class 'cow' is none"):
        task().encode(Sample(id="a", path=Path("a.png"), target=Objects.of([[0, 0, 1, 1]], ["cow"], size=(9, 9))))


def test_strata__a_crowd_does_not_say_what_an_image_shows(tmp_path: Path) -> None:
    boxes = [[0, 0, 4, 4], [0, 0, 8, 8]]
    targets = [
        Objects.of(boxes, ["cat", "dog"], crowd=[False, True]),
        Objects.of(boxes, ["cat", "cat"]),
        Objects.of(boxes[:1], ["dog"], crowd=[True]),
    ]
    samples = tuple(Sample(id=str(n), path=tmp_path, target=own) for n, own in enumerate(targets))
    catalogue = Catalogue(samples=samples, classes=("cat", "dog"), reader="coco", root=tmp_path)
    assert task().strata(catalogue) == ["cat", "cat", ""]
    assert [set(names) for names in task().shows(catalogue)] == [{"cat"}, {"cat"}, set()]


def test_collate__leaves_crowds_out() -> None:
    target = truth([[0, 0, 10, 10], [20, 20, 30, 30]], [0, 1], crowd=[True, False])
    (one,) = task().collate([target])
    assert one["labels"].tolist() == [1]
    assert one["boxes"].tolist() == [[20, 20, 30, 30]]


@pytest.mark.parametrize("resize", ["pad", "squash"])
def test_targets_and_predictions__go_to_the_network_and_back(resize: str) -> None:
    target = truth([[10, 20, 50, 60], [100, 0, 200, 100]], [0, 1])
    placement = Placement.prepared((100, 200), Preprocess(size=(64, 64), resize=resize))  # type: ignore[arg-type]
    seen = placed(target, placement)
    assert seen.size == (64, 64)
    if resize == "pad":
        np.testing.assert_allclose(seen.boxes[1], [32, 0, 64, 32], atol=1e-4)
    np.testing.assert_allclose(seen.areas, seen.areas[0] * np.array([1, 6.25]), rtol=1e-5)
    back = restored(Detections(seen.boxes, seen.labels, np.ones(2, np.float32), (64, 64)), placement)
    np.testing.assert_allclose(back.boxes, target.boxes, atol=1e-3)
    assert back.size == (100, 200)


def test_boxes__follow_every_augmentation() -> None:
    """A white thing on black, whatever is done to the image, is where its box says."""
    target = truth([[20, 30, 60, 55]], [1])
    image: NDArray[np.uint8] = np.zeros((100, 200, 3), np.uint8)
    image[30:55, 20:60] = 255
    options = AugmentOptions(scale=0.6, flip=True, vertical_flip=True, rotate=0, colour=0, hue=0, erase=0)
    augment = strong(size=(80, 160), options=options)
    seen = 0
    for seed in range(40):
        pixels, moved = augment(image, target, seed)
        rows = np.flatnonzero((pixels[..., 0] > 127).any(axis=1))
        columns = np.flatnonzero((pixels[..., 0] > 127).any(axis=0))
        if len(moved.labels):
            seen += 1
            own = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
            np.testing.assert_allclose(moved.boxes[0], own, atol=2.5)
            assert moved.labels.tolist() == [1]
    assert seen > 20


def test_kinds__of_mistakes() -> None:
    target = truth([[0, 0, 40, 40], [100, 0, 140, 40], [0, 60, 40, 100]], [0, 1, 0])
    right, twice = [0, 0, 40, 40], [0, 0, 39, 40]
    boxes = [right, twice, [100, 0, 140, 40], [10, 60, 90, 100], [160, 60, 190, 90], [0, 0, 40, 40]]
    given = found(boxes, [0, 0, 0, 0, 1, 1], [0.9, 0.8, 0.7, 0.6, 0.9, 0.3])
    assert counted(given, target) == {"right": 1, "repeated": 1, "confused": 1, "misplaced": 1, "false": 1, "missed": 2}
    assert task().errors([given], [target]).tolist() == [6]
    assert task().caption(given, target) == "found 1 of 3, 4 false · true: 2 cat, 1 dog"


def test_kinds__in_a_crowd_nothing_is_false() -> None:
    target = truth([[0, 0, 100, 100]], [0], crowd=[True])
    assert counted(found([[10, 10, 30, 30], [50, 50, 70, 70]], [0, 0], [0.9, 0.8]), target) == {}
    assert task().caption(Detections.none((100, 200)), target) == "found 0 of 0, 0 false · true: none"


def test_as_row__counts_what_is_sure() -> None:
    row = task().as_row(found([[0, 0, 1, 1], [0, 0, 2, 2], [0, 0, 3, 3]], [0, 1, 0], [0.9, 0.6, 0.4]))
    assert (row["objects"], row["labels"], row["count.cat"], row["count.dog"]) == (2, "cat;dog", 1, 1)
    assert row["detections"][2] == {"label": "cat", "score": 0.4, "box": [0, 0, 3, 3]}
    assert json.dumps(row)


def test_draw__boxes_and_names() -> None:
    picture = np.full((100, 200, 3), 90, np.uint8)
    plain = task().draw(picture, None, None)
    drawn = task().draw(picture, found([[20, 20, 90, 80]], [1], [0.9]), truth([[100, 20, 150, 80]], [0]))
    assert drawn.shape == plain.shape == (100, 200, 3)
    assert (plain == 90).all()
    assert drawn[50, 20].tolist() == [0xD5, 0x5E, 0x00]
    assert (drawn[50, 99:102] != 90).any()


def test_draw__a_name_is_in_the_picture_whole() -> None:
    picture = np.full((100, 200, 3), 90, np.uint8)
    middle = task().draw(picture, found([[40, 20, 60, 80]], [1], [0.9]), None)
    edge = task().draw(picture, found([[180, 20, 199, 80]], [1], [0.9]), None)
    written = [(drawn[8:20] > 150).all(axis=2).sum() for drawn in (middle, edge)]
    assert written[0] == written[1] > 0


def test_check__classes_that_are_only_measured(tmp_path: Path) -> None:
    catalogue: Catalogue = CocoReader().read(write_coco(tmp_path), CocoOptions())
    split = {"train": [1, 2], "val": [0], "test": []}
    (problem,) = DetectionTask(classes=catalogue.classes, options=TaskOptions()).check(catalogue, split)
    assert str(problem).startswith("class 'zebra': no object to train on: 1 in val")
    allowed = DetectionTask(classes=catalogue.classes, options=TaskOptions(unseen="allow"))
    assert allowed.check(catalogue, split) == []
    (nothing,) = allowed.check(catalogue, {"train": [2], "val": [0, 1], "test": []})
    assert "no object to train on (there are 3 in val and test)" in str(nothing)


def test_sections__of_nothing_and_of_classes_without_objects() -> None:
    assert task().sections([], []) == []
    titles = [section.title for section in task().sections([Detections.none((9, 9))], [truth([], [])])]
    assert titles == ["Per class", "Precision over recall", "Kinds of mistakes"]


def test_moved__what_is_cut_away_takes_its_class_and_score_with_it() -> None:
    target = truth([[0, 0, 20, 20], [90, 40, 110, 60]], [0, 1])
    cut = Placement.cut((100, 200), (60, 60))
    seen = placed(target, cut)
    assert (seen.labels.tolist(), seen.boxes.tolist(), len(seen.areas)) == ([1], [[20, 20, 40, 40]], 1)
    moved = restored(found([[0, 0, 20, 20], [90, 40, 110, 60]], [0, 1], [0.9, 0.4]), cut.back())
    assert (moved.labels.tolist(), moved.scores.tolist()) == ([1], [np.float32(0.4)])
