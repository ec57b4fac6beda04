from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from boxes import write_coco
from graft.data.samples import Catalogue
from graft_detection.formats.coco import CocoReader
from graft_detection.formats.table import BoxTableReader
from graft_detection.formats.voc import VocReader
from graft_detection.formats.yolo import YoloReader
from graft_detection.objects import Objects
from graft_detection.options import BoxTableOptions, CocoOptions, VocOptions, YoloOptions
from graft_detection.writers.coco import CocoWriter
from graft_detection.writers.images import flat_names
from graft_detection.writers.table import BoxTableWriter
from graft_detection.writers.voc import VocWriter
from graft_detection.writers.yolo import YoloWriter

FORMATS: dict[str, tuple[Any, Any, Any, str]] = {
    "coco": (CocoReader, CocoOptions, CocoWriter, ""),
    "voc": (VocReader, VocOptions, VocWriter, ""),
    "yolo": (YoloReader, YoloOptions, YoloWriter, "data.yaml"),
    "csv": (BoxTableReader, BoxTableOptions, BoxTableWriter, "boxes.csv"),
}
SPLITS = ("train", "val", "test")


def source(folder: Path, *, splits: bool) -> Catalogue:
    catalogue = CocoReader().read(write_coco(folder), CocoOptions())
    if not splits:
        return catalogue
    samples = [replace(sample, split=split) for sample, split in zip(catalogue.samples, SPLITS, strict=True)]
    return replace(catalogue, samples=tuple(samples))


def through(catalogue: Catalogue, name: str, out: Path) -> tuple[Catalogue, list[str]]:
    reader, options, writer, file = FORMATS[name]
    out.mkdir()
    losses = writer().write(catalogue, out)
    return reader().read(out / file, options()), losses


def by_name(catalogue: Catalogue) -> dict[str, Any]:
    return {sample.path.name: sample for sample in catalogue.samples}


@pytest.mark.parametrize("splits", [False, True])
@pytest.mark.parametrize("name", FORMATS)
def test_each_format__keeps_what_it_can_and_names_the_rest(tmp_path: Path, name: str, splits: bool) -> None:
    before = source(tmp_path / "src", splits=splits)
    after, losses = through(before, name, tmp_path / "out")
    said = "\n".join(losses)
    assert after.classes == before.classes
    tolerance = 1.0 if name == "voc" else 1e-4
    for file, old in by_name(before).items():
        new = by_name(after)[file]
        assert new.path.read_bytes() == old.path.read_bytes()
        assert new.split == (old.split if splits or name != "yolo" else "train")
        keep = ~old.target.crowd if name == "yolo" else np.ones(len(old.target), bool)
        assert new.target.size == old.target.size
        assert new.target.labels == tuple(np.array(old.target.labels, object)[keep])
        np.testing.assert_allclose(new.target.boxes, old.target.boxes[keep], atol=tolerance)
        if name in ("coco", "csv"):
            np.testing.assert_array_equal(new.target.crowd, old.target.crowd)
            np.testing.assert_array_equal(new.target.difficult, old.target.difficult)
        if name == "coco":
            np.testing.assert_array_equal(new.target.areas, old.target.areas)
    assert ("1 areas of outlines are lost" in said) == (name != "coco")
    assert ("1 boxes are difficult: a key of Graft's own" in said) == (name == "coco")
    assert ("1 boxes are crowds, and become difficult objects" in said) == (name == "voc")
    assert ("1 boxes are rounded to whole pixels, by up to 0.5 pixels" in said) == (name == "voc")
    assert ("1 boxes are crowds, and are left out" in said) == (name == "yolo")
    assert ("1 boxes are no longer marked as difficult" in said) == (name == "yolo")
    assert ("3 images are in no split, and go to train" in said) == (name == "yolo" and not splits)


@pytest.mark.parametrize("first", FORMATS)
@pytest.mark.parametrize("second", FORMATS)
def test_there_and_back__loses_nothing_more(tmp_path: Path, first: str, second: str) -> None:
    """From what a format holds, every other format and back gives the same boxes."""
    start = source(tmp_path / "src", splits=True)
    plain = [
        replace(sample, target=Objects.of(np.round(sample.target.boxes), sample.target.labels, size=sample.target.size))
        for sample in start.samples
    ]
    one, losses = through(replace(start, samples=tuple(plain)), first, tmp_path / "one")
    two, more = through(one, second, tmp_path / "two")
    back, again = through(two, first, tmp_path / "back")
    assert [*losses, *more, *again] == []
    for file, old in by_name(one).items():
        new = by_name(back)[file]
        assert (new.target.labels, new.split) == (old.target.labels, old.split)
        np.testing.assert_allclose(new.target.boxes, old.target.boxes, atol=1e-4)


def test_voc__small_boxes_stay_boxes(tmp_path: Path) -> None:
    start = source(tmp_path / "src", splits=True)
    boxes = [[0, 0, 0.3, 0.3], [59.8, 39.8, 60, 40], [10.4, 10.4, 11.3, 11.3]]
    tiny = replace(start.samples[0], target=Objects.of(boxes, ["zebra"] * 3, size=(40, 60)))
    after, losses = through(replace(start, samples=(tiny,)), "voc", tmp_path / "out")
    assert len(after.samples[0].target) == 3
    assert np.abs(after.samples[0].target.boxes - boxes).max() < 2
    assert any("boxes are rounded" in note for note in losses)


def test_flat_names__no_two_images_get_one_label_file(tmp_path: Path) -> None:
    sample = source(tmp_path, splits=False).samples[0]
    ids = ["x/a.png", "y/a.png", "a.jpg", "b.png", "x__a.png"]
    names = flat_names([replace(sample, id=name) for name in ids])
    assert names[3] == "b.png"
    assert len({name.rsplit(".", 1)[0].casefold() for name in names}) == len(ids)


def test_links__lead_to_the_images(tmp_path: Path) -> None:
    catalogue = source(tmp_path / "src", splits=False)
    (tmp_path / "out").mkdir()
    YoloWriter().write(catalogue, tmp_path / "out", link=True)
    link = tmp_path / "out" / "images" / "train" / "a.png"
    assert link.is_symlink()
    assert link.resolve() == tmp_path / "src" / "images" / "a.png"
