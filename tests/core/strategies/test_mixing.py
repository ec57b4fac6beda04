from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats
from torch.nn import functional as F

from graft.model import Activations
from graft.sequences import Sequences
from graft.strategies.mixing import mix, permuted


def batch(size=6, *, dtype=torch.float32, height=12, width=16):
    images = torch.rand(size, 3, height, width, generator=torch.Generator().manual_seed(0))
    return (images * 255).to(torch.uint8) if dtype == torch.uint8 else images


def mixes(number, images, **options):
    for seed in range(number):
        torch.manual_seed(seed)
        yield mix(images, **options)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_mixup__every_image_is_a_share_of_two(dtype):
    images = batch(dtype=dtype)
    before = images.clone()
    real = images / 255 if dtype == torch.uint8 else images
    for mixed in mixes(10, images, mixup=0.4, cutmix=0.0):
        assert mixed.images.dtype == torch.float32
        expected = mixed.share * real + (1 - mixed.share) * real[mixed.order]
        torch.testing.assert_close(mixed.images, expected)
        assert not torch.equal(mixed.images, real)
    assert torch.equal(images, before)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_cutmix__a_rectangle_is_the_other_images_and_the_share_is_its_area(dtype):
    images = batch(dtype=dtype)
    before = images.clone()
    areas = []
    for mixed in mixes(50, images, mixup=0.0, cutmix=1.0):
        assert mixed.images.dtype == dtype
        own = (mixed.images == images).all(dim=1)
        others = (mixed.images == images[mixed.order]).all(dim=1)
        assert (own | others).all()
        moved = mixed.order != torch.arange(len(images))
        pasted = ~own[moved]
        assert (pasted == pasted[0]).all(), "the same place in every image"
        rows, columns = pasted[0].any(dim=1), pasted[0].any(dim=0)
        assert torch.equal(pasted[0], rows[:, None] & columns), "a rectangle"
        assert all((line.int().diff() != 0).sum() <= 2 for line in (rows, columns)), "in one piece"
        assert mixed.share == pytest.approx(1 - pasted[0].float().mean().item())
        areas.append(1 - mixed.share)
    assert np.ptp(areas) > 0.5
    assert torch.equal(images, before)


def test_cutmix__keeps_the_shape_of_the_image_where_the_border_does_not_cut():
    images = torch.zeros(2, 1, 200, 400)
    images[1] = 1
    whole = []
    for mixed in mixes(200, images, mixup=0.0, cutmix=1.0):
        pasted = mixed.images[0, 0] != images[0, 0]
        height, width = int(pasted.any(dim=1).sum()), int(pasted.any(dim=0).sum())
        if height and not (pasted[0].any() or pasted[-1].any() or pasted[:, 0].any() or pasted[:, -1].any()):
            whole.append((height, width))
    assert len(whole) > 10
    assert all(abs(width - 2 * height) <= 2 for height, width in whole)


@pytest.mark.parametrize("alpha", [0.2, 1.0])
def test_mixup__shares_are_of_the_distribution_asked_for(alpha):
    shares = [mixed.share for mixed in mixes(400, torch.zeros(2, 1, 1, 1), mixup=alpha, cutmix=0.0)]
    assert stats.kstest(shares, stats.beta(alpha, alpha).cdf).pvalue > 0.01


@pytest.mark.parametrize("alpha", [1e-3, 100.0])
@pytest.mark.parametrize("kind", ["mixup", "cutmix"])
def test_mix__extreme_parameters(kind, alpha):
    for mixed in mixes(50, batch(), **{"mixup": 0.0, "cutmix": 0.0, kind: alpha}):
        assert 0 <= mixed.share <= 1
        assert mixed.images.isfinite().all()


def test_mix__with_both_each_is_taken_half_of_the_time():
    taken = [mixed.images.dtype for mixed in mixes(200, batch(dtype=torch.uint8), mixup=0.2, cutmix=1.0)]
    assert 80 < taken.count(torch.uint8) < 120
    assert set(taken) == {torch.uint8, torch.float32}


def test_mix__needs_one_of_them():
    with pytest.raises(ValueError, match="neither mixup nor cutmix"):
        mix(batch(), mixup=0.0, cutmix=0.0)


def test_mix__is_a_function_of_the_global_seed():
    def again(seed):
        torch.manual_seed(seed)
        return mix(batch(), mixup=0.3, cutmix=0.3)

    first, second, other = again(1), again(1), again(2)
    assert torch.equal(first.images, second.images)
    assert torch.equal(first.order, second.order)
    assert first.share == second.share != other.share


def test_mix__of_one_image_is_that_image():
    images = batch(1)
    for mixed in mixes(6, images, mixup=1.0, cutmix=1.0):
        torch.testing.assert_close(mixed.images, images)


def test_mix__keeps_channels_last():
    images = batch().contiguous(memory_format=torch.channels_last)
    for mixed in mixes(6, images, mixup=1.0, cutmix=1.0):
        assert mixed.images.is_contiguous(memory_format=torch.channels_last)


ORDER = torch.tensor([2, 0, 1])


def test_permuted__all_kinds_of_targets():
    targets = {"labels": torch.tensor([5, 6, 7]), "names": ["a", "b", "c"], "more": {"boxes": ({"x": 1}, 2, 3)}}
    given = permuted(targets, ORDER)
    assert given["labels"].tolist() == [7, 5, 6]
    assert given["names"] == ["c", "a", "b"]
    assert given["more"]["boxes"] == (3, {"x": 1}, 2)
    assert targets["names"] == ["a", "b", "c"]


def test_permuted__refuses_what_has_no_entry_per_image():
    with pytest.raises(ValueError, match="2 targets for 3 images"):
        permuted({"labels": torch.zeros(3), "boxes": [1, 2]}, ORDER)
    with pytest.raises(TypeError, match="targets that are a str"):
        permuted({"name": "cat"}, ORDER)


@pytest.mark.parametrize("options", [{"mixup": 0.4, "cutmix": 0.0}, {"mixup": 0.0, "cutmix": 1.0}])
@pytest.mark.parametrize("multi", [False, True])
def test_two_losses__are_the_loss_of_mixed_targets(options, multi):
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(6, 4, generator=generator)
    labels = torch.randint(4, (6,), generator=generator)
    rows = F.one_hot(labels, 4).float()
    if multi:
        rows = (torch.rand(6, 4, generator=generator) < 0.4).float()
    loss, targets = (F.binary_cross_entropy_with_logits, rows) if multi else (F.cross_entropy, labels)
    for mixed in mixes(5, batch(), **options):
        others = permuted(targets, mixed.order)
        both = mixed.share * loss(logits, targets) + (1 - mixed.share) * loss(logits, others)
        soft = mixed.share * rows + (1 - mixed.share) * rows[mixed.order]
        torch.testing.assert_close(both, loss(logits, soft))


@pytest.mark.parametrize("how", [{"mixup": 1.0, "cutmix": 0.0}, {"mixup": 0.0, "cutmix": 1.0}])
def test_mix__sequences_are_refused(how):
    frames = Sequences(batch(6), (2, 4))
    known = Activations((torch.rand(6, 3),), 1, (12, 16), lengths=(2, 4))
    for images in (frames, known):
        with pytest.raises(ValueError, match="sequences differ in length"):
            mix(images, **how)
