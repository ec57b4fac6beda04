"""Small scans: DICOM files and NIfTI volumes, with a patient who must never be named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pydicom
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

CANARY = {"PatientName": "CANARYNAME^JANE", "PatientID": "CANARYID-0815", "PatientBirthDate": "19010203"}


def ct(path: Path, values: np.ndarray, *, slope: float = 1, intercept: float = 0, **attributes: Any) -> np.ndarray:
    """Write int16 or uint8 values `(H, W)` or `(frames, H, W)` and return them in the modality's units."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = CTImageStorage, generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset(path, {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID, dataset.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
    for name, value in {**CANARY, **attributes}.items():
        setattr(dataset, name, value)
    if values.ndim == 3:
        dataset.NumberOfFrames = len(values)
    dataset.Rows, dataset.Columns = values.shape[-2:]
    dataset.SamplesPerPixel, dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 1, 16, 16, 15
    if "PhotometricInterpretation" not in attributes:
        dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.PixelRepresentation = 1
    dataset.RescaleSlope, dataset.RescaleIntercept = slope, intercept
    dataset.PixelData = values.astype("<i2").tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    pydicom.dcmwrite(path, dataset, enforce_file_format=True)
    return values.astype(np.float64) * slope + intercept


def volume(path: Path, values: np.ndarray, *, axes: str = "RAS") -> None:
    """Write a volume whose voxels `(X, Y, Z)` are given in canonical orientation, stored by other axes."""
    canonical = nibabel.Nifti1Image(values, np.diag([1.0, 2.0, 3.0, 1.0]))
    wanted = nibabel.orientations.axcodes2ornt(axes)
    now = nibabel.io_orientation(canonical.affine)
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(canonical.as_reoriented(nibabel.orientations.ornt_transform(now, wanted)), path)
