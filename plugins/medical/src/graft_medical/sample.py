"""Sample data: drawn chests in DICOM, heads in NIfTI, smears of blood in PNG; of patients that there are not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pydicom
from nibabel.orientations import axcodes2ornt, io_orientation, ornt_transform
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from graft_detection.objects import Objects
from graft_detection.writers.coco import empty, numbered, rows_of
from graft_medical.phantoms import PLACES, chest, head, smear

SPLITS = ("train", "val", "test")
CELLS = numbered(("red cell", "white cell"), {})

_EACH = 5
"""Images of a patient."""
_TEST = 40
_STORED = {"source": (1.0, -1024.0), "target": (0.5, -1200.0)}
"""Slope and intercept by which each scanner stores Hounsfield units."""
_LUNG = (-500, 1500)
"""Middle and width of the window that the files ask for."""


def write_chests(out: Path, *, seed: int = 0, size: int = 64, per_class: int = 15) -> int:
    """Write `source` and `target`, each as `train|val|test/clear|nodule/PATIENT_SLICE.dcm`, and a `README.txt`.

    The same arguments give the same files. Returns the number of images.
    """
    total = 0
    for part, split, patient, count in _patients(2 * per_class, _TEST, source=12):
        # One patient has nodules, the next has none.
        nodule = bool(patient % 2)
        own = (seed, *_numbers(part, split), patient)
        slices = chest(PLACES[part], nodule=nodule, size=size, seed=own, slices=count)
        folder = out / part / split / ("nodule" if nodule else "clear")
        folder.mkdir(parents=True, exist_ok=True)
        name = f"{part[0]}{split[:2]}{patient:03d}"
        for index, units in enumerate(slices):
            _save_slice(folder / f"{name}_{index}.dcm", units, part=part, patient=name, index=index, size=size)
        total += count
    _readme(out, "Slices of chests in CT (DICOM, 16 bits): clear, or with a nodule. PatientID says whose.", size, seed)
    return total


def write_heads(out: Path, *, seed: int = 0, size: int = 64, per_class: int = 15) -> int:
    """Write `source` and `target`, each as `train|val|test/images` and `masks` of `sub-….nii.gz`, and a `README.txt`.

    The same arguments give the same files; an image is one slice of a volume. Returns the number of images.
    """
    total = 0
    for part, split, patient, count in _patients(2 * per_class, _TEST):
        own = (seed, *_numbers(part, split), patient)
        values, mask = head(PLACES[part], size=size, seed=own, slices=count)
        scale = {"source": 900, "target": 2600}[part]
        name = f"sub-{split}{patient:03d}.nii.gz"
        # Scanners store volumes by different axes, and their masks come from elsewhere.
        _save_volume(out / part / split / "images" / name, values * scale, "RAS" if patient % 2 else "LPS", np.int16)
        _save_volume(out / part / split / "masks" / name, mask, "RAS", np.uint8)
        total += count
    for part in PLACES:
        (out / part / "classes.txt").write_text("background\nbrain\nlesion\n", encoding="utf-8")
    what = f"Heads in MR (NIfTI, {_EACH} slices each) with masks in classes.txt's order: brain, lesions in it."
    _readme(out, what, size, seed)
    return total


def write_smears(out: Path, *, seed: int = 0, size: int = 96, per_class: int = 15) -> int:
    """Write `source` and `target`, each as `images/` and a COCO file for each split, and a `README.txt`.

    The same arguments give the same files; images are named SLIDE-FIELD. Returns the number of images.
    """
    documents: dict[tuple[str, str], dict[str, Any]] = {}
    total = 0
    for part, split, slide, count in _patients(2 * per_class, _TEST):
        document = documents.setdefault((part, split), empty(CELLS))
        folder = out / part / "images"
        folder.mkdir(parents=True, exist_ok=True)
        for index in range(count):
            pixels, there = smear(PLACES[part], size=size, seed=(seed, *_numbers(part, split), slide, index))
            name = f"slide-{split}{slide:03d}-{index}.png"
            Image.fromarray(np.rint(pixels * 255).astype(np.uint8)).save(folder / name)
            image = len(document["images"]) + 1
            document["images"].append({"id": image, "file_name": name, "width": size, "height": size})
            cells = Objects.of([box for _, box in there], [label for label, _ in there], size=(size, size))
            first = len(document["annotations"]) + 1
            document["annotations"] += rows_of(cells, CELLS, image=image, first=first)
        total += count
    for (part, split), document in documents.items():
        (out / part / f"{split}.json").write_text(json.dumps(document), encoding="utf-8")
    what = "Smears of blood (PNG) with boxes of red and white cells (COCO). data.group='(slide-[a-z0-9]+)' says whose."
    _readme(out, what, size, seed)
    return total


def _patients(train: int, test: int, *, source: int = 4) -> Iterator[tuple[str, str, int, int]]:
    """Yield part, split and number of each patient, with how many images there are of it: always pairs of patients.

    `source` says how many times as many the source part has to train on.
    """
    for part in PLACES:
        images = {"train": train * (source if part == "source" else 1), "val": max(train // 2, 2 * _EACH), "test": test}
        for split, wanted in images.items():
            each = min(_EACH, -(-wanted // 2))
            for patient in range(2 * -(-wanted // (2 * each))):
                yield part, split, patient, each


def _numbers(part: str, split: str) -> tuple[int, int]:
    return list(PLACES).index(part), SPLITS.index(split)


def _save_slice(path: Path, units: NDArray[Any], *, part: str, patient: str, index: int, size: int) -> None:
    slope, intercept = _STORED[part]
    stored = np.rint((units - intercept) / slope).clip(0, 2**15 - 1).astype("<u2")
    series, own = (generate_uid(entropy_srcs=["graft", patient, str(size), *more]) for more in ([], [str(index)]))
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = CTImageStorage, own
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset(path, {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID, dataset.SOPInstanceUID, dataset.SeriesInstanceUID = CTImageStorage, own, series
    dataset.PatientID, dataset.Modality, dataset.InstanceNumber = f"SAMPLE-{patient}", "CT", index + 1
    dataset.ImageOrientationPatient, dataset.ImagePositionPatient = [1, 0, 0, 0, 1, 0], [0, 0, 5 * index]
    dataset.PixelSpacing = [round(360 / size, 4)] * 2
    dataset.Rows, dataset.Columns = stored.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation, dataset.PixelRepresentation = 1, "MONOCHROME2", 0
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 16, 15
    dataset.RescaleSlope, dataset.RescaleIntercept = slope, intercept
    dataset.WindowCenter, dataset.WindowWidth = _LUNG
    dataset.PixelData = stored.tobytes()
    pydicom.dcmwrite(path, dataset, enforce_file_format=True)


def _save_volume(path: Path, values: NDArray[Any], axes: str, kind: type[Any]) -> None:
    """Write a volume of slices `(rows, columns, slices)`, as they are looked at, stored by these axes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    across, down = 180 / values.shape[1], 180 / values.shape[0]
    # As slices are looked at: the first row is anterior, the first column is left.
    canonical = nibabel.Nifti1Image(
        np.ascontiguousarray(values[::-1].transpose(1, 0, 2)).astype(kind), np.diag([across, down, 6.0, 1.0])
    )
    turned = canonical.as_reoriented(ornt_transform(io_orientation(canonical.affine), axcodes2ornt(axes)))
    nibabel.save(turned, path)


def _readme(out: Path, what: str, size: int, seed: int) -> None:
    (out / "README.txt").write_text(_README.format(what=what, size=size, seed=seed), encoding="utf-8")


_README = """\
Scans of nobody, drawn by Graft. Nobody's licence applies: CC0 1.0. Not for any medical purpose.

{what}
source/  many patients: a good scanner, a strong stain.
target/  few patients: blurred, noisy, a field that is not even; a faint stain.
Each part is divided into train, val and test; no patient is in two of them. {size} x {size} pixels, seed {seed}.
"""
