from __future__ import annotations

import numpy as np

from graft.tryout.doubts import Doubt, doubts


def one_hot(labels: list[int], sure: float = 0.9, classes: int = 3) -> np.ndarray:
    rest = (1 - sure) / (classes - 1)
    return np.where(np.eye(classes)[labels] > 0, sure, rest)


def test_doubts__finds_the_labels_that_both_opinions_doubt_first() -> None:
    shown = [0] * 10 + [1] * 10 + [2] * 10
    given = np.array(shown)
    given[3], given[15] = 1, 2
    probe, neighbours = one_hot(shown), one_hot(shown, 0.8)
    neighbours[15] = one_hot([2])[0]  # they agree with the wrong label

    found = doubts(given, probe, neighbours)

    assert [(doubt.index, doubt.given, doubt.suggested, doubt.agreed) for doubt in found] == [
        (3, 1, 0, True),
        (15, 2, 1, False),
    ]
    assert found[0].probability == 0.9


def test_doubts__sorts_by_how_much_more_likely_the_other_class_is() -> None:
    given = np.array([0] * 8 + [1] * 8)
    probe = one_hot(given.tolist(), 0.7, classes=2)
    probe[2], probe[5] = (0.2, 0.8), (0.1, 0.9)

    assert [doubt.index for doubt in doubts(given, probe, probe)] == [5, 2]


def test_doubts__less_than_the_usual_share_is_no_doubt() -> None:
    """Confident learning: what is true of an unsure class is unsure, and no reason to doubt another."""
    given = np.array([0] * 8 + [1] * 8)
    probe = one_hot(given.tolist(), 0.95, classes=2)
    probe[0] = (0.4, 0.6)  # more likely 1 than 0, but images of 1 are usually given 0.95

    assert doubts(given, probe, probe) == []


def test_doubts__a_class_without_images_is_never_suggested() -> None:
    given = np.array([0] * 5 + [1] * 5)
    probe = one_hot(given.tolist(), 0.6)
    probe[1] = (0.1, 0.1, 0.8)

    assert doubts(given, probe, probe) == []


def test_strong__both_say_so_and_the_probe_is_sure() -> None:
    base = {"index": 0, "given": 0, "suggested": 1}
    assert Doubt(**base, probability=0.9, agreed=True).strong
    assert not Doubt(**base, probability=0.89, agreed=True).strong
    assert not Doubt(**base, probability=0.99, agreed=False).strong
