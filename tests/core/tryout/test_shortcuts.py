from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from graft.tryout.shortcuts import FileFacts, betrayed, facts


def known(sizes: list[int], form: str = "PNG") -> list[FileFacts]:
    return [FileFacts(width=size, height=48, format=form, mode="RGB") for size in sizes]


def test_betrayed__by_a_size_that_goes_with_the_class() -> None:
    labels = np.array([0, 1] * 20)
    found = betrayed(known([64 if label else 32 for label in labels]), labels, groups=None, classes=2)
    assert found is not None
    assert found.accuracy.value == 1


def test_betrayed__not_by_a_size_that_does_not() -> None:
    labels = np.array([0, 1] * 40)
    found = betrayed(known([32, 32, 64, 64] * 20), labels, groups=None, classes=2)
    assert found is not None
    assert found.accuracy.value < 0.65


def test_betrayed__nothing_to_tell() -> None:
    labels = np.array([0, 1] * 10)
    assert betrayed(known([32] * 20), labels, groups=None, classes=2) is None
    assert betrayed(known(list(range(30, 50))), labels, groups=None, classes=2) is None, "each has its own size"


def test_facts__of_a_file(tmp_path: Path) -> None:
    Image.new("L", (5, 7)).save(tmp_path / "a.png")
    assert facts(tmp_path / "a.png") == FileFacts(width=5, height=7, format="PNG", mode="L")
    assert facts(tmp_path / "none.png") == FileFacts(width=0, height=0, format="", mode="")
