"""Decoders of segmentation-models-pytorch, and one of our own, on any backbone with a pyramid.

Each is built from `(levels, width, dropout)` and maps a pyramid to `(B, C, h, w)`; `channels` is its C. Nothing is
loaded with them: pretrained is the backbone alone. No stage is dilated, whatever the paper did, since the backbone is
taken as it is; DeepLab's rates are scaled to the resolution instead.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

import torch
from segmentation_models_pytorch.decoders.deeplabv3.decoder import DeepLabV3Decoder, DeepLabV3PlusDecoder
from segmentation_models_pytorch.decoders.fpn.decoder import FPNDecoder
from segmentation_models_pytorch.decoders.pspnet.decoder import PSPDecoder
from segmentation_models_pytorch.decoders.segformer.decoder import SegformerDecoder
from segmentation_models_pytorch.decoders.unet.decoder import UnetDecoder
from segmentation_models_pytorch.decoders.unetplusplus.decoder import UnetPlusPlusDecoder
from segmentation_models_pytorch.decoders.upernet.decoder import UPerNetDecoder
from torch import Tensor, nn

from graft_segmentation.levels import Levels, resized, without_norm_of_one

_RATES = (6, 12, 18)
"""DeepLab's dilations, at a sixteenth of the image's size (Chen et al. 2017)."""

_GROUPS = 32
"""Of the group norms in FPN's decoder: its width is a multiple, and at least two of them. A group of one channel of one
pixel has no statistics."""


class Decoder(nn.Module, ABC):
    """What turns a pyramid into one map."""

    channels: int

    def __init__(self, levels: Levels, width: int | None, dropout: float) -> None:
        super().__init__()
        self.levels = levels

    @abstractmethod
    def forward(self, pyramid: Sequence[Tensor], image_size: tuple[int, int]) -> Tensor:
        """Return `(B, C, h, w)`, in a size of its own."""


class Unet(Decoder):
    """U-Net (Ronneberger et al. 2015): skips at every level that the backbone has."""

    def __init__(self, levels: Levels, width: int | None, dropout: float) -> None:
        super().__init__(levels, width, dropout)
        self.channels = width or 16
        blocks = [min(256, self.channels * 2**place) for place in reversed(range(levels.depth))]
        self.decoder = UnetDecoder(encoder_channels=levels.channels, decoder_channels=blocks, n_blocks=levels.depth)

    def forward(self, pyramid: Sequence[Tensor], image_size: tuple[int, int]) -> Tensor:
        """Return a map of the image's size."""
        return self.decoder(self.levels.features(pyramid, image_size))  # type: ignore[no-any-return]


class UnetPlusPlus(Decoder):
    """UNet++ (Zhou et al. 2018): skips through blocks of their own, which are densely connected."""

    def __init__(self, levels: Levels, width: int | None, dropout: float) -> None:
        super().__init__(levels, width, dropout)
        self.channels = width or 16
        blocks = [min(256, self.channels * 2**place) for place in reversed(range(levels.depth))]
        self.decoder = UnetPlusPlusDecoder(
            encoder_channels=levels.channels, decoder_channels=blocks, n_blocks=levels.depth
        )

    def forward(self, pyramid: Sequence[Tensor], image_size: tuple[int, int]) -> Tensor:
        """Return a map of about the image's size."""
        return self.decoder(self.levels.features(pyramid, image_size, regular=True))  # type: ignore[no-any-return]


class DeepLabV3(Decoder):
    """DeepLabv3 (Chen et al. 2017): dilated convolutions side by side on the last map."""

    def __init__(self, levels: Levels, width: int | None, dropout: float) -> None:
        super().__init__(levels, width, dropout)
        self.channels = width or 256
        self.decoder = DeepLabV3Decoder(levels.channels[-1], self.channels, _rates(levels), False, dropout)
        without_norm_of_one(self.decoder)

    def forward(self, pyramid: Sequence[Tensor], image_size: tuple[int, int]) -> Tensor:
        """Return a map of the last stage's size."""
        return self.decoder([pyramid[-1]])  # type: ignore[no-any-return]


class DeepLabV3Plus(Decoder):
    """DeepLabv3+ (Chen et al. 2018): the same, refined with the map of a quarter of the image's size."""

    def __init__(self, levels: Levels, width: int | None, dropout: float) -> None:
        super().__init__(levels, width, dropout)
        self.channels = width or 256
        self.decoder = DeepLabV3PlusDecoder(
            encoder_channels=levels.channels,
            encoder_depth=levels.depth,
            out_channels=self.channels,
            atrous_rates=_rates(levels),
            output_stride=16,
            aspp_separable=True,
            aspp_dropout=dropout,
        )
        without_norm_of_one(self.decoder)

    def forward(self, pyramid: Sequence[Tensor], image_size: tuple[int, int]) -> Tensor:
        """Return a map of a quarter of the image's size."""
        fine = self.decoder.block1(self.levels.features(pyramid, image_size)[2])
        # In place of its own enlarging, by a factor that only dilated backbones have.
        coarse = resized(self.decoder.aspp(pyramid[-1]), (fine.shape[-2], fine.shape[-1]))
        return self.decoder.block2(torch.cat([coarse, fine], dim=1))  # type: ignore[no-any-return]


