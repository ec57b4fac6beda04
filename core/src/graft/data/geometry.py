"""The geometric part of preprocessing: from decoded pixels of any size to the network's input. Torch-free."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from graft.data.decode import MAX_PIXELS, decode
from graft.preprocess import Preprocess

_FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
# A longer image is cut to this many times the input's aspect before it is resized: a row of 6000 pixels must not become
# an image of 224 × 1 344 000.
_LONGEST = 8


def resize(image: NDArray[Any], preprocess: Preprocess) -> NDArray[Any]:
    """Return `(h, w, C)` resized as `preprocess` says: what the pixel store keeps and augmentations start from.

    `shorter` gives the smallest size that covers `size / crop` and keeps the aspect ratio; `squash` gives `size`.
    Antialiased when shrinking. The dtype stays: uint8, or float32 in 0…1.
    """
    height, width = preprocess.size
    if preprocess.resize == "shorter":
        height, width = math.floor(height / preprocess.crop), math.floor(width / preprocess.crop)
        h, w = image.shape[:2]
        image = cut_centre(image, (_LONGEST * w * height // width, _LONGEST * h * width // height))
        h, w = image.shape[:2]
        if h * width <= w * height:
            width = height * w // h
        else:
            height = width * h // w
    if image.shape[:2] == (height, width):
        return image
    return _scaled(image, (height, width), _FILTERS[preprocess.interpolation])


def centre_crop(image: NDArray[Any], preprocess: Preprocess) -> NDArray[Any]:
    """Return the centre of a resized image, exactly `preprocess.size`: evaluation's and prediction's input."""
    return cut_centre(image, preprocess.size)


def prepare_image(source: Path | BinaryIO, preprocess: Preprocess, *, max_pixels: int = MAX_PIXELS) -> NDArray[Any]:
    """Return a file as the network's input before normalisation, `(H, W, C)` uint8 or float32 0…1.

    Raises:
        BadImage: When the file cannot be read as an image.
    """
    image = decode(source, channels=preprocess.channels, max_pixels=max_pixels)
    return centre_crop(resize(image, preprocess), preprocess)


def cut_centre(image: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """Return the centre of `image`, at most `size` and at least one pixel."""
    height, width = (min(have, max(1, wanted)) for have, wanted in zip(image.shape[:2], size, strict=True))
    top, left = round((image.shape[0] - height) / 2), round((image.shape[1] - width) / 2)
    return image[top : top + height, left : left + width]


def _scaled(image: NDArray[Any], size: tuple[int, int], method: Image.Resampling) -> NDArray[Any]:
    height, width = size
    if image.dtype == np.uint8:
        # Pillow has no images of one channel with three axes.
        flat = image[:, :, 0] if image.shape[2] == 1 else image
        scaled = np.asarray(Image.fromarray(np.ascontiguousarray(flat)).resize((width, height), method))
        return scaled.reshape(height, width, image.shape[2])
    planes = [
        np.asarray(Image.fromarray(np.ascontiguousarray(image[:, :, channel])).resize((width, height), method))
        for channel in range(image.shape[2])
    ]
    # Bicubic interpolation overshoots; pixels stay in their range, as they do with uint8.
    return np.stack(planes, axis=2).clip(0, 1)
