"""Segmented scans as DICOM segmentations, by highdicom: an extra."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.sr.codedict import codes

from graft.data import BadImage
from graft.errors import UserError
from graft.outputs import Output, Places
from graft_medical import dicom
from graft_medical.decoder import MedicalDecoder
from graft_medical.series import Series

if TYPE_CHECKING:
    from graft.outputs import Predictor

_BACKGROUND = "background"
_NEEDED = (
    *("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID"),
    *("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness"),
)
"""What a segmentation refers to, and where its pixels lie; an image of one frame must say it."""
_MAY_BE_EMPTY = (
    *("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "AccessionNumber"),
    *("StudyID", "StudyDate", "StudyTime"),
)
"""What DICOM wants to be there, if empty; files that were made anonymous often lack it."""


class DicomSeg(Output):
    """`dicom-seg`: a DICOM segmentation of each series, with a binary segment for each class but `background`.

    It names the patient and the study as its images do, as DICOM wants it.
    """

    def write(self, predictor: Predictor, paths: Iterable[Path], out: Path) -> Iterator[tuple[Path, str | None]]:
        """Write `OUT/NAME.seg.dcm` for each series, by the name of its first file and its place in the folder given.

        Raises:
            UserError: When highdicom is missing, or the model was not trained with this domain's decoder.
        """
        try:
            import highdicom  # type: ignore[import-not-found,import-untyped,unused-ignore]  # noqa: F401
        except ImportError as error:
            raise UserError(
                "DICOM segmentations need highdicom", fix='pip install "graft-medical[dicom-seg]"'
            ) from error
        decoder = predictor.bundle.decoder
        if not isinstance(decoder, MedicalDecoder):
            raise UserError("this model reads usual images, not scans", fix="train --domain medical")
        places = Places(".seg.dcm", out)
        for files, top in _series(paths):
            target = places.of(files[0], top=top, stem=decoder.stem(files[0]))
            try:
                _save(target, files, _masks(predictor, decoder, files), predictor.bundle.classes)
            except BadImage as error:
                yield files[0], str(error)
            else:
                yield target, None


def _series(paths: Iterable[Path]) -> Iterator[tuple[list[Path], Path]]:
    """Yield the files of each series, by their place in the body, and the folder that its first was found in."""
    sort = Series()
    tops: dict[Path, Path] = {}
    for path in paths:
        if path.is_dir():
            found = (file for file in sorted(path.rglob("*")) if file.is_file() and dicom.is_dicom(file))
            tops |= dict.fromkeys(found, path)
        else:
            tops[path] = path.parent
    while tops:
        first = next(iter(tops))
        files = [file for file in sort(first) if file in tops] if dicom.is_dicom(first) else [first]
        top = tops[files[0]]
        for file in files:
            del tops[file]
        yield files, top


def _masks(predictor: Predictor, decoder: MedicalDecoder, files: Sequence[Path]) -> NDArray[np.bool_]:
    """Return where each class is seen, `(frames, H, W, C)`."""
    parts: list[Path] = []
    for file in files:
        if not dicom.is_dicom(file):
            raise BadImage("format", "it is no DICOM file")
        parts += decoder.parts(file)
    planes = []
    for found in predictor.predict(parts):
        if found.error is not None:
            raise BadImage("unreadable", f"{found.path.name}: {found.error}")
        mask: NDArray[Any] = found.prediction.mask  # type: ignore[union-attr]
        classes = len(predictor.bundle.classes)
        planes.append(mask == 1 if mask.ndim == 3 else mask[..., None] == np.arange(classes))
    if len({plane.shape for plane in planes}) > 1:
        raise BadImage("size", "images of its series differ in size")
    return np.stack(planes)


def _save(target: Path, files: Sequence[Path], planes: NDArray[np.bool_], classes: Sequence[str]) -> None:
    """Write segments beside the images that they are of."""
    import highdicom as hd  # type: ignore[import-not-found,import-untyped,unused-ignore]

    own = version("graft-medical")
    how = hd.AlgorithmIdentificationSequence("Graft", family=codes.DCM.ArtificialIntelligence, version=own)
    kept = [number for number, name in enumerate(classes) if name != _BACKGROUND]
    described = [
        hd.seg.SegmentDescription(
            segment_number=number,
            segment_label=classes[index][:64],
            # What a class is in SNOMED nobody has said: its own name is given, as a code of Graft's.
            segmented_property_category=codes.SCT.SpatialAndRelationalConcept,
            segmented_property_type=hd.sr.CodedConcept(str(index), "99GRAFT", classes[index][:64]),
            algorithm_type=hd.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
            algorithm_identification=how,
        )
        for number, index in enumerate(kept, 1)
    ]
    sources = [_source(file) for file in files]
    try:
        made = hd.seg.Segmentation(
            source_images=sources,
            pixel_array=planes[..., kept].astype(np.uint8),
            segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
            segment_descriptions=described,
            series_instance_uid=hd.UID(),
            series_number=100,
            sop_instance_uid=hd.UID(),
            instance_number=1,
            manufacturer="Graft",
            manufacturer_model_name="graft-medical",
            software_versions=own,
            device_serial_number="0",
            omit_empty_frames=bool(planes[..., kept].any()),
        )
    # Its text may hold a patient's attributes, and is not repeated.
    except (ValueError, TypeError, AttributeError, KeyError, IndexError) as error:
        raise BadImage("format", f"no segmentation can refer to its images: {type(error).__name__}") from error
    temporary = target.with_name(f".{target.name}")
    try:
        made.save_as(temporary)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def _source(file: Path) -> Any:
    dataset = pydicom.dcmread(file, stop_before_pixels=True)
    if dicom.frames_of(dataset) == 1 and (lost := [name for name in _NEEDED if name not in dataset]):
        raise BadImage("format", f"{file.name} does not say {', '.join(lost)}, which a segmentation needs")
    for name in _MAY_BE_EMPTY:
        if name not in dataset:
            setattr(dataset, name, "")
    return dataset
