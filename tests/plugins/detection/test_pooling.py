"""The second stage's pooling is torchvision's, values and gradients."""

from __future__ import annotations

from collections import OrderedDict

import pytest
import torch
from torchvision.ops import MultiScaleRoIAlign

from graft_detection.heads.pooling import BoxPooling

SIZE = (128, 160)


def pyramid(strides: tuple[int, ...], *, images: int) -> OrderedDict[str, torch.Tensor]:
    draw = torch.Generator().manual_seed(0)
    sizes = [(-(-SIZE[0] // stride), -(-SIZE[1] // stride)) for stride in strides]
    maps = [torch.randn(images, 6, *size, generator=draw, dtype=torch.float32) for size in sizes]
    return OrderedDict((str(number), one.requires_grad_()) for number, one in enumerate(maps))


def boxes(*counts: int) -> list[torch.Tensor]:
    """Boxes of all sizes: some are larger than the image, some reach out of it, some are a point."""
    draw = torch.Generator().manual_seed(1)
    found = []
    for count in counts:
        centre = torch.rand(count, 2, generator=draw) * torch.tensor(SIZE[::-1])
        sides = torch.exp(torch.rand(count, 2, generator=draw) * 8 - 2)
        sides[::7] = 0
        found.append(torch.cat([centre - sides / 2, centre + sides / 2], dim=1))
    return found


@pytest.mark.parametrize("strides", [(8, 16, 32, 64), (4, 8), (16,)])
@pytest.mark.parametrize("counts", [(40, 25), (0, 30), (0,)])
def test_pooling__equals_torchvisions(strides, counts):
    own, theirs = pyramid(strides, images=len(counts)), pyramid(strides, images=len(counts))
    names, given = list(own), boxes(*counts)
    mine = BoxPooling(names, side=7, samples=2)(own, given, [SIZE] * len(counts))
    reference = MultiScaleRoIAlign(names, output_size=7, sampling_ratio=2)(theirs, given, [SIZE] * len(counts))
    torch.testing.assert_close(mine, reference, rtol=1e-5, atol=2e-5)
    weights = torch.randn(mine.shape, generator=torch.Generator().manual_seed(2))
    (mine * weights).sum().backward()
    (reference * weights).sum().backward()
    for name in names:
        torch.testing.assert_close(
            own[name].grad if own[name].grad is not None else torch.zeros_like(own[name]),
            theirs[name].grad if theirs[name].grad is not None else torch.zeros_like(theirs[name]),
            rtol=1e-5,
            atol=1e-4,
        )


def test_pooling__gives_the_precision_that_it_gets():
    maps = OrderedDict((name, one.detach().bfloat16()) for name, one in pyramid((8, 16), images=1).items())
    seen = BoxPooling(list(maps), side=7, samples=2)(maps, boxes(5), [SIZE])
    assert seen.dtype == torch.bfloat16
    assert seen.isfinite().all()
