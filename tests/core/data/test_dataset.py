from __future__ import annotations

import random
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from graft.data import augment
from graft.data.batch import Batch
from graft.data.dataset import ImageDataset
from graft.data.geometry import prepare_image
from graft.data.loader import make_loader
from graft.data.options import AugmentOptions
from graft.data.sampler import EpochSampler
from graft.data.samples import Sample
from graft.data.store import PixelStore
from graft.errors import DataError
from graft.preprocess import Preprocess
from graft.sequences import Sequences

SMALL = Preprocess(size=(16, 20))


def collate(targets):
    return {"label": torch.tensor(targets), "text": [str(target) for target in targets]}


@pytest.fixture
def build(fill):
    """Return a data set of ten images."""
    root = fill(*(f"{number}.png" for number in range(10)))
    samples = [Sample(id=f"{number}.png", path=root / f"{number}.png", target=("x",)) for number in range(10)]

    def make(preset: str | None = "basic", *, seed=0, preprocess=SMALL, samples=samples, **store) -> ImageDataset:
        options = AugmentOptions()
        augmentation = getattr(augment, preset)(size=preprocess.size, options=options) if preset else None
        return ImageDataset(
            samples,
            list(range(len(samples))),
            store=PixelStore(preprocess, **store),
            task_collate=collate,
            augmentation=augmentation,
            seed=seed,
        )

    return make


def pixels(dataset, epoch, *, workers=0, batch=3, shuffle=True, seed=0):
    """Return the bytes of each sample in one epoch, by index, and the order."""
    sampler = EpochSampler(len(dataset), seed=seed, shuffle=shuffle)
    sampler.set_epoch(epoch)
    found, order = {}, []
    for one in make_loader(dataset, sampler, batch=batch, workers=workers, drop_last=False):
        for image, index in zip(one.images, one.indices.tolist(), strict=True):
            found[index] = image.numpy().tobytes()
            order.append(index)
    return found, order


def test_batch__images_targets_and_indices(build):
    dataset = build(None)
    batch = dataset.batch([(0, 4, 0), (0, 1, 0)])
    assert batch.images.shape == (2, 3, 16, 20)
    assert batch.images.dtype == torch.uint8
    assert batch.indices.tolist() == [4, 1]
    assert batch.targets["label"].tolist() == [4, 1]
    assert batch.targets["text"] == ["4", "1"]
    assert len(batch) == 2


def test_batch__evaluation_sees_what_prediction_sees(build):
    dataset = build(None)
    for index, sample in enumerate(dataset.samples):
        image = dataset.batch([(7, index, 0)]).images[0].permute(1, 2, 0).numpy()
        np.testing.assert_array_equal(image, prepare_image(sample.path, SMALL))


