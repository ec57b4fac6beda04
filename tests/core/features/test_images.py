from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from graft.console import Console
from graft.data.splits import divide
from graft.errors import DataError
from graft.features.images import Images, _subset, images_of
from graft.plugins import load_plugins
from graft.recipe import load_recipe
from moves import write_moves
from photos import write_photos

PLUGINS = load_plugins(names=["classification"])


def images(path: Path, *overrides: str, limit: int | None = None, console: Console | None = None) -> Images:
    base = {"task.kind": "classification", "data.train": str(path)}
    resolved = load_recipe(None, overrides=overrides, base=base, plugins=PLUGINS)
    return images_of(resolved, limit=limit, plugins=PLUGINS, console=console or Console(quiet=True))


def test_images_of__leaves_out_what_training_would_test_on(tmp_path: Path) -> None:
    from graft.data.prepare import read

    root = write_photos(tmp_path / "photos", per_class=20)
    resolved = load_recipe(None, base={"task.kind": "classification", "data.train": str(root)}, plugins=PLUGINS)
    catalogue = read(resolved.recipe.data, takes="labels", reader=None, options=None, plugins=PLUGINS)
    strata = [sample.target[0] for sample in catalogue.samples]
    test = divide(catalogue.samples, strata, resolved.recipe.data.split, digests={}).split["test"]
    found = images(root)
    assert found.held_out == len(test) > 0
    assert {catalogue.samples[i].path for i in test} | set(found.paths) == {s.path for s in catalogue.samples}
    assert len(found.paths) + len(test) == 60
    assert [found.classes[label] for label in found.labels] == [path.parent.name for path in found.paths]
    assert found.groups is None


def test_images_of__a_given_test_part_is_left_out(tmp_path: Path) -> None:
    for part in ("train", "val", "test"):
        write_photos(tmp_path / "photos" / part, per_class=3, seed=len(part))
    found = images(tmp_path / "photos")
    assert found.held_out == 9
    assert {path.parts[-3] for path in found.paths} == {"train", "val"}


def test_images_of__groups_unless_the_recipe_divides_without_them(tmp_path: Path) -> None:
    root = write_photos(tmp_path / "photos", per_class=6)
    files = sorted(root.rglob("*.png"))
    rows = [f"{p},{p.parent.name},{'' if i % 6 == 0 else f'patient {i % 6}'}" for i, p in enumerate(files)]
    (tmp_path / "labels.csv").write_text("path,label,group\n" + "\n".join(rows) + "\n")
    found = images(tmp_path / "labels.csv")
    assert found.groups is not None
    alone = [group for group in found.groups if group.startswith("image ")]
    assert len(set(alone)) == len(alone), "an image without a group is one of its own"
    assert images(tmp_path / "labels.csv", "data.split.by=stratified").groups is None


def test_images_of__the_frames_of_a_sequence_are_images_that_belong_together(tmp_path: Path) -> None:
    root = write_moves(tmp_path / "clips", per_class=8)
    found = images(root, "data.reader.kind=sequences")
    assert len(found.paths) + found.held_out == sum(1 for _ in root.rglob("*.png"))
    assert found.groups == tuple(f"sequence {path.parent.relative_to(root).as_posix()}" for path in found.paths)
    tested = set(root.glob("*/*")) - {path.parent for path in found.paths}
    assert len(tested) > 0, "whole sequences are left for testing"
    assert images(root, "data.reader.kind=sequences", "data.split.by=stratified").groups is not None


def test_images_of__a_limit(tmp_path: Path) -> None:
    root = write_photos(tmp_path / "photos", per_class=20)
    console = Console(quiet=True)
    found = images(root, limit=12, console=console)
    assert np.bincount(found.labels).tolist() == [4, 4, 4]
    assert "12 of 51 images in 3 classes" in console.log[-1]
    assert found.paths == images(root, limit=12).paths


def test_subset__shares_are_kept_and_small_classes_stay() -> None:
    labels = np.repeat([0, 1, 2, 3], [700, 290, 8, 2])
    chosen = labels[_subset(labels, 100)]
    assert np.bincount(chosen, minlength=4).tolist() == pytest.approx([69, 28, 2, 2], abs=1)
    assert _subset(labels, None) == list(range(1000))


def test_without__classes_that_are_gone() -> None:
    paths = tuple(Path(name) for name in "abcd")
    all_of_them = Images(paths, np.array([0, 1, 2, 2]), ("g", "h", "i", "j"), ("x", "y", "z"), 5)
    left = all_of_them.without({Path("b")})
    assert left.classes == ("x", "z")
    assert left.labels.tolist() == [0, 1, 1]
    assert left.groups == ("g", "i", "j")
    assert left.held_out == 5


def test_images_of__file_that_is_missing_is_no_copy_of_another(tmp_path: Path) -> None:
    root = write_photos(tmp_path / "photos", per_class=6)
    rows = [f"{p},{p.parent.name}" for p in sorted(root.rglob("*.png"))]
    (tmp_path / "labels.csv").write_text("path,label\n" + "\n".join(rows) + "\n")
    (root / "apple" / "apple-00.png").unlink()
    (root / "apple" / "apple-01.png").unlink()
    found = images(tmp_path / "labels.csv")
    assert len(found.paths) + found.held_out == 18


def test_images_of__refusals(tmp_path: Path) -> None:
    root = write_photos(tmp_path / "photos", per_class=4)
    files = sorted(root.rglob("*.png"))
    table = tmp_path / "labels.csv"
    table.write_text("path,label\n" + "\n".join(f"{p},a;b" for p in files) + "\n")
    with pytest.raises(DataError, match="one label each, 12 of 12"):
        images(table)
    table.write_text("path,label\n" + "\n".join(f"{p},a" for p in files) + "\n")
    with pytest.raises(DataError, match="all images are of one class"):
        images(table)
    table.write_text("path,label,group\n" + "\n".join(f"{p},{p.parent.name},one" for p in files) + "\n")
    with pytest.raises(DataError, match="of one group one"):
        images(table)
