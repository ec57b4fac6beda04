"""NIfTI volumes through nibabel, in the nearest canonical orientation: right, anterior, superior. Torch-free."""

from __future__ import annotations

import threading
import zlib
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError
from nibabel.wrapstruct import WrapStructError
from numpy.typing import NDArray

from graft.data import BadImage

SUFFIXES = (".nii.gz", ".nii")
AXES = {"sagittal": 0, "coronal": 1, "axial": 2}
_KEPT = 2
"""Volumes in memory: their slices are usually asked for one after the other."""


@dataclass(frozen=True)
class Volume:
    """A volume.

    Args:
        values: `(X, Y, Z)`, or `(X, Y, Z, T)`, as scaled by its header.
        limits: Percentiles that were asked for.
    """

    values: NDArray[Any]
    limits: tuple[float, float]


def is_nifti(path: Path) -> bool:
    """Return whether a file is named as NIfTI."""
    return path.name.lower().endswith(SUFFIXES)


def shape_of(path: Path) -> tuple[int, ...]:
    """Return a volume's (X, Y, Z) or (X, Y, Z, T) in canonical orientation, from its header.

    Raises:
        BadImage: When it cannot be read, or is no volume.
    """
    image = _opened(path)
    shape = _without_ones(image.shape)
    if len(shape) not in (3, 4) or 0 in shape:
        raise BadImage("format", f"an array of {' × '.join(map(str, image.shape))}, and a volume has 3 or 4 axes")
    turned = [0, 0, 0]
    for axis, place in enumerate(_orientation(image)[:, 0].astype(int)):
        turned[place] = shape[axis]
    return (*turned, *shape[3:])


def grid_of(path: Path) -> NDArray[Any]:
    """Return where a volume's voxels lie, `(4, 4)` in millimetres, in canonical orientation, from its header.

    Raises:
        BadImage: When it cannot be read.
    """
    image = _opened(path)
    return np.asarray(image.affine @ nibabel.orientations.inv_ornt_aff(_orientation(image), image.shape[:3]))


def spacing_of(path: Path, axis: str) -> tuple[float, float]:
    """Return what a pixel of a slice measures down and across, in millimetres.

    Raises:
        BadImage: When it cannot be read.
    """
    sides = np.linalg.norm(grid_of(path)[:3, :3], axis=0)
    across, down = (float(side) for place, side in enumerate(sides) if place != AXES[axis])
    return down, across


def slice_of(values: NDArray[Any], axis: str, index: int, time: int | None = None) -> NDArray[Any]:
    """Return a slice `(H, W)` as it is looked at: anterior or superior above, columns from left to right."""
    volume = values if time is None else values[..., time]
    return np.asarray(np.take(volume, index, axis=AXES[axis]).T[::-1])


class Volumes:
    """Reads volumes, and keeps the last ones; threads share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[Any, ...], Volume] = OrderedDict()

    def __call__(self, path: Path, percentiles: tuple[float, float], max_voxels: int) -> Volume:
        """Return a volume in canonical orientation.

        Raises:
            BadImage: When it cannot be read, or is too large.
        """
        try:
            status = path.stat()
        except OSError as error:
            raise BadImage("missing", "no such file") from error
        key = (path, status.st_ctime_ns, status.st_size, percentiles)
        with self._lock:
            if key not in self._kept:
                if (count := int(np.prod(shape_of(path)))) > max_voxels:
                    raise BadImage("oversized", f"{count} voxels are too many")
                self._kept[key] = _volume(path, percentiles)
                while len(self._kept) > _KEPT:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(key)
            return self._kept[key]

    def __reduce__(self) -> Any:
        return Volumes, ()


def _volume(path: Path, percentiles: tuple[float, float]) -> Volume:
    image = _opened(path)
    _orientation(image)
    try:
        values = np.asarray(nibabel.as_closest_canonical(image).dataobj)
    except (OSError, ValueError, EOFError, MemoryError, zlib.error, ImageFileError) as error:
        raise BadImage("corrupt", f"its values cannot be read: {type(error).__name__}") from error
    values = values.reshape(_without_ones(values.shape))
    if np.issubdtype(values.dtype, np.complexfloating) or values.dtype.names:
        raise BadImage("format", f"its values are of the kind {values.dtype}, not numbers")
    finite = values[np.isfinite(values)] if np.issubdtype(values.dtype, np.floating) else values
    low, high = np.percentile(finite, percentiles) if finite.size else (0.0, 1.0)
    return Volume(values, (float(low), float(high)))


def _opened(path: Path) -> Any:
    try:
        return nibabel.Nifti1Image.from_filename(path)
    except FileNotFoundError as error:
        raise BadImage("missing", "no such file") from error
    except (
        *(ImageFileError, HeaderDataError, WrapStructError),
        *(OSError, EOFError, ValueError, TypeError, zlib.error),
    ) as error:
        raise BadImage("corrupt", f"it cannot be read as NIfTI: {type(error).__name__}") from error


def _orientation(image: Any) -> NDArray[Any]:
    """Return where an image's axes point, as nibabel says it, `(3, 2)`.

    Raises:
        BadImage: When its affine says nothing.
    """
    found = np.full((3, 2), np.nan)
    if np.isfinite(image.affine).all():
        found = np.asarray(nibabel.io_orientation(image.affine))
    if not np.isfinite(found).all():
        raise BadImage("corrupt", "its affine does not say where its axes point")
    return found


def _without_ones(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return a shape without axes of length 1 behind the third: many programs write a volume as (X, Y, Z, 1)."""
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    return shape
