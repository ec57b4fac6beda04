from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from graft.data import STANDARD, Catalogue, Sample
from graft.data.parts import grouped, in_parts
from graft.errors import DataError
from volumes import VolumeDecoder


@dataclass(frozen=True)
class Layer:
    part: str = ""

    def of_part(self, path: Path) -> Layer:
        return replace(self, part=path.name)


def catalogue(root: Path, target: object = ("a",)) -> Catalogue:
    samples = []
    for name, slices in (("p1-x.npy", 2), ("p2-y.npy", 1)):
        np.save(root / name, np.zeros((slices, 3, 3), np.uint16))
        samples.append(Sample(id=name, path=root / name, target=target, where=f"list line {len(samples) + 1}"))
    (root / "p3-z.npy").write_bytes(b"broken")
    samples.append(Sample(id="p3-z.npy", path=root / "p3-z.npy", target=target))
    return Catalogue(samples=tuple(samples), classes=("a",), reader="x", root=root)


def test_in_parts__each_image_of_a_file_is_a_sample_of_its_group(tmp_path: Path) -> None:
    found = in_parts(catalogue(tmp_path), VolumeDecoder())
    ids = ["p1-x.npy/z=0", "p1-x.npy/z=1", "p2-y.npy/z=0", "p3-z.npy"]
    assert [sample.id for sample in found.samples] == ids
    assert [sample.group for sample in found.samples] == ["p1", "p1", "p2", None]
    assert found.samples[1].path == tmp_path / "p1-x.npy" / "z=1"
    assert found.samples[1].target == ("a",)
    assert found.notes == ("3 files hold 4 images",)


def test_in_parts__targets_say_what_is_true_of_a_part(tmp_path: Path) -> None:
    found = in_parts(catalogue(tmp_path, Layer()), VolumeDecoder())
    assert [sample.target.part for sample in found.samples] == ["z=0", "z=1", "z=0", ""]
    with pytest.raises(DataError, match=r"list line 1: the file holds 2 images, and its annotation is for one"):
        in_parts(catalogue(tmp_path, {"box": 1}), VolumeDecoder())


def test_in_parts__usual_images_stay_as_they_are(tmp_path: Path) -> None:
    given = catalogue(tmp_path)
    assert in_parts(given, STANDARD) == given


def test_grouped__what_the_recipe_finds_goes_before_what_files_say(tmp_path: Path) -> None:
    given = catalogue(tmp_path)
    assert [sample.group for sample in grouped(given, VolumeDecoder(), None).samples] == ["p1", "p2", "p3"]
    known = replace(given, samples=tuple(replace(sample, group="g") for sample in given.samples))
    assert {sample.group for sample in grouped(known, VolumeDecoder(), None).samples} == {"g"}
    assert [s.group for s in grouped(known, VolumeDecoder(), r"-(.)\.").samples] == ["x", "y", "z"]
    with pytest.raises(DataError, match=r"finds nothing in 2 of 3 names"):
        grouped(given, VolumeDecoder(), "p1")
