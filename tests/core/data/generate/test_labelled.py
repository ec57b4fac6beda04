"""The labelled sample: two parts of the same classes, the same files for the same arguments."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from PIL import Image

from graft.data.generate import labelled_image, write_labelled
from graft.data.generate.labelled import CLASSES, counts


def _digests(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*.png"))
    }


def test_write_labelled__layout_and_counts(tmp_path: Path) -> None:
    total = write_labelled(tmp_path, seed=1, size=16, per_class=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["README.txt", "source", "target"]
    found = _digests(tmp_path)
    assert len(found) == total
    for part, splits in counts(2).items():
        for split, number in splits.items():
            for name in CLASSES:
                assert len(list((tmp_path / part / split / name).glob("*.png"))) == number
    with Image.open(tmp_path / next(iter(found))) as image:
        assert (image.size, image.mode) == ((16, 16), "RGB")


def test_write_labelled__all_files_differ_and_repeat_byte_for_byte(tmp_path: Path) -> None:
    total = write_labelled(tmp_path / "a", seed=1, size=16, per_class=2)
    write_labelled(tmp_path / "b", seed=1, size=16, per_class=2)
    write_labelled(tmp_path / "c", seed=2, size=16, per_class=2)
    first, same, other = (_digests(tmp_path / name) for name in "abc")
    assert first == same
    assert len(set(first.values()) | set(other.values())) == 2 * total


def test_labelled_image__the_target_part_looks_different() -> None:
    def colourfulness(part: str) -> float:
        images = [labelled_image(part, name, size=24, seed=(0, i)) for name in CLASSES for i in range(8)]
        return float(np.mean([np.ptp(image.astype(float).mean(axis=(0, 1))) for image in images]))

    assert colourfulness("source") > 2 * colourfulness("target")


def test_labelled_image__the_class_cannot_be_told_from_colour() -> None:
    def mean_colours(name: str) -> np.ndarray:
        images = [labelled_image("target", name, size=24, seed=(0, i)) for i in range(60)]
        return np.array([image.mean(axis=(0, 1)) for image in images])

    means = np.array([mean_colours(name).mean(axis=0) for name in CLASSES])
    spread = np.mean([mean_colours(name).std(axis=0) for name in CLASSES])
    assert means.std(axis=0).max() < 0.5 * spread
