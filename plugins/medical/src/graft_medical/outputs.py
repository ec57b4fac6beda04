"""Segmented volumes as NIfTI, voxel for voxel as the volume lies in its own file."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nibabel
import numpy as np
from numpy.typing import NDArray

from graft.data import BadImage
from graft.errors import UserError
from graft.outputs import Output, Places
from graft_medical import nifti
from graft_medical.decoder import MedicalDecoder

if TYPE_CHECKING:
    from graft.outputs import Predictor


class Nifti(Output):
    """`nifti`: class numbers with the affine and the orientation of the volume's own file."""

    def write(self, predictor: Predictor, paths: Iterable[Path], out: Path) -> Iterator[tuple[Path, str | None]]:
        """Write `OUT/NAME.nii.gz` for each volume; what was found in a folder keeps its place below it.

        Raises:
            UserError: When the model was not trained with this domain's decoder.
        """
        decoder = predictor.bundle.decoder
        if not isinstance(decoder, MedicalDecoder):
            raise UserError("this model reads usual images, not volumes", fix="train --domain medical")
        places = Places(".nii.gz", out)
        for path, top in _volumes(paths):
            target = places.of(path, top=top, stem=decoder.stem(path))
            try:
                _save(path, target, _masks(predictor, decoder, path), decoder.options.axis)
            except BadImage as error:
                yield path, str(error)
            else:
                yield target, None


def _masks(predictor: Predictor, decoder: MedicalDecoder, path: Path) -> list[NDArray[np.uint8]]:
    """Return the mask of each slice, in order."""
    if not nifti.is_nifti(path):
        raise BadImage("format", "it is no NIfTI file")
    if len(nifti.shape_of(path)) != 3:
        raise BadImage("format", "it has several volumes over time, and one can be written")
    masks = []
    for file in predictor.predict(list(decoder.parts(path))):
        if file.error is not None:
            raise BadImage("unreadable", f"{file.path.name}: {file.error}")
        found: Any = file.prediction
        if found.mask.ndim != 2:
            raise BadImage("format", "voxels of several classes at once cannot be written as one volume")
        masks.append(found.mask)
    return masks


def _save(path: Path, target: Path, masks: list[NDArray[np.uint8]], axis: str) -> None:
    """Write masks of canonical slices as a volume that lies as the one in `path` does."""
    image = nibabel.Nifti1Image.from_filename(path)
    # As `nifti.slice_of` turned them, back.
    canonical = np.stack([mask[::-1].T for mask in masks], axis=nifti.AXES[axis])
    own = nibabel.io_orientation(image.affine)
    back = nibabel.orientations.ornt_transform([[0, 1], [1, 1], [2, 1]], own)
    voxels = nibabel.orientations.apply_orientation(canonical, back)
    written = nibabel.Nifti1Image(np.ascontiguousarray(voxels), image.affine)
    written.set_qform(*image.get_qform(coded=True))
    written.set_sform(*image.get_sform(coded=True))
    temporary = target.with_name(f".{os.getpid()}-{target.name}")
    try:
        nibabel.save(written, temporary)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def _volumes(paths: Iterable[Path]) -> Iterator[tuple[Path, Path]]:
    """Yield volumes and the folders they were found in: files as they are named, and those in folders, sorted."""
    for path in paths:
        if not path.is_dir():
            yield path, path.parent
            continue
        yield from ((file, path) for file in sorted(path.rglob("*")) if file.is_file() and nifti.is_nifti(file))
