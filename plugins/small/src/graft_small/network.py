"""The network: timm's ResNet-10-T, three quarters as wide, under a name of its own.

`timm.create_model("resnet10t", channels=CHANNELS, num_classes=0)` is the same one, where Graft is not at hand.
"""

from __future__ import annotations

from typing import Any

from timm.models import generate_default_cfgs, register_model
from timm.models.resnet import ResNet, resnet10t

CHANNELS = (48, 96, 192, 384)
"""Of the four stages; timm's own has 64 to 512."""

default_cfgs = generate_default_cfgs(
    {"graft_small": {"input_size": (3, 96, 96), "first_conv": "conv1.0", "classifier": "fc"}}
)


@register_model  # type: ignore[untyped-decorator,unused-ignore]
def graft_small(pretrained: bool = False, **kwargs: Any) -> ResNet:
    """Return the network, 2.8 million parameters; timm has no weights for it."""
    return resnet10t(pretrained=False, **{"channels": CHANNELS, **kwargs})
