"""Targets that say places lie where their images do, in every batch, whatever framed and varied them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from graft.data.augment import BASIC, NONE, STRONG, ImageAugmentation
from graft.data.batch import Batch
from graft.data.dataset import ImageDataset
from graft.data.store import PixelStore
from graft.preprocess import Preprocess
from graft.windows import Windows
from patches import Patch, collate, patch_of, write_patches

SIZES = ((60, 90), (40, 40), (90, 50), (20, 30))
FRAMINGS = ("shorter", "squash", "pad", "windows")


def _dataset(folder: Path, framing: str, augmentation: ImageAugmentation | None) -> ImageDataset:
    samples = write_patches(folder, SIZES)
    preprocess = Preprocess(size=(32, 32), resize=framing, mean=(0.0, 0.0, 0.0))
    return ImageDataset(
        samples,
        [sample.target for sample in samples],
        store=PixelStore(preprocess),
        task_collate=collate,
        augmentation=augmentation,
    )


def _images(batch: Batch) -> torch.Tensor:
    return batch.images.tiles if isinstance(batch.images, Windows) else batch.images


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("name", ["none", "basic", "strong"])
def test_training__masks_lie_where_the_images_do(tmp_path: Path, framing: str, name: str) -> None:
    values = {"none": NONE, "basic": BASIC, "strong": {**STRONG, "erase": 0.0, "vertical_flip": True}}[name]
    dataset = _dataset(tmp_path, framing, ImageAugmentation((32, 32), values))
    moved = set()
    for epoch in range(12):
        keys = [(epoch, index, 0) for index in range(len(SIZES))]
        batch = dataset.batch(keys)
        assert batch.placements is None
        for key, image, mask in zip(keys, _images(batch), batch.targets, strict=True):
            assert mask.shape == (32, 32)
            bright = image.float().mean(dim=0)
            # Recoloured, so that bright is brighter than what is dark beside it; edges are blurred.
            wrong = (bright > (bright.max() + bright.min()) / 2) != mask.bool()
            if 0 < mask.sum() < mask.numel():
                assert wrong.float().mean() < 0.09, (epoch, key)
            moved.add(int(mask.sum()))
            again = dataset.target(key)
            assert torch.equal(collate([again])[0], mask)
    assert len(moved) > 1


@pytest.mark.parametrize("framing", FRAMINGS)
def test_evaluation__targets_are_placed_and_come_back(tmp_path: Path, framing: str) -> None:
    dataset = _dataset(tmp_path, framing, None)
    for index, size in enumerate(SIZES):
        batch = dataset.batch([(0, index, 0)])
        (mask,) = batch.targets
        if framing == "windows":
            assert batch.images.image_size == tuple(mask.shape) == size
            assert batch.placements is None
            continue
        pixels = batch.images[0].permute(1, 2, 0).numpy()
        assert np.mean(patch_of(pixels).given.mask != mask.numpy()) < 0.1
        (prediction,) = batch.restored([patch_of(pixels)])
        assert prediction.given.size == size
        if framing != "shorter":  # which cuts away
            wanted = dataset.targets[index].given
            assert np.mean(prediction.given.mask != wanted.mask) < 0.12
            assert np.abs(prediction.given.boxes - wanted.boxes).max() < 4


def test_evaluation__windows_one_by_one_are_those_of_the_whole(tmp_path: Path) -> None:
    dataset = _dataset(tmp_path, "windows", None)
    rows = dataset.row_by_row()
    first = 0
    for index in range(len(SIZES)):
        tiles = dataset.batch([(0, index, 0)]).images.tiles
        own = rows.batch([(0, first + place, 0) for place in range(len(tiles))])
        assert torch.equal(own.images, tiles)
        first += len(tiles)
    assert first == len(rows) > len(SIZES)


def test_targets_without_places_need_no_placement(tmp_path: Path) -> None:
    samples = write_patches(tmp_path, SIZES)
    store = PixelStore(Preprocess(size=(32, 32)))
    dataset = ImageDataset(samples, [1, 2, 3, 4], store=store, task_collate=torch.tensor)
    batch = dataset.batch([(0, 2, 0)])
    assert batch.placements is None
    assert batch.restored([5]) == [5]
    assert isinstance(samples[0].target, Patch)


@pytest.mark.parametrize("framing", FRAMINGS)
def test_training__boxes_lie_around_the_masks(tmp_path: Path, framing: str) -> None:
    dataset = _dataset(tmp_path, framing, ImageAugmentation((32, 32), {**BASIC, "vertical_flip": True}))
    compared = 0
    for epoch in range(30):
        for index in (0, 2):  # larger than a region: smaller ones are continued by reflection
            places = dataset.target((epoch, index, 0)).given
            ys, xs = np.nonzero(places.mask)
            if not len(places.boxes) or not len(ys):
                continue
            around = [xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]
            assert np.abs(places.boxes[0] - around).max() <= 1.5, (epoch, index)
            assert places.rows.tolist() == [0]
            compared += 1
    assert compared > 20
