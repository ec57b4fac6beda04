from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from graft.data.samples import Catalogue, Sample
from graft_classification.checks import check

ALL_TRAIN = {"train": [0, 1, 2], "val": [], "test": []}


def problems(
    labels: Sequence[tuple[str, ...]],
    split: Mapping[str, Sequence[int]] = ALL_TRAIN,
    *,
    classes: tuple[str, ...] = ("cat", "dog"),
    multi: bool = False,
    where: str = "",
) -> list[str]:
    samples = tuple(
        Sample(id=f"{number}.png", path=Path(f"{number}.png"), target=target, where=where)
        for number, target in enumerate(labels)
    )
    data = Catalogue(samples=samples, classes=classes, reader="csv", root=Path())
    return [str(problem) for problem in check(data, split, multi=multi)]


def test_check__fit() -> None:
    assert problems([("cat",), ("dog",), ("cat",)]) == []
    assert problems([("cat",), (), ("cat", "dog")], multi=True) == []


def test_check__wrong_number_of_labels_names_row_and_image_and_says_once_what_to_do() -> None:
    found = problems([("cat",), ("dog", "cat"), ()], where="labels.csv line 2")
    assert found[0].startswith("labels.csv line 2, 1.png: has 2 labels (dog, cat)")
    assert "task.labels=multi" in found[0]
    assert found[1] == "labels.csv line 2, 2.png: has no label"


def test_check__class_without_images() -> None:
    [found] = problems([("cat",), ("dog",), ("cat",)], classes=("cat", "dog", "cow"))
    assert "class 'cow': no usable image" in found


def test_check__class_that_is_never_trained_on() -> None:
    split = {"train": [0, 2], "val": [1], "test": [3]}
    [found] = problems([("cat",), ("dog",), ("cat",), ("dog",)], split)
    assert "class 'dog': no image to train on: 1 in test, 1 in val (1.png, 3.png)" in found


def test_check__class_that_is_only_trained_on_is_fine() -> None:
    assert problems([("cat",), ("dog",), ("cat",)], {"train": [0, 1], "val": [2], "test": []}) == []


def test_check__too_few_classes() -> None:
    [found] = problems([("cat",)] * 3, classes=("cat",))
    assert "at least 2 classes are needed; there is: 'cat'" in found
    assert problems([("cat",)] * 3, classes=("cat",), multi=True) == []
    [found] = problems([(), (), ()], classes=(), multi=True)
    assert "at least 1 class" in found


def test_check__everything_at_once() -> None:
    assert len(problems([("cat", "dog"), (), ("cat",)], {"train": [1]}, classes=("cat", "dog", "cow"))) == 5
