"""DICOM segmentations: of each series, of the right images, with every pixel where it was predicted."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.uid import generate_uid

from graft.errors import UserError
from graft_medical.decoder import MedicalDecoder
from graft_medical.options import MedicalOptions
from graft_medical.seg import DicomSeg
from scans import CANARY, ct

SIZE = (12, 16)
CLASSES = ("background", "liver", "lesion")
STUDY, FRAME = generate_uid(), generate_uid()


@dataclass
class Stub:
    """A predictor whose masks follow from an image's values: their hundreds are the class."""

    classes: tuple[str, ...] = CLASSES
    multi: bool = False

    def __post_init__(self) -> None:
        self.bundle = SimpleNamespace(decoder=MedicalDecoder(options=MedicalOptions()), classes=self.classes)

    def predict(self, paths: list[Path]) -> Iterator[Any]:
        for path in paths:
            mask = (self.bundle.decoder.measured(path) // 100).astype(np.uint8)
            if self.multi:
                mask = np.stack([mask == 0, mask >= 1, mask >= 2], axis=2).astype(np.uint8)
            yield SimpleNamespace(path=path, error=None, prediction=SimpleNamespace(mask=mask))


def series(folder: Path, count: int = 3, **attributes: Any) -> dict[str, np.ndarray]:
    """Write slices, named against their order in the body, and return the classes of each by its UID."""
    shared = {"StudyInstanceUID": STUDY, "SeriesInstanceUID": generate_uid(), "FrameOfReferenceUID": FRAME}
    shared |= {"ImageOrientationPatient": [1, 0, 0, 0, 1, 0], "PixelSpacing": [0.5, 0.7], "SliceThickness": 2}
    found = {}
    for number in range(count):
        classes = np.random.default_rng(number).integers(0, 3, SIZE)
        own = {"ImagePositionPatient": [-10, -20, 2 * number], "InstanceNumber": number + 1, "Modality": "CT"}
        path = folder / f"{count - number}.dcm"
        ct(path, classes * 100, **{**shared, **own, **attributes})
        found[pydicom.dcmread(path).SOPInstanceUID] = classes
    return found


def segments(path: Path) -> dict[tuple[str, str], np.ndarray]:
    """Return the plane of each segment and image, by its label and the image's UID."""
    dataset = pydicom.dcmread(path)
    label = {one.SegmentNumber: one.SegmentLabel for one in dataset.SegmentSequence}
    planes = dataset.pixel_array.reshape(-1, *SIZE)
    found = {}
    for plane, group in zip(planes, dataset.PerFrameFunctionalGroupsSequence, strict=True):
        number = group.SegmentIdentificationSequence[0].ReferencedSegmentNumber
        image = group.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID
        found[label[number], image] = plane
    return found


def written(paths: list[Path], out: Path, stub: Stub | None = None) -> list[tuple[Path, str | None]]:
    pytest.importorskip("highdicom", reason="graft-medical[dicom-seg] is not installed")
    out.mkdir(exist_ok=True)
    return list(DicomSeg().write(stub or Stub(), paths, out))  # type: ignore[arg-type]


@pytest.mark.parametrize("multi", [False, True])
def test_series__every_pixel_lies_on_its_own_image(tmp_path: Path, multi: bool) -> None:
    images = series(tmp_path / "scan")
    [(target, error)] = written([tmp_path / "scan"], tmp_path / "out", Stub(multi=multi))
    assert (target, error) == (tmp_path / "out" / "3.seg.dcm", None)
    found = segments(target)
    for uid, classes in images.items():
        liver = classes >= 1 if multi else classes == 1
        np.testing.assert_array_equal(found["liver", uid], liver)
        np.testing.assert_array_equal(found["lesion", uid], classes == 2)
    dataset = pydicom.dcmread(target)
    assert {label for label, _ in found} == {"liver", "lesion"}, "the background is no segment"
    assert (dataset.Modality, dataset.StudyInstanceUID, dataset.FrameOfReferenceUID) == ("SEG", STUDY, FRAME)
    assert dataset.PatientID == CANARY["PatientID"]
    shared = dataset.SharedFunctionalGroupsSequence[0]
    assert list(shared.PixelMeasuresSequence[0].PixelSpacing) == [0.5, 0.7]


def test_series__each_has_a_file_and_no_two_have_one(tmp_path: Path) -> None:
    series(tmp_path / "a", 2)
    for path in sorted((tmp_path / "a").iterdir()):
        path.rename(path.with_name(f"x{path.name}"))
    series(tmp_path / "a", 1)
    series(tmp_path / "b", 1)
    done = written([tmp_path / "a", tmp_path / "b"], tmp_path / "out")
    assert [(path.name, error) for path, error in done] == [
        ("1.seg.dcm", None),
        ("x2.seg.dcm", None),
        ("1.dcm.seg.dcm", None),
    ]
    assert all(path.is_file() for path, _ in done)


def test_series__without_what_was_looked_for_is_written_too(tmp_path: Path) -> None:
    series(tmp_path / "scan")
    for path in (tmp_path / "scan").iterdir():
        dataset = pydicom.dcmread(path)
        dataset.PixelData = bytes(len(dataset.PixelData))
        dataset.save_as(path)
    [(target, error)] = written([tmp_path / "scan"], tmp_path / "out")
    assert error is None
    assert not any(plane.any() for plane in segments(target).values())


def test_images__that_say_no_place_are_named_and_nobody_in_them(tmp_path: Path) -> None:
    ct(tmp_path / "one.dcm", np.zeros(SIZE))
    (tmp_path / "text.txt").write_text("none")
    done = written([tmp_path / "one.dcm", tmp_path / "text.txt"], tmp_path / "out")
    assert [path.name for path, _ in done] == ["one.dcm", "text.txt"]
    assert "one.dcm does not say StudyInstanceUID, SeriesInstanceUID, FrameOfReferenceUID" in str(done[0][1])
    assert "no DICOM file" in str(done[1][1])
    assert not any(canary in str(done) for canary in CANARY.values())
    assert not list((tmp_path / "out").iterdir())


def test_highdicom__is_asked_for_by_name_where_it_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "highdicom", None)
    with pytest.raises(UserError, match="need highdicom") as error:
        list(DicomSeg().write(Stub(), [tmp_path], tmp_path))  # type: ignore[arg-type]
    assert "graft-medical[dicom-seg]" in str(error.value.fix)
