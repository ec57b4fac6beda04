from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from graft_detection.formats.coco import CocoReader
from graft_detection.options import CocoOptions
from graft_detection.sample import CLASSES, detected_image, write_detected


def test_write__two_parts_that_are_read(tmp_path: Path) -> None:
    number = write_detected(tmp_path, size=48, per_class=4)
    assert (tmp_path / "README.txt").is_file()
    total = 0
    for part in ("source", "target"):
        catalogue = CocoReader().read(tmp_path / part, CocoOptions())
        total += len(catalogue.samples)
        assert catalogue.classes == CLASSES
        assert {sample.split for sample in catalogue.samples} == {"train", "val", "test"}
        counts = [len(sample.target) for sample in catalogue.samples]
        assert 0 in counts
        assert max(counts) > 1
        assert not any("left out" in note or "cut" in note for note in catalogue.notes)
    assert total == number


def test_write__the_same_arguments_give_the_same_files(tmp_path: Path) -> None:
    digests = []
    for name in ("one", "two"):
        write_detected(tmp_path / name, size=32, per_class=2, seed=3)
        files = sorted(path for path in (tmp_path / name).rglob("*") if path.is_file())
        digests.append([hashlib.sha256(path.read_bytes()).hexdigest() for path in files])
    assert digests[0] == digests[1]


def test_boxes__hold_the_things_to_the_pixel() -> None:
    """Things stand out of a shaded ground: the pixels on either side of each edge of a box differ."""
    looked = 0
    for seed in range(30):
        pixels, objects = detected_image("source", size=96, seed=(seed,))
        grey = pixels.astype(np.float64).mean(axis=2)
        for left, top, right, bottom in objects.boxes.astype(int).tolist() if len(objects) == 1 else ():
            rows = np.abs(np.diff(grey, axis=0)).max(axis=1)
            columns = np.abs(np.diff(grey, axis=1)).max(axis=0)
            for steps, first, last in ((rows, top, bottom), (columns, left, right)):
                strong = np.flatnonzero(steps > 30)
                assert abs(strong[0] + 1 - first) <= 2
                assert abs(strong[-1] + 1 - last) <= 2
            looked += 1
    assert looked > 3
