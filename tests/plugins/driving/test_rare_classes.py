"""Images with a rare class are seen more often, whatever the kind of target: `sampling=repeat-factor`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from graft.data.samples import Catalogue, Sample
from graft.strategies.sampling import expected_repeats
from graft_detection.objects import Objects
from graft_detection.options import TaskOptions as BoxTaskOptions
from graft_detection.task import DetectionTask
from graft_driving.classes import CAMVID
from graft_driving.options import CamVidOptions
from graft_driving.readers.camvid import CamVidReader
from graft_segmentation.options import TaskOptions as MaskTaskOptions
from graft_segmentation.task import SegmentationTask

RARE = 3
"""The one image of twelve with a rare class."""


def test_scenes_with_a_rare_class_are_repeated(tmp_path: Path) -> None:
    for number in range(12):
        mask = np.full((8, 8), CAMVID.classes.index("Road"), np.uint8)
        if number == RARE:
            mask[0] = CAMVID.classes.index("Bicyclist")
        for folder, pixels in (("train", np.zeros((8, 8, 3), np.uint8)), ("trainannot", mask)):
            (tmp_path / folder).mkdir(exist_ok=True)
            Image.fromarray(pixels).save(tmp_path / folder / f"a_{number:05d}.png")
    catalogue = CamVidReader().read(tmp_path, CamVidOptions())
    task = SegmentationTask(classes=catalogue.classes, options=MaskTaskOptions())
    _check(expected_repeats(task.strata(catalogue), "repeat-factor"))


def test_images_with_a_rare_object_are_repeated(tmp_path: Path) -> None:
    box = [0.0, 0.0, 4.0, 4.0]
    # A crowd of the rare class, as of regions that are not annotated, does not make an image one that shows it.
    targets = [
        Objects.of([box, box], ["car", "bicycle"], crowd=[False, number != RARE], size=(8, 8)) for number in range(12)
    ]
    samples = tuple(Sample(id=f"{n:02d}", path=tmp_path, target=target) for n, target in enumerate(targets))
    catalogue = Catalogue(samples=samples, classes=("car", "bicycle"), reader="kitti", root=tmp_path)
    task = DetectionTask(classes=catalogue.classes, options=BoxTaskOptions())
    _check(expected_repeats(task.strata(catalogue), "repeat-factor"))


def _check(repeats: np.ndarray | None) -> None:
    assert repeats is not None
    assert repeats[RARE] > 2
    assert all(repeats[number] == 1 for number in range(12) if number != RARE)
