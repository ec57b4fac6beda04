from __future__ import annotations

from pathlib import Path

from graft.outputs import Places


def test_places__are_those_in_the_folder_that_was_named() -> None:
    places = Places(".tif")
    assert places.of(Path("scenes/a/one.tif"), top=Path("scenes")) == Path("a/one.tif")
    assert places.of(Path("scenes/b/one.tif"), top=Path("scenes")) == Path("b/one.tif")
    assert places.of(Path("v/scan.nii.gz"), top=Path("v"), stem="scan") == Path("scan.tif")


def test_places__no_two_images_share_one() -> None:
    places = Places(".png")
    given = [Path("a/one.jpg"), Path("b/one.jpg"), Path("a/one.bmp"), Path("c/one.jpg"), Path("c/one.jpg.jpg")]
    found = [places.of(path, top=path.parent) for path in given]
    assert found[:4] == [Path("one.png"), Path("one.jpg.png"), Path("one.bmp.png"), Path("one.jpg.2.png")]
    assert len(set(found)) == len(given)