def test_batch__depths_are_mixed_in_0_to_1(build, tmp_path):
    deep = np.full((24, 32), 65535 // 5, np.uint16)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    Image.new("L", (32, 24), 51).save(tmp_path / "flat.png")
    samples = [Sample(id=name, path=tmp_path / name, target=()) for name in ("deep.png", "flat.png")]
    images = build(None, samples=samples).batch([(0, 0, 0), (0, 1, 0)]).images
    assert images.dtype == torch.float32
    np.testing.assert_allclose(images, 0.2, rtol=1e-6)


def test_batch__one_channel(build):
    grey = Preprocess(size=(16, 20), mean=(0.5,), std=(0.5,))
    assert build("basic", preprocess=grey).batch([(0, 0, 0)]).images.shape == (1, 1, 16, 20)


def test_batch__to_moves_everything():
    batch = Batch(torch.zeros(2, 3, 4, 4), {"a": [torch.zeros(2)], "b": (torch.zeros(1), "name")}, torch.arange(2))
    moved = batch.to("meta")
    tensors = [moved.images, moved.targets["a"][0], moved.targets["b"][0], moved.indices]
    assert all(tensor.device.type == "meta" for tensor in tensors)
    assert moved.targets["b"][1] == "name"
    assert batch.images.device.type == "cpu"


@pytest.mark.parametrize("preset", ["flip", "basic", "strong"])
def test_dataset__a_draw_is_a_function_of_seed_epoch_and_sample(build, preset):
    reference, _ = pixels(build(preset), epoch=1)
    assert pixels(build(preset), epoch=1, batch=7, shuffle=False)[0] == reference
    assert pixels(build(preset), epoch=1, seed=5)[0] == reference, "the order is no part of it"
    assert pixels(build(preset, cache_mb=0), epoch=1)[0] == reference
    assert pixels(build(preset), epoch=2)[0] != reference
    assert pixels(build(preset, seed=1), epoch=1)[0] != reference


def test_dataset__a_draw_follows_the_sample_when_others_leave(build):
    dataset = build("basic")
    fewer = build("basic", samples=dataset.samples[3:])
    np.testing.assert_array_equal(dataset.batch([(2, 3, 0)]).images, fewer.batch([(2, 0, 0)]).images)


def test_loader__workers_change_nothing(build):
    reference = pixels(build("strong"), epoch=3)
    assert pixels(build("strong"), epoch=3, workers=2) == reference


def test_loader__epochs_with_workers_that_stay(build):
    dataset = build("basic")
    sampler = EpochSampler(10, seed=0, shuffle=True)
    loader = make_loader(dataset, sampler, batch=5, workers=1, drop_last=False)
    seen = []
    for epoch in (0, 1, 0):
        sampler.set_epoch(epoch)
        seen.append([(one.indices.tolist(), one.images.numpy().tobytes()) for one in loader])
    assert seen[0] == seen[2] != seen[1]


def test_loader__can_be_sent_to_a_process(build):
    import pickle

    dataset = build("strong")
    other = pickle.loads(pickle.dumps(dataset))
    np.testing.assert_array_equal(dataset.batch([(1, 2, 0)]).images, other.batch([(1, 2, 0)]).images)


def test_loader__uses_no_global_random_state(build):
    torch.manual_seed(3)
    random.seed(3)
    np.random.seed(3)
    before = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()
    pixels(build("strong"), epoch=0)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before[1:]


@pytest.mark.parametrize(("drop_last", "sizes"), [(True, [4, 4]), (False, [4, 4, 2])])
def test_loader__last_batch(build, drop_last, sizes):
    sampler = EpochSampler(10, seed=0, shuffle=False)
    loader = make_loader(build(), sampler, batch=4, workers=0, drop_last=drop_last)
    assert [len(one) for one in loader] == sizes
    assert len(loader) == len(sizes)


@pytest.mark.parametrize("workers", [0, 1])
def test_loader__a_file_that_is_gone_is_named_once(build, workers):
    dataset = build("none", cache_mb=0)
    dataset.samples[7].path.unlink()
    with pytest.raises(DataError) as caught:
        pixels(dataset, epoch=0, workers=workers)
    text = str(caught.value)
    assert text.count("7.png") == 1
    assert "no such file [missing]" in text
    assert "Traceback" not in text
    assert caught.value.fix


def test_dataset__targets_must_fit():
    with pytest.raises(ValueError, match="0 samples, but 1 targets"):
        ImageDataset([], [1], store=PixelStore(SMALL), task_collate=collate)


@pytest.mark.parametrize("workers", [0, 1])
def test_loader__a_sample_that_comes_again_is_augmented_anew(build, workers):
    dataset = build("basic")
    sampler = EpochSampler(10, seed=0, shuffle=True, repeats=np.full(10, 3.0))
    seen = {index: set() for index in range(10)}
    for one in make_loader(dataset, sampler, batch=8, workers=workers, drop_last=False):
        for image, index in zip(one.images, one.indices.tolist(), strict=True):
            seen[index].add(image.numpy().tobytes())
    assert [len(views) for views in seen.values()] == [3] * 10
    first = {index: dataset.batch([(0, index, 0)]).images[0].numpy().tobytes() for index in range(10)}
    assert all(first[index] in seen[index] for index in range(10))


@pytest.fixture
def clips(build, fill):
    """Return a data set of three sequences; all frames of the second are one picture."""
    lengths = (3, 2, 1)
    root = fill(*(f"clip{clip}/{frame}.png" for clip, length in enumerate(lengths) for frame in range(length)))
    shutil.copy(root / "clip1/0.png", root / "clip1/1.png")

    def make(preset: str | None = "strong", **options) -> ImageDataset:
        frames = [tuple(root / f"clip{clip}/{frame}.png" for frame in range(n)) for clip, n in enumerate(lengths)]
        samples = [Sample(id=f"clip{clip}", path=own[0], target=("x",), frames=own) for clip, own in enumerate(frames)]
        return build(preset, samples=samples, **options)

    return make


def test_batch__sequences_are_packed_in_order(clips):
    dataset = clips(None)
    batch = dataset.batch([(0, 2, 0), (0, 0, 0)])
    assert isinstance(batch.images, Sequences)
    assert batch.images.lengths == (1, 3)
    assert batch.images.frames.shape == (4, 3, 16, 20)
    assert (len(batch), len(batch.images), batch.image_size) == (2, 2, (16, 20))
    assert batch.targets["label"].tolist() == [2, 0]
    paths = [*dataset.samples[2].frames, *dataset.samples[0].frames]
    for path, frame in zip(paths, batch.images.frames, strict=True):
        assert np.array_equal(frame.permute(1, 2, 0).numpy(), prepare_image(path, SMALL))
    moved = batch.to("cpu")
    assert moved.images.lengths == (1, 3)


def test_batch__all_frames_are_augmented_by_the_same_draw(clips):
    dataset = clips()
    first, second = (dataset.batch([(epoch, 1, 0)]).images.frames for epoch in (0, 1))
    assert torch.equal(first[0], first[1])
    assert torch.equal(second[0], second[1])
    assert not torch.equal(first[0], second[0])


def test_row_by_row__each_frame_is_as_in_its_sequence(clips):
    dataset = clips()
    frames = dataset.row_by_row()
    assert len(frames) == 6
    assert frames.targets == (0, 0, 0, 1, 1, 2)
    for epoch in range(3):
        packed = dataset.batch([(epoch, index, 1) for index in range(3)]).images.frames
        single = frames.batch([(epoch, index, 1) for index in range(6)]).images
        assert torch.equal(packed, single)


def test_batch__each_frame_has_its_own_draw_where_the_augmentation_says_so(clips):
    dataset = clips()
    dataset.augmentation.each_frame = True
    batch = dataset.batch([(0, 1, 0), (0, 2, 0)])
    first, second, _ = batch.images.frames  # of the second sequence, whose frames are one picture
    assert not torch.equal(first, second)
    assert torch.equal(batch.images.frames, dataset.batch([(0, 1, 0), (0, 2, 0)]).images.frames)
    assert not torch.equal(batch.images.frames, dataset.batch([(1, 1, 0), (1, 2, 0)]).images.frames)
    rows = dataset.row_by_row().batch([(0, row, 0) for row in (3, 4, 5)])
    assert torch.equal(batch.images.frames, rows.images)


def test_batch__a_file_may_be_several_frames(clips):
    dataset = clips()
    dataset.augmentation.each_frame = True
    path = dataset.samples[0].path
    dataset.samples = (Sample(id="twice", path=path, target=None, frames=(path, path)),)
    dataset.targets = (0,)
    first, second = dataset.batch([(0, 0, 0)]).images.frames
    assert not torch.equal(first, second)
    rows = dataset.row_by_row()
    assert torch.equal(torch.stack([first, second]), rows.batch([(0, 0, 0), (0, 1, 0)]).images)
    assert len({sample.id for sample in rows.samples}) == 2, "the cache tells the two views apart"


def test_batch__a_frame_that_is_gone_is_named(clips):
    dataset = clips()
    dataset.samples[0].frames[2].unlink()
    with pytest.raises(DataError, match=r"clip0/2\.png could be read when the run started"):
        dataset.batch([(0, 0, 0)])
