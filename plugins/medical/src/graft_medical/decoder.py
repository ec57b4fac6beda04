"""Scans as images: DICOM files, slices of NIfTI volumes; microscope images in usual files as usual. Torch-free."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from graft.data import STANDARD, BadImage, Decoder
from graft.data.decode import MAX_PIXELS
from graft_medical import dicom, nifti
from graft_medical.options import MedicalOptions
from graft_medical.series import Series

_MAX_VOXELS = 2_000_000_000
_OFF = 1e-3
"""By so much affines may differ, in millimetres: headers are rounded, and hold them in more than one way."""
_PART = re.compile(r"(?:t=(\d+),)?([zf])=(\d+)")
_SUBJECT = re.compile(r"(sub-[A-Za-z0-9]+)")


class MedicalDecoder(Decoder):
    """Numbers of a scanner as float32 0…1, through a window; never through 8 bits."""

    suffixes = (*nifti.SUFFIXES, *dicom.SUFFIXES)
    options: MedicalOptions

    def __init__(self, *, options: BaseModel) -> None:
        super().__init__(options=options)
        self._volumes = nifti.Volumes()
        self._series = Series()

    @property
    def channels(self) -> tuple[int, ...]:
        """One, or three: grey as colour. With neighbours, as many as there are slices."""
        return (2 * self.options.neighbours + 1,) if self.options.neighbours else (1, 3)

    def reads(self, path: Path) -> bool:
        """Return whether a file is DICOM, NIfTI or a usual image."""
        return nifti.is_nifti(path) or dicom.is_dicom(path) or STANDARD.reads(path)

    def stem(self, path: Path) -> str:
        """Return a file's name without its suffix; the last number of a name that is a UID, as `1.2.840.1`, is none."""
        return path.name if path.suffix[1:].isdigit() else super().stem(path)

    def parts(self, path: Path) -> Sequence[Path]:
        """Return a volume's slices, or a film's frames."""
        if _PART.fullmatch(path.name):
            return (path,)
        if nifti.is_nifti(path):
            shape = nifti.shape_of(path)
            slices = [f"z={index:03d}" for index in range(shape[nifti.AXES[self.options.axis]])]
            if len(shape) == 3:
                return [path / name for name in slices]
            return [path / f"t={time:03d},{name}" for time in range(shape[3]) for name in slices]
        if dicom.is_dicom(path):
            count = dicom.frames_of(dicom.header(path))
            return [path / f"f={index:03d}" for index in range(count)] if count > 1 else (path,)
        return (path,)

    def size(self, path: Path) -> tuple[int, int]:
        """Return (H, W), from the header."""
        file = self.file(path)
        if nifti.is_nifti(file):
            shape = nifti.shape_of(file)
            width, height = (shape[axis] for axis in range(3) if axis != nifti.AXES[self.options.axis])
            return height, width
        if dicom.is_dicom(file):
            return dicom.size_of(dicom.header(file))
        return STANDARD.size(path)

    def decode(self, path: Path, *, channels: int, max_pixels: int = MAX_PIXELS) -> NDArray[Any]:
        """Return an image `(H, W, channels)`."""
        file = self.file(path)
        if not (nifti.is_nifti(file) or dicom.is_dicom(file)):
            if channels not in STANDARD.channels:
                raise BadImage("format", f"a usual image has no neighbours to make {channels} channels of")
            return STANDARD.decode(path, channels=channels, max_pixels=max_pixels)
        height, width = self.size(path)
        if height * width > max_pixels:
            raise BadImage("oversized", f"{width} × {height} pixels are more than data.max_pixels = {max_pixels}")
        around = range(-self.options.neighbours, self.options.neighbours + 1)
        planes = [self._unit(file, path, step) for step in around]
        if planes[0].ndim == 3:
            if self.options.neighbours:
                raise BadImage("format", "an image in colour has no neighbours that could be channels")
            return _as_channels(planes[0], channels)
        stacked = np.stack(planes, axis=2)
        return stacked if stacked.shape[2] == channels else _as_channels(stacked, channels)

    def measured(self, path: Path) -> NDArray[Any]:
        """Return an image's values as the modality gives them `(H, W)`: Hounsfield units, say; colours as they are.

        Raises:
            BadImage: When it cannot be read.
        """
        file = self.file(path)
        if nifti.is_nifti(file):
            return self._slice(file, path, 0)[0]
        return dicom.read_frame(file, self._frame(path)).values

    def spacing(self, path: Path) -> tuple[float, float] | None:
        """Return what a pixel of an image measures down and across, in millimetres; None where its file says nothing.

        Raises:
            BadImage: When it cannot be read.
        """
        file = self.file(path)
        if nifti.is_nifti(file):
            return nifti.spacing_of(file, self.options.axis)
        return dicom.spacing_of(dicom.header(file), self._frame(path)) if dicom.is_dicom(file) else None

    def values(self, path: Path, *, like: Path, colours: bool = False) -> NDArray[Any]:
        """Return what a mask says for an image: of a volume, the same slice, and it must lie in the same grid."""
        if not nifti.is_nifti(path):
            if _PART.fullmatch(like.name) and len(self.parts(self.file(like))) > 1:
                raise BadImage("grid", "it is one picture, for all images of a file; a volume's mask is a NIfTI file")
            return STANDARD.values(path, like=like, colours=colours)
        if not nifti.is_nifti(volume := self.file(like)):
            raise BadImage("grid", "a mask in NIfTI is for an image in NIfTI; masks of other files are images")
        _require_grid(path, volume)
        found, _ = self._slice(path, like, 0)
        if np.issubdtype(found.dtype, np.floating) and not (found == np.round(found)).all():
            raise BadImage("format", "it has fractions, where whole numbers are wanted")
        return found.astype(np.int64)

    def group(self, path: Path) -> str | None:
        """Return what stands for the patient: by DICOM's PatientID, or a folder or name `sub-…`; else None.

        A DICOM file that says neither is of a series, whose images are of one patient.
        """
        file = self.file(path)
        dataset = dicom.header(file) if dicom.is_dicom(file) else None
        if dataset is not None and (patient := dicom.patient_of(dataset)) is not None:
            return patient
        if (dataset is not None or nifti.is_nifti(file)) and (found := _SUBJECT.findall(file.as_posix())):
            return str(found[-1])
        return None if dataset is None else dicom.series_of(dataset)

    def _unit(self, file: Path, path: Path, step: int) -> NDArray[Any]:
        """Return values as 0…1, or colours as they are, of a slice so many further."""
        if nifti.is_nifti(file):
            values, limits = self._slice(file, path, step)
            return _through(values, self.options.window, limits, inverted=False)
        scan = dicom.read_frame(*self._near(file, self._frame(path), step))
        if scan.values.ndim == 3:
            return scan.values
        finite = scan.values[np.isfinite(scan.values)]
        limits = tuple(np.percentile(finite, self.options.percentiles).tolist()) if finite.size else (0.0, 1.0)
        return _through(scan.values, self.options.window or scan.window, limits, inverted=scan.inverted)

    def _near(self, file: Path, frame: int, step: int) -> tuple[Path, int]:
        """Return the file and the frame so many further: in a film, or in a series of files by their position."""
        if not step:
            return file, frame
        count = dicom.frames_of(dicom.header(file))
        if count > 1:
            return file, min(max(frame + step, 0), count - 1)
        series = self._series(file)
        return series[min(max(series.index(file) + step, 0), len(series) - 1)], 0

    def _slice(self, file: Path, path: Path, step: int) -> tuple[NDArray[Any], tuple[float, float]]:
        found = _PART.fullmatch(path.name)
        if found is None:
            raise BadImage("format", "a volume is read slice by slice")
        volume = self._volumes(file, self.options.percentiles, _MAX_VOXELS)
        last = volume.values.shape[nifti.AXES[self.options.axis]] - 1
        time = int(found[1]) if found[1] and volume.values.ndim == 4 else None
        index = min(max(int(found[3]) + step, 0), last)
        return nifti.slice_of(volume.values, self.options.axis, index, time), volume.limits

    def _frame(self, path: Path) -> int:
        found = _PART.fullmatch(path.name)
        return int(found[3]) if found else 0


