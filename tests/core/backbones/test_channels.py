from __future__ import annotations

import pytest
import torch
from torch.nn.functional import conv2d

from graft.backbones.channels import adapt_preprocess, adapt_weight
from graft.preprocess import Preprocess


def test_adapt_weight__grey_image_gives_what_three_equal_channels_gave() -> None:
    weight, grey = torch.randn(4, 3, 3, 3), torch.randn(1, 1, 8, 8)
    one = adapt_weight(weight, channels=1)
    torch.testing.assert_close(conv2d(grey, one), conv2d(grey.expand(1, 3, 8, 8), weight))


@pytest.mark.parametrize("channels", [2, 4, 5, 6, 13])
def test_adapt_weight__repeats_and_keeps_the_scale(channels: int) -> None:
    weight = torch.randn(4, 3, 3, 3)
    many = adapt_weight(weight, channels=channels)
    assert many.shape == (4, channels, 3, 3)
    for i in range(channels):
        torch.testing.assert_close(many[:, i], weight[:, i % 3] * 3 / channels)


@pytest.mark.parametrize(("given", "channels"), [(3, 1), (3, 2), (3, 5), (48, 1)])
def test_adapt_weight__is_timms_way(given: int, channels: int) -> None:
    from timm.models._manipulate import adapt_input_conv

    weight = torch.randn(4, given, 3, 3)  # 48: behind a space-to-depth stem
    torch.testing.assert_close(adapt_weight(weight, channels=channels), adapt_input_conv(channels, weight))


def test_adapt_weight__reversed_channels_are_put_right() -> None:
    weight = torch.randn(4, 3, 3, 3)
    torch.testing.assert_close(adapt_weight(weight, channels=6, bgr=True)[:, :3], weight.flip(1) / 2)


def test_adapt_preprocess__mean_and_std_follow() -> None:
    given = Preprocess(mean=(0.1, 0.2, 0.3), std=(1.0, 2.0, 3.0))
    assert adapt_preprocess(given, 3) is given
    five = adapt_preprocess(given, 5)
    assert (five.mean, five.std) == ((0.1, 0.2, 0.3, 0.1, 0.2), (1.0, 2.0, 3.0, 1.0, 2.0))
    one = adapt_preprocess(given, 1)
    assert one.mean == pytest.approx((0.2,))
    assert one.std == pytest.approx((2.0,))


def test_adapt_preprocess__channels_that_are_no_colours_have_no_colour_order() -> None:
    five = adapt_preprocess(Preprocess(mean=(0.1, 0.2, 0.3), std=(1.0, 2.0, 3.0), channel_order="bgr"), 5)
    assert (five.mean, five.channel_order) == ((0.3, 0.2, 0.1, 0.3, 0.2), "rgb")
