"""Scans of patients: trained on, divided by patient, and nobody is named anywhere."""

from __future__ import annotations

import shutil
from pathlib import Path

import nibabel
import numpy as np
import pytest
from PIL import Image

from graft.testing.commands import Graft
from scans import CANARY, ct, volume

QUICK = (
    *("--domain", "medical", "backbone.channels=1", "backbone.size=32", "train.epochs=1", "train.batch=4"),
    *("evaluation.bootstrap=20", "--device", "cpu"),
)


@pytest.fixture(scope="module")
def graft(tmp_path_factory: pytest.TempPathFactory) -> Graft:
    graft = Graft(tmp_path_factory.mktemp("medical"))
    draw = np.random.default_rng(0)
    for number in range(24):
        values = draw.integers(-100, 100, (32, 32))
        label = "lesion" if number % 2 else "healthy"
        if number % 2:
            values[8:20, 8:20] += 300
        patient = f"{CANARY['PatientID']}-{number // 3}"
        ct(graft.folder / "scans" / label / f"{number:02d}.dcm", values, PatientID=patient)
    return graft


def test_patients__are_groups_and_are_named_nowhere(graft: Graft) -> None:
    done = graft("classify", "train", "scans", *QUICK, "data.decoder.window=[0, 800]", "--name", "first")
    assert done.code == 0, done.err
    assert "by group" in done.err
    predicted = graft("classify", "predict", "runs/first", "scans/lesion", "--format", "json", "--device", "cpu")
    assert predicted.code == 0, predicted.err
    written = [path for path in graft.folder.rglob("*") if path.is_file() and "scans" not in path.parts]
    assert len(written) > 10
    said = done.out + done.err + predicted.out + predicted.err
    for canary in (*CANARY.values(), "CANARYNAME", "CANARYID"):
        assert canary not in said
        assert not [path for path in written if canary.encode() in path.read_bytes()]


def test_leaks__a_patient_on_both_sides_of_a_split_is_found(graft: Graft) -> None:
    folder = graft.folder / "given"
    for number, file in enumerate(sorted((graft.folder / "scans").rglob("*.dcm"))):
        target = folder / ("test" if number % 6 == 0 else "train") / file.parent.name / file.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, target)
    done = graft("classify", "train", "given", *QUICK)
    assert done.code == 2
    assert "group patient " in done.err
    assert "is in train" in done.err
    assert "CANARY" not in done.err


def test_volumes__slice_by_slice_with_their_masks(graft: Graft) -> None:
    draw = np.random.default_rng(1)
    for number in range(6):
        values = draw.integers(0, 100, (24, 28, 5)).astype(np.int16)
        mask = np.zeros_like(values, np.uint8)
        mask[6:14, 8:20, 1:4] = 1
        values[mask == 1] += 400
        split = ("train", "train", "train", "train", "val", "test")[number]
        volume(
            graft.folder / "volumes" / split / "images" / f"sub-{number}.nii.gz",
            values,
            axes=("RAS", "LPS")[number % 2],
        )
        volume(graft.folder / "volumes" / split / "masks" / f"sub-{number}.nii.gz", mask)
    done = graft("segment", "train", "volumes", *QUICK, "--name", "volumes")
    assert done.code == 0, done.err
    assert "6 files hold 30 images" in done.err
    done = graft("segment", "predict", "runs/volumes", "volumes/test/images", "--format", "png", "--out", "masks")
    assert done.code == 0, done.err
    found = sorted(
        path.relative_to(graft.folder / "masks").as_posix() for path in Path(graft.folder / "masks").rglob("*.png")
    )
    assert found == [f"sub-5.nii.gz/z={index:03d}.png" for index in range(5)]
    folder = graft.folder / "masks"
    done = graft("segment", "predict", "runs/volumes", "volumes/test/images", "--format", "nifti", "--out", "back")
    assert done.code == 0, done.err
    given = nibabel.load(graft.folder / "volumes" / "test" / "images" / "sub-5.nii.gz")
    found = nibabel.load(graft.folder / "back" / "sub-5.nii.gz")
    assert found.shape == given.shape
    np.testing.assert_array_equal(found.affine, given.affine)
    canonical = np.asarray(nibabel.as_closest_canonical(found).dataobj)
    for index in range(5):
        picture = np.asarray(Image.open(folder / "sub-5.nii.gz" / f"z={index:03d}.png"))
        np.testing.assert_array_equal(canonical[:, :, index].T[::-1], picture)
    refused = graft("segment", "predict", "runs/volumes", "scans/lesion/01.dcm", "--format", "nifti", "--out", "x")
    assert refused.code == 2
    assert "it is no NIfTI file" in refused.err
