"""DICOM files through pydicom: values in the units of the modality. Torch-free."""

from __future__ import annotations

import hashlib
import secrets
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.errors import InvalidDicomError
from pydicom.pixels import apply_color_lut, apply_modality_lut, pixel_array
from pydicom.uid import JPEG2000TransferSyntaxes

from graft.data import BadImage

SUFFIXES = (".dcm", ".dicom")
_PREAMBLE = 128
_KEY = secrets.token_bytes(16)
"""Of this process alone: what stands for a patient says nothing outside of it, and cannot be looked up."""


@dataclass(frozen=True)
class Scan:
    """What a DICOM file shows.

    Args:
        values: `(H, W)` float32 in the units of the modality, or `(H, W, 3)` uint8 or float32 0…1 in colour.
        window: Middle and width that the file asks for, or None.
        inverted: Whether high values are dark.
    """

    values: NDArray[Any]
    window: tuple[float, float] | None
    inverted: bool


def is_dicom(path: Path) -> bool:
    """Return whether a file is DICOM: by its suffix, or without one by the mark behind its preamble.

    What follows the last dot of a file that is named by its UID, as in `MR.1.2.840.113619`, is no suffix.
    """
    if path.suffix.lower() in SUFFIXES:
        return True
    if path.suffix and not path.suffix[1:].isdigit():
        return False
    try:
        with path.open("rb") as stream:
            return stream.read(_PREAMBLE + 4)[_PREAMBLE:] == b"DICM"
    except (OSError, ValueError):
        return False


def header(path: Path) -> Any:
    """Return a file's attributes without its pixels.

    Raises:
        BadImage: When it cannot be read, or has no image.
    """
    dataset = _read(path, stop_before_pixels=True)
    if min(size_of(dataset)) < 1:
        raise BadImage("format", "it has no image")
    return dataset


def size_of(dataset: Any) -> tuple[int, int]:
    """Return (H, W); 0 where the file does not say.

    Raises:
        BadImage: When they are no numbers.
    """
    with _converting("size"):
        return int(dataset.get("Rows") or 0), int(dataset.get("Columns") or 0)


def frames_of(dataset: Any) -> int:
    """Return how many images there are in a file.

    Raises:
        BadImage: When it is no number.
    """
    with _converting("number of frames"):
        return max(1, int(dataset.get("NumberOfFrames") or 1))


def patient_of(dataset: Any) -> str | None:
    """Return what stands for a patient in this process; None where the file names none.

    Raises:
        BadImage: When the attribute is damaged.
    """
    return _code("patient", dataset, "PatientID")


def series_of(dataset: Any) -> str | None:
    """Return what stands for a series in this process, whose images are of one patient; None where the file names none.

    Raises:
        BadImage: When the attribute is damaged.
    """
    return _code("series", dataset, "SeriesInstanceUID")


def spacing_of(dataset: Any, frame: int) -> tuple[float, float] | None:
    """Return what a pixel measures down and across, in millimetres; None where the file does not say.

    Raises:
        BadImage: When the attributes are damaged.
    """
    with _converting("spacing"):
        for place in (*_groups(dataset, frame), dataset):
            measures = place.get("PixelMeasuresSequence")
            spacing = (measures[0] if measures else place).get("PixelSpacing")
            if spacing is not None and len(spacing) == 2 and min(map(float, spacing)) > 0:
                return float(spacing[0]), float(spacing[1])
    return None


