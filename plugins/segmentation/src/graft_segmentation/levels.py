"""A backbone's pyramid as decoders expect it: one level for each halving of the image, the image's own included."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from graft.backbones.contract import BackboneInfo
from graft_segmentation.needs import stages_of_levels


@dataclass(frozen=True)
class Levels:
    """Which stage is which level.

    Args:
        stages: For each level, from the image's size on, the last stage of that size; None where there is none.
        channels: Of each level; 0 where there is no stage, and for the image's own size.
    """

    stages: tuple[int | None, ...]
    channels: tuple[int, ...]

    @classmethod
    def of(cls, info: BackboneInfo) -> Levels:
        """Return the levels of a backbone."""
        stages = stages_of_levels([stage.reduction for stage in info.stages])
        return cls(stages, tuple(0 if place is None else info.stages[place].channels for place in stages))

    @property
    def depth(self) -> int:
        """How often the size is halved."""
        return len(self.stages) - 1

    def features(
        self, pyramid: Sequence[Tensor], image_size: tuple[int, int], *, regular: bool = False
    ) -> list[Tensor]:
        """Return a map for each level; those without a stage have no channels.

        Args:
            pyramid: As the backbone gives it.
            image_size: (H, W) of its input.
            regular: Whether each map shall be exactly twice as large as the next: others are resized a little.
        """
        batch = pyramid[-1]
        maps: list[Tensor] = []
        height, width = batch.shape[-2:]
        for level, place in enumerate(self.stages):
            if regular:
                size = height * 2 ** (self.depth - level), width * 2 ** (self.depth - level)
            else:
                size = -(-image_size[0] // 2**level), -(-image_size[1] // 2**level)
            if place is None:
                maps.append(batch.new_zeros((batch.shape[0], 0, *size)))
            elif regular and tuple(pyramid[place].shape[-2:]) != size:
                maps.append(resized(pyramid[place], size))
            else:
                maps.append(pyramid[place])
        return maps


def resized(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Return maps in another size."""
    return nn.functional.interpolate(x, size=size, mode="bilinear", align_corners=False)


def without_norm_of_one(module: nn.Module) -> None:
    """Take the batch norms out of branches that pool the whole map to one pixel: a batch of one has no statistics."""
    for child in module.modules():
        if not isinstance(child, nn.Sequential):
            continue
        pools = any(isinstance(part, nn.AdaptiveAvgPool2d) and part.output_size in (1, (1, 1)) for part in child)
        if pools:
            for name, part in child.named_modules():
                if isinstance(part, nn.BatchNorm2d):
                    parent, _, last = name.rpartition(".")
                    setattr(child.get_submodule(parent), last, nn.Identity())


def image_sized(x: Tensor, image_size: tuple[int, int]) -> Tensor:
    """Return maps in the size of the network's input."""
    return x if tuple(x.shape[-2:]) == tuple(image_size) else resized(x, image_size)
