"""The source of backbones."""

import itertools

from torch import nn

from graft.backbones import Backbone, BackboneInfo, StageInfo
from graft.errors import WeightsError
from graft.preprocess import Preprocess


class Source:
    """Offers the backbone `three`."""

    def names(self):
        return ("three",)

    def build(self, arch, *, channels=3):
        if arch != "three":
            raise WeightsError(f"no backbone {arch}", fix="take three")
        widths = (channels, 6, 8, 12)
        stages = [
            nn.Sequential(nn.Conv2d(before, after, 3, stride=2, padding=1), nn.BatchNorm2d(after), nn.ReLU())
            for before, after in itertools.pairwise(widths)
        ]
        infos = [
            StageInfo(name=name, channels=width, reduction=reduction)
            for name, width, reduction in zip(("stem", "stage1", "stage2"), widths[1:], (2, 4, 8), strict=True)
        ]
        return Backbone(
            stages=stages,
            tail=nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()),
            info=BackboneInfo(stages=tuple(infos), embed_dim=12),
            preprocess=Preprocess(size=(32, 32), mean=(0.5,) * channels, std=(0.25,) * channels),
        )

    def pretrained(self, arch):
        return None

    def tagged(self, arch):
        return ()

    def fetch(self, arch):
        return {}

    def convert(self, arch, state):
        return state

    def classifier(self, arch):
        return ()
