"""Drawn patients: repeatable, complete, read with the domain's decoder, and none of them in two splits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pydicom
import pytest

from graft_medical.decoder import MedicalDecoder
from graft_medical.options import MedicalOptions
from graft_medical.phantoms import PLACES, smear
from graft_medical.sample import write_chests, write_heads, write_smears


@pytest.mark.parametrize("write", [write_chests, write_heads, write_smears])
def test_the_same_seed_gives_the_same_files_and_another_one_others(tmp_path: Path, write: Any) -> None:
    count = write(tmp_path / "a", seed=3, size=24, per_class=2)
    write(tmp_path / "b", seed=3, size=24, per_class=2)
    write(tmp_path / "c", seed=4, size=24, per_class=2)
    a, b, c = (
        {file.relative_to(tmp_path / name): file.read_bytes() for file in (tmp_path / name).rglob("*.*")}
        for name in "abc"
    )
    assert a == b
    assert a.keys() == c.keys()
    decoder = MedicalDecoder(options=MedicalOptions())
    images = [name for name in a if name.suffix in (".dcm", ".gz", ".png") and "masks" not in name.parts]
    assert sum(len(decoder.parts(tmp_path / "a" / name)) for name in images) == count
    assert all(a[name] != c[name] for name in images)


def test_chests__are_in_hounsfield_units_of_patients_in_one_split(tmp_path: Path) -> None:
    write_chests(tmp_path, size=48, per_class=5)
    decoder = MedicalDecoder(options=MedicalOptions())
    for part, noise in (("source", 60), ("target", 200)):
        seen: dict[str, set[str]] = {}
        for file in (tmp_path / part).rglob("*.dcm"):
            seen.setdefault(str(pydicom.dcmread(file).PatientID), set()).add(file.parent.parent.name)
        assert len(seen) > 6
        assert all(len(splits) == 1 for splits in seen.values())
        units = np.stack([decoder.measured(file) for file in (tmp_path / part / "test").rglob("*.dcm")])
        assert abs(units[:, :3, :3].mean() + 1000) < 15
        assert units[:, :3, :3].std() < noise
        assert decoder.spacing(file) == (7.5, 7.5)


def test_heads__have_lesions_and_masks_that_lie_on_them_however_stored(tmp_path: Path) -> None:
    write_heads(tmp_path, size=48, per_class=5)
    decoder = MedicalDecoder(options=MedicalOptions())
    folder = tmp_path / "source" / "train"
    stored = {"".join(nibabel.aff2axcodes(nibabel.load(file).affine)) for file in (folder / "images").iterdir()}
    assert stored == {"RAS", "LPS"}
    for file in sorted((folder / "images").iterdir())[:4]:
        for part in decoder.parts(file):
            values, mask = decoder.measured(part), decoder.values(folder / "masks" / file.name, like=part)
            assert values[mask == 1].mean() > 3 * values[:3, :3].mean()
            if (mask == 2).sum() > 20:
                assert values[mask == 2].mean() > 1.2 * values[mask == 1].mean()
    assert decoder.spacing(part) == pytest.approx((3.75, 3.75))


@pytest.mark.parametrize("part", list(PLACES))
def test_smears__cells_are_darker_than_the_slide_and_do_not_overlap(part: str) -> None:
    image, there = smear(PLACES[part], size=96, seed=(0, 1))
    light = image.mean(axis=2)
    assert {name for name, _ in there} <= {"red cell", "white cell"}
    covered = np.zeros((96, 96), int)
    for _, (left, top, right, bottom) in there:
        assert 0 <= left < right <= 96
        rows, columns = slice(round(top), round(bottom)), slice(round(left), round(right))
        covered[rows, columns] += 1
        assert light[rows, columns].mean() < np.median(light) - 0.02
    assert covered.max() == 1
