"""Input channels other than those that the weights were trained with."""

from __future__ import annotations

from dataclasses import replace
from itertools import cycle, islice

from torch import Tensor

from graft.preprocess import Preprocess


def adapt_preprocess(preprocess: Preprocess, channels: int) -> Preprocess:
    """Return `preprocess` for `channels` input channels.

    One channel gets the average mean and standard deviation; more get the given ones in turn. Channels that are no
    colours have no colour order, so it is `rgb`, the order in which they are decoded.
    """
    if channels == preprocess.channels:
        return preprocess
    mean, std = preprocess.mean, preprocess.std
    if preprocess.channel_order == "bgr":
        mean, std = mean[::-1], std[::-1]
    if channels == 1:
        mean, std = (sum(mean) / len(mean),), (sum(std) / len(std),)
    else:
        mean, std = tuple(islice(cycle(mean), channels)), tuple(islice(cycle(std), channels))
    return replace(preprocess, mean=mean, std=std, channel_order="rgb")


def adapt_weight(weight: Tensor, *, channels: int, trained: int = 3, bgr: bool = False) -> Tensor:
    """Return the weight of a first convolution for another number of input channels.

    One channel gets the sum over the trained ones: a grey image then gives what it gave as three equal channels.
    More get the trained ones in turn, scaled by `trained / channels`, so that responses keep their size.

    Args:
        weight: `(O, I, K, K)`; I is `trained`, or a multiple of it behind a space-to-depth stem.
        channels: Input channels of the network.
        trained: Input channels of the weights.
        bgr: The trained channels are in reverse.
    """
    out, _, *kernel = weight.shape
    groups = weight.reshape(out, -1, trained, *kernel)
    if bgr:
        groups = groups.flip(2)
    if channels == 1:
        groups = groups.sum(dim=2, keepdim=True)
    else:
        turns = -(-channels // trained)
        groups = groups.repeat(1, 1, turns, 1, 1)[:, :, :channels] * (trained / channels)
    return groups.reshape(out, -1, *kernel)
