"""The geometric part of preprocessing: from decoded pixels of any size to the network's input. Torch-free."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from graft.data.decode import MAX_PIXELS
from graft.data.decoder import STANDARD, Decoder
from graft.preprocess import Preprocess

_FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
# A longer image is cut to this many times the input's aspect before it is resized: a row of 6000 pixels must not become
# an image of 224 × 1 344 000.
_LONGEST = 8


def resize(image: NDArray[Any], preprocess: Preprocess) -> NDArray[Any]:
    """Return `(h, w, C)` resized as `preprocess` says: what the pixel store keeps and augmentations start from.

    `shorter` gives the smallest size that covers `size / crop` and keeps the aspect ratio; `squash` gives `size`, and
    so does `pad`, which keeps the aspect ratio and fills the rest with the mean colour; `windows` gives the image
    itself. Antialiased when shrinking. The dtype stays: uint8, or float32 in 0…1.
    """
    cut, (height, width) = resized_shape((image.shape[0], image.shape[1]), preprocess)
    image = cut_centre(image, cut)
    if image.shape[:2] != (height, width):
        image = _scaled(image, (height, width), _FILTERS[preprocess.interpolation])
    return _padded(image, preprocess) if preprocess.resize == "pad" else image


def resized_shape(source: tuple[int, int], preprocess: Preprocess) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return the (H, W) of the centre of an image of `source` that is resized, and the (H, W) that it is resized to."""
    (height, width), (h, w) = preprocess.size, source
    if preprocess.resize == "windows":
        return source, source
    if preprocess.resize == "squash":
        return source, (height, width)
    if preprocess.resize == "pad":
        scale = min(height / h, width / w)
        return source, (max(1, min(height, round(h * scale))), max(1, min(width, round(w * scale))))
    height, width = math.floor(height / preprocess.crop), math.floor(width / preprocess.crop)
    h, w = min(h, max(1, _LONGEST * w * height // width)), min(w, max(1, _LONGEST * h * width // height))
    if h * width <= w * height:
        return (h, w), (height, height * w // h)
    return (h, w), (width * h // w, width)


def centre_crop(image: NDArray[Any], preprocess: Preprocess) -> NDArray[Any]:
    """Return evaluation's and prediction's input from a resized image: its centre, exactly `preprocess.size`.

    With `windows` it is the image as it is; `graft.data.windows` cuts it.
    """
    if preprocess.resize == "windows":
        return image
    return cut_centre(image, preprocess.size)


def prepare_image(
    path: Path, preprocess: Preprocess, *, decoder: Decoder = STANDARD, max_pixels: int = MAX_PIXELS
) -> NDArray[Any]:
    """Return a file as the network's input before normalisation, `(H, W, C)` uint8 or float32 0…1.

    With `windows` it is the whole image, at its own resolution.

    Raises:
        BadImage: When the file cannot be read as an image.
    """
    return prepare_sized(path, preprocess, decoder=decoder, max_pixels=max_pixels)[0]


def prepare_sized(
    path: Path, preprocess: Preprocess, *, decoder: Decoder = STANDARD, max_pixels: int = MAX_PIXELS
) -> tuple[NDArray[Any], tuple[int, int]]:
    """Return a file as `prepare_image` does, and the (H, W) that the file itself has.

    Raises:
        BadImage: When the file cannot be read as an image.
    """
    image = decoder.decode(path, channels=preprocess.channels, max_pixels=max_pixels)
    return centre_crop(resize(image, preprocess), preprocess), (image.shape[0], image.shape[1])


def cut_centre(image: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """Return the centre of `image`, at most `size` and at least one pixel."""
    height, width = (min(have, max(1, wanted)) for have, wanted in zip(image.shape[:2], size, strict=True))
    top, left = round((image.shape[0] - height) / 2), round((image.shape[1] - width) / 2)
    return image[top : top + height, left : left + width]


def _padded(image: NDArray[Any], preprocess: Preprocess) -> NDArray[Any]:
    mean = np.array(preprocess.mean[:: -1 if preprocess.channel_order == "bgr" else 1])
    colour = np.round(mean * 255).astype(np.uint8) if image.dtype == np.uint8 else mean.astype(np.float32)
    padded = np.empty((*preprocess.size, image.shape[2]), image.dtype)
    padded[:] = colour
    padded[: image.shape[0], : image.shape[1]] = image
    return padded


def _scaled(image: NDArray[Any], size: tuple[int, int], method: Image.Resampling) -> NDArray[Any]:
    height, width = size
    if image.dtype == np.uint8 and image.shape[2] in (1, 3, 4):
        # Pillow has no images of one channel with three axes.
        flat = image[:, :, 0] if image.shape[2] == 1 else image
        scaled = np.asarray(Image.fromarray(np.ascontiguousarray(flat)).resize((width, height), method))
        return scaled.reshape(height, width, image.shape[2])
    planes = [
        np.asarray(Image.fromarray(np.ascontiguousarray(image[:, :, channel])).resize((width, height), method))
        for channel in range(image.shape[2])
    ]
    # Bicubic interpolation overshoots; pixels stay in their range, as they do with uint8.
    stacked = np.stack(planes, axis=2)
    return stacked if image.dtype == np.uint8 else stacked.clip(0, 1)
