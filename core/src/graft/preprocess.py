"""How an image becomes a network's input: one description for training, prediction and export. Torch-free."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, Literal


@dataclass(frozen=True, kw_only=True)
class Preprocess:
    """What a set of weights expects of its input.

    The geometric part (`resize`, centre crop) is done on the decoded image by `graft.data.geometry`; the numeric part
    (scaling to 0…1, channel order, mean and standard deviation) is inside `graft.model.Model`, so that training,
    prediction and an exported file cannot differ.

    Args:
        size: Height and width in pixels of the network's input.
        resize: `shorter` resizes the shorter side to `size / crop` and cuts out the centre; `squash` resizes to
            `size` and gives up the aspect ratio; `pad` shows the whole image, its longer side resized to fit, with the
            mean colour right of it or below; `windows` leaves the resolution as it is and looks at the image through
            windows of `size`, which overlap and are blended.
        crop: Share of the resized image's side that the centre crop of `shorter` keeps, in (0, 1].
        overlap: Share of a window that it has in common with the next one, at least, in [0, 0.5]; of `windows` alone.
        interpolation: `bilinear` or `bicubic`, antialiased.
        mean, std: Per channel, of images scaled to 0…1, in the order of `channel_order`.
        channel_order: `rgb` or `bgr`.
    """

    size: tuple[int, int] = (224, 224)
    resize: Literal["shorter", "squash", "pad", "windows"] = "shorter"
    crop: float = 0.875
    interpolation: Literal["bilinear", "bicubic"] = "bilinear"
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    std: tuple[float, ...] = (0.229, 0.224, 0.225)
    channel_order: Literal["rgb", "bgr"] = "rgb"
    overlap: float = 0.25

    @property
    def channels(self) -> int:
        """Number of input channels."""
        return len(self.mean)

    def framed(self, framing: Literal["crop", "pad", "windows"], *, overlap: float = 0.25) -> Preprocess:
        """Return it as a task frames images: `crop` leaves it as the weights have it; `overlap` is of `windows`."""
        if framing == "windows":
            return replace(self, resize=framing, overlap=overlap)
        return self if framing == "crop" else replace(self, resize=framing)

    def to_json(self) -> dict[str, Any]:
        """Return plain values; `from_json` takes them back."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Preprocess:
        """Build from what `to_json` gave."""
        lists: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in values.items()
        }
        return cls(**lists)
