from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from graft_segmentation.sample import CLASSES, segmented_image, write_segmented


def test_write_segmented__the_same_files_again_and_others_for_another_seed(tmp_path: Path) -> None:
    numbers = [write_segmented(tmp_path / str(i), seed=seed, size=32, per_class=2) for i, seed in enumerate((1, 1, 2))]
    files = [sorted((tmp_path / str(i)).rglob("*.png")) for i in range(3)]
    assert numbers == [len(own) // 2 for own in files]
    bytes_of = [[file.read_bytes() for file in own] for own in files]
    assert bytes_of[0] == bytes_of[1] != bytes_of[2]
    for image in (tmp_path / "0").rglob("images/*.png"):
        mask = np.asarray(Image.open(image.parents[1] / "masks" / image.name))
        assert mask.shape == Image.open(image).size[::-1]
        assert mask.max() < len(CLASSES)


def test_segmented_image__every_class_is_there_and_none_fills_it() -> None:
    for part in ("source", "target"):
        masks = np.stack([segmented_image(part, size=48, seed=(index,))[1] for index in range(40)])
        shares = np.bincount(masks.ravel(), minlength=len(CLASSES)) / masks.size
        assert (shares > 0.03).all()
        assert 0.4 < shares[0] < 0.9