def read_frame(path: Path, frame: int) -> Scan:
    """Return one image of a file.

    Raises:
        BadImage: When it cannot be decoded; where a library for its compression is missing, what to install.
    """
    dataset = _read(path)
    with _converting("image"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of pydicom, about files that bend the standard and can be read
        kind = str(dataset.get("PhotometricInterpretation", "MONOCHROME2"))
        try:
            raw = pixel_array(dataset, index=frame)
        except (RuntimeError, NotImplementedError) as error:
            raise BadImage("format", _missing(dataset, error)) from error
        if kind == "PALETTE COLOR":
            return Scan(_colour(apply_color_lut(raw, dataset), 16), None, inverted=False)
        if raw.ndim == 3:
            return Scan(_colour(raw, int(dataset.BitsStored)), None, inverted=False)
        values = np.asarray(_in_units(raw, dataset, frame), np.float32)
        return Scan(values, _window_of(dataset, frame), inverted=kind == "MONOCHROME1")


@contextmanager
def _converting(what: str) -> Iterator[None]:
    """Turn whatever a damaged file raises into a BadImage.

    pydicom converts values when they are asked for. What it raises then is not documented; its text may hold a
    patient's attributes, and is not repeated.
    """
    try:
        yield
    except BadImage:
        raise
    except Exception as error:
        raise BadImage("corrupt", f"its {what} cannot be read: {type(error).__name__}") from error


def _code(what: str, dataset: Any, attribute: str) -> str | None:
    """Return what stands for the value of an attribute, without saying it; None where there is none."""
    with _converting(what):
        ident = str(dataset.get(attribute) or "").strip()
    if not ident:
        return None
    return f"{what} {hashlib.blake2b(ident.encode(errors='replace'), key=_KEY, digest_size=5).hexdigest()}"


def _read(path: Path, *, stop_before_pixels: bool = False) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return pydicom.dcmread(path, stop_before_pixels=stop_before_pixels)
    except FileNotFoundError as error:
        raise BadImage("missing", "no such file") from error
    except InvalidDicomError as error:
        raise BadImage("format", "named as DICOM, but it is none") from error
    except Exception as error:  # see `_converting`
        raise BadImage("corrupt", f"it cannot be read as DICOM: {type(error).__name__}") from error


def _groups(dataset: Any, frame: int) -> list[Any]:
    """Return what a file says of one frame, and of all of them: enhanced objects keep their values there."""
    found = []
    for name, place in (("PerFrameFunctionalGroupsSequence", frame), ("SharedFunctionalGroupsSequence", 0)):
        sequence = dataset.get(name)
        if sequence is not None and len(sequence) > place:
            found.append(sequence[place])
    return found


def _in_units(raw: NDArray[Any], dataset: Any, frame: int) -> NDArray[Any]:
    """Return stored values in the units of the modality."""
    for group in _groups(dataset, frame):
        if transformation := group.get("PixelValueTransformationSequence"):
            slope, intercept = transformation[0].RescaleSlope, transformation[0].RescaleIntercept
            return raw.astype(np.float64) * float(slope) + float(intercept)
    return np.asarray(apply_modality_lut(raw, dataset))


def _window_of(dataset: Any, frame: int) -> tuple[float, float] | None:
    """Return the window that a file asks for, for one frame or for all."""
    for group in _groups(dataset, frame):
        if (sequence := group.get("FrameVOILUTSequence")) and (window := _window(sequence[0])):
            return window
    return _window(dataset)


def _window(dataset: Any) -> tuple[float, float] | None:
    """Return the first window that a file asks for."""
    try:
        centre, width = (np.atleast_1d(dataset[key].value)[0] for key in ("WindowCenter", "WindowWidth"))
        return (float(centre), float(width)) if float(width) > 0 else None
    except (KeyError, ValueError, TypeError, IndexError):
        return None


def _colour(values: NDArray[Any], bits: int) -> NDArray[Any]:
    if values.dtype == np.uint8:
        return np.asarray(values[..., :3])
    unit: NDArray[np.float32] = (values[..., :3].astype(np.float32) / np.float32(2**bits - 1)).clip(0, 1)
    return unit


def _missing(dataset: Any, error: Exception) -> str:
    syntax = dataset.file_meta.TransferSyntaxUID
    if not syntax.is_transfer_syntax:
        return f"its pixels are encoded in a way of its maker's own ({syntax})"
    if syntax.is_compressed and "plugin" in str(error).lower():
        what = '"graft-medical[jpeg2000]"' if syntax in JPEG2000TransferSyntaxes else "pylibjpeg pylibjpeg-libjpeg"
        return f"{syntax.name} needs another library: pip install {what}"
    return f"its pixels cannot be decoded: {type(error).__name__}"
