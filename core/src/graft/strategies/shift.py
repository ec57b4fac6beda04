"""How far images are from those that a network was trained on, seen by its own batch norms.

A batch norm remembers mean and variance of what it saw in pretraining, channel by channel; so the distance in feature
space is known without any of those images. (Statistics as a trace of the training data: Li et al. 2016, AdaBN.)
"""

from __future__ import annotations

from collections.abc import Iterable
from statistics import median

import torch
from torch import Tensor, nn

from graft.model import Model


@torch.no_grad()
def shift(model: Model, batches: Iterable[Tensor]) -> float | None:
    """Return the median over batch norms of the squared Fréchet distance between then and now, in pretrained variances.

    Each channel is taken for a Gaussian: `((mean - mean₀)² + (std - std₀)²) / std₀²`, averaged over channels. 0 is the
    same; natural photographs on ImageNet weights are at about 0.1.

    Args:
        model: With pretrained weights; its mode and its statistics stay as they are.
        batches: Images as the model takes them, `(B, C, H, W)` each.

    Returns:
        None when the backbone has no batch norms with statistics.
    """
    norms = [
        layer
        for layer in model.backbone.modules()
        if isinstance(layer, nn.modules.batchnorm._BatchNorm) and layer.running_mean is not None
    ]
    if not norms:
        return None
    sums = [_Moments() for _ in norms]
    handles = [layer.register_forward_pre_hook(moments.take) for layer, moments in zip(norms, sums, strict=True)]
    training = model.training
    try:
        model.eval()
        for images in batches:
            model.features(images)
    finally:
        model.train(training)
        for handle in handles:
            handle.remove()
    return median(_distance(layer, moments) for layer, moments in zip(norms, sums, strict=True))


class _Moments:
    """Sums of a layer's inputs and of their squares, channel by channel."""

    def __init__(self) -> None:
        self.count = 0
        self.first: Tensor | float = 0.0
        self.second: Tensor | float = 0.0

    def take(self, layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        x = inputs[0].float()
        axes = [axis for axis in range(x.ndim) if axis != 1]
        # Of a batch in single precision, which is many times faster; of all batches in double precision.
        variance, mean = (moment.double() for moment in torch.var_mean(x, dim=axes, correction=0))
        count = x.numel() // x.shape[1]
        self.count += count
        self.first = self.first + count * mean
        self.second = self.second + count * (variance + mean.square())


def _distance(layer: nn.modules.batchnorm._BatchNorm, moments: _Moments) -> float:
    assert layer.running_mean is not None  # for the type checker: only such layers are asked
    assert layer.running_var is not None
    mean = torch.as_tensor(moments.first / moments.count)
    std = (torch.as_tensor(moments.second / moments.count) - mean.square()).clamp(min=0).sqrt()
    then = layer.running_var.double().add(layer.eps).sqrt()
    each = ((mean - layer.running_mean.double()).square() + (std - then).square()) / then.square()
    return float(each.mean())