def _require_grid(mask: Path, volume: Path) -> None:
    """Raise unless a mask is one volume that lies where the image's does: its numbers alone would fit many."""
    shape, wanted = nifti.shape_of(mask), nifti.shape_of(volume)[:3]
    if shape != wanted:
        have, fits = (" × ".join(map(str, one)) for one in (shape, wanted))
        raise BadImage("grid", f"its {have} voxels are not the {fits} of the image")
    if (off := float(np.abs(nifti.grid_of(mask) - nifti.grid_of(volume)).max())) > _OFF:
        raise BadImage("grid", f"it lies elsewhere than the image: their affines differ by {off:.3g}")


def _through(
    values: NDArray[Any], window: tuple[float, float] | None, limits: Any, *, inverted: bool
) -> NDArray[np.float32]:
    """Return values as 0…1: through a window of middle and width, or between limits; what is no number is 0."""
    low, high = (window[0] - window[1] / 2, window[0] + window[1] / 2) if window else limits
    unit = (np.nan_to_num(values.astype(np.float32), nan=low) - low) / max(high - low, 1e-12)
    clipped: NDArray[np.float32] = unit.clip(0, 1).astype(np.float32)
    return 1 - clipped if inverted else clipped


def _as_channels(image: NDArray[Any], channels: int) -> NDArray[Any]:
    """Return grey as colour, or colour as its luminance (ITU-R 601)."""
    if image.shape[2] == channels:
        return image
    if image.shape[2] == 1:
        return np.repeat(image, channels, axis=2)
    grey = image.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    return (np.round(grey).astype(np.uint8) if image.dtype == np.uint8 else grey)[:, :, None]
