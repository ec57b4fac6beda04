from __future__ import annotations

from pathlib import Path

import pytest

from graft.errors import UserError
from graft.outputs import Places


def test_places__are_those_in_the_folder_that_was_named(tmp_path: Path) -> None:
    places = Places(".tif", tmp_path / "out")
    assert places.of(Path("scenes/a/one.tif"), top=Path("scenes")) == tmp_path / "out/a/one.tif"
    assert places.of(Path("scenes/b/one.tif"), top=Path("scenes")) == tmp_path / "out/b/one.tif"
    assert places.of(Path("v/scan.nii.gz"), top=Path("v"), stem="scan") == tmp_path / "out/scan.tif"
    assert (tmp_path / "out/b").is_dir()


def test_places__no_two_images_share_one(tmp_path: Path) -> None:
    places = Places(".png", tmp_path)
    given = [Path("a/one.jpg"), Path("b/one.jpg"), Path("a/one.bmp"), Path("c/one.jpg"), Path("c/one.jpg.jpg")]
    found = [places.of(path, top=path.parent).relative_to(tmp_path) for path in given]
    assert found[:4] == [Path("one.png"), Path("one.jpg.png"), Path("one.bmp.png"), Path("one.jpg.2.png")]
    assert len(set(found)) == len(given)


def test_places__images_are_not_among_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for out, top in ((tmp_path, Path()), (Path("../") / tmp_path.name, tmp_path)):
        with pytest.raises(UserError, match="is the folder of the images"):
            Places(".png", out).of(top / "one.png", top=top)


def test_places__a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "out").touch()
    with pytest.raises(UserError, match="out cannot be made: "):
        Places(".png", tmp_path / "out").of(Path("a/one.png"), top=Path("a"))