class Fpn(Decoder):
    """Feature pyramid (Lin et al. 2017; Kirillov et al. 2019): four levels, brought to one size, are summed."""

    def __init__(self, levels: Levels, width: int | None, dropout: float) -> None:
        super().__init__(levels, width, dropout)
        self.channels = max(2, -(-(width or 128) // _GROUPS)) * _GROUPS
        self.decoder = FPNDecoder(
            encoder_channels=levels.channels,
            encoder_depth=levels.depth,
            pyramid_channels=2 * self.channels,
            segmentation_channels=self.channels,
            dropout=dropout,
        )

    def forward(self, pyramid: Sequence[Tensor], image_size: tuple[int, int]) -> Tensor:
        """Return a map of the fourth last level's size."""
        return self.decoder(self.levels.features(pyramid, image_size, regular=True))  # type: ignore[no-any-return]


class Pspnet(Decoder):
    """PSPNet (Zhao et al. 2017): the last map beside what it is on average in parts of the image."""

    def __init__(self, levels: Levels, width: int | None, dropout: float) -> None:
        super().__init__(levels, width, dropout)
        self.channels = width or 512
        given = levels.channels[-1]
        # Each of the four averages has a quarter of the channels, which must add up to as many.
        even = -(-given // 4) * 4
        self.enter = nn.Identity() if even == given else nn.Conv2d(given, even, 1)
        self.decoder = PSPDecoder(encoder_channels=[even], out_channels=self.channels, dropout=dropout)

    def forward(self, pyramid: Sequence[Tensor], image_size: tuple[int, int]) -> Tensor:
        """Return a map of the last stage's size."""
        return self.decoder([self.enter(pyramid[-1])])  # type: ignore[no-any-return]


class Upernet(Decoder):
    """UPerNet (Xiao et al. 2018): PSPNet's averages on the last map, and a feature pyramid."""

    def __init__(self, levels: Levels, width: int | None, dropout: float) -> None:
        super().__init__(levels, width, dropout)
        self.channels = width or 256
        self.decoder = UPerNetDecoder(levels.channels, encoder_depth=levels.depth, decoder_channels=self.channels)
        without_norm_of_one(self.decoder)

    def forward(self, pyramid: Sequence[Tensor], image_size: tuple[int, int]) -> Tensor:
        """Return a map of a quarter of the image's size."""
        return self.decoder(self.levels.features(pyramid, image_size))  # type: ignore[no-any-return]


class Segformer(Decoder):
    """SegFormer's decoder (Xie et al. 2021): a linear layer on each level, and one on all of them together."""

    def __init__(self, levels: Levels, width: int | None, dropout: float) -> None:
        super().__init__(levels, width, dropout)
        self.channels = width or 256
        self.decoder = SegformerDecoder(
            list(levels.channels), encoder_depth=levels.depth, segmentation_channels=self.channels
        )

    def forward(self, pyramid: Sequence[Tensor], image_size: tuple[int, int]) -> Tensor:
        """Return a map of a quarter of the image's size."""
        return self.decoder(self.levels.features(pyramid, image_size))  # type: ignore[no-any-return]


class Fcn(Decoder):
    """Fully convolutional (Long et al. 2015, FCN-8s): the last three maps, each with a layer of its own, are summed."""

    def __init__(self, levels: Levels, width: int | None, dropout: float) -> None:
        super().__init__(levels, width, dropout)
        self.channels = width or 128
        self.used = [place for place in levels.stages if place is not None][-3:]
        there = [channels for channels in levels.channels if channels][-3:]
        self.scores = nn.ModuleList(nn.Conv2d(channels, self.channels, 1) for channels in there)
        self.fuse = nn.Sequential(
            nn.Conv2d(self.channels, self.channels, 3, padding=1, bias=False), nn.BatchNorm2d(self.channels), nn.ReLU()
        )

    def forward(self, pyramid: Sequence[Tensor], image_size: tuple[int, int]) -> Tensor:
        """Return a map of the third last level's size."""
        x: Tensor | None = None
        for place, score in zip(reversed(self.used), reversed(list(self.scores)), strict=True):
            own = score(pyramid[place])
            x = own if x is None else own + resized(x, (own.shape[-2], own.shape[-1]))
        return self.fuse(x)  # type: ignore[no-any-return]


DECODERS: Mapping[str, type[Decoder]] = {
    "unet": Unet,
    "unet++": UnetPlusPlus,
    "deeplabv3": DeepLabV3,
    "deeplabv3+": DeepLabV3Plus,
    "fpn": Fpn,
    "pspnet": Pspnet,
    "upernet": Upernet,
    "segformer": Segformer,
    "fcn": Fcn,
}


def _rates(levels: Levels) -> tuple[int, ...]:
    return tuple(max(1, round(rate * 16 / 2**levels.depth)) for rate in _RATES)
