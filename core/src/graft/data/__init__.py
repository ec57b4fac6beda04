"""Data: samples and their readers, decoding, splits, and batches."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from graft.data.samples import SPLITS, BadFile, Catalogue, DuplicateSet, PreparedData, Sample

if TYPE_CHECKING:
    from graft.data.augmentation import Augmentation
    from graft.data.batch import Batch
    from graft.data.dataset import ImageDataset
    from graft.data.decode import BadImage
    from graft.data.decoder import STANDARD, Decoder, StandardDecoder
    from graft.data.geometry import centre_crop, prepare_image, resize
    from graft.data.loader import make_loader
    from graft.data.prepare import read
    from graft.data.reader import Divisible, Reader, Writer
    from graft.data.sampler import EpochSampler
    from graft.data.store import PixelStore

__all__ = [
    "SPLITS",
    "STANDARD",
    "Augmentation",
    "BadFile",
    "BadImage",
    "Batch",
    "Catalogue",
    "Decoder",
    "Divisible",
    "DuplicateSet",
    "EpochSampler",
    "ImageDataset",
    "PixelStore",
    "PreparedData",
    "Reader",
    "Sample",
    "StandardDecoder",
    "Writer",
    "centre_crop",
    "make_loader",
    "prepare_image",
    "read",
    "resize",
]

_HOMES = {
    "Augmentation": "augmentation",
    "BadImage": "decode",
    "Batch": "batch",
    "Decoder": "decoder",
    "Divisible": "reader",
    "EpochSampler": "sampler",
    "ImageDataset": "dataset",
    "PixelStore": "store",
    "Reader": "reader",
    "STANDARD": "decoder",
    "StandardDecoder": "decoder",
    "Writer": "reader",
    "centre_crop": "geometry",
    "make_loader": "loader",
    "prepare_image": "geometry",
    "read": "prepare",
    "resize": "geometry",
}


def __getattr__(name: str) -> Any:
    # Pillow, numpy and torch are imported by whoever uses them. The functions `decode` and `prepare` are not here,
    # because the modules that they live in have the same names.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
