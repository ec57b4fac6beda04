"""Masks in every format are read as what they say, and what is wrong with them is said."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_mask

from graft.data.prepare import read
from graft.data.samples import Catalogue
from graft.errors import DataError
from graft.plugins import Plugins, ReaderSpec, load_plugins
from graft.recipe.schema import Data
from graft_segmentation.masks import IGNORE, BadMask
from graft_segmentation.overlays import paletted
from graft_segmentation.shapes import decoded_counts, filled

RNG = np.random.default_rng(0)
TRUE = RNG.integers(0, 3, (12, 17)).astype(np.uint8)
PICTURE = Image.fromarray(RNG.integers(0, 256, (12, 17, 3)).astype(np.uint8))


@pytest.fixture(scope="module")
def plugins() -> Plugins:
    return load_plugins(names=["segmentation"])


def _folder(root: Path, mask: Image.Image, number: int = 3) -> Path:
    for name in ("images", "masks"):
        (root / name).mkdir(parents=True)
    for index in range(number):
        PICTURE.save(root / "images" / f"{index}.jpg")
        mask.save(root / "masks" / f"{index}.png")
    return root


def _read(plugins: Plugins, path: Path, kind: str | None = None, **options: object) -> Catalogue:
    spec = plugins.find(ReaderSpec, kind) if kind else None
    values = plugins.options(spec)(**options) if spec else None
    return read(Data(train=str(path)), takes="masks", reader=spec, options=values, plugins=plugins)


def _mask(catalogue: Catalogue, place: int = 0, *, multi: bool = False) -> np.ndarray:
    index = {name: number for number, name in enumerate(catalogue.classes)}
    return catalogue.samples[place].target.read(index, multi=multi)


def test_masks__class_numbers_a_palette_and_sixteen_bits(plugins: Plugins, tmp_path: Path) -> None:
    wide = Image.fromarray(TRUE.astype(np.uint16))
    for name, mask in (("plain", Image.fromarray(TRUE)), ("palette", paletted(TRUE, 3)), ("wide", wide)):
        catalogue = _read(plugins, _folder(tmp_path / name, mask))
        assert catalogue.classes == ("0", "1", "2")
        assert np.array_equal(_mask(catalogue), TRUE)
        assert catalogue.samples[0].id == "images/0.jpg"


def test_masks__names_void_and_ignored_values(plugins: Plugins, tmp_path: Path) -> None:
    mask = TRUE.copy()
    mask[0] = 255
    root = _folder(tmp_path / "a", Image.fromarray(mask))
    (root / "classes.txt").write_text("sky\nroad\ncar\n")
    catalogue = _read(plugins, root)
    assert catalogue.classes == ("sky", "road", "car")
    assert (_mask(catalogue)[0] == IGNORE).all()
    assert np.array_equal(_mask(catalogue)[1:], TRUE[1:])
    ignored = _read(plugins, root, "masks", classes=["sky", "road"], ignore=[2])
    assert np.array_equal(_mask(ignored) == IGNORE, (TRUE == 2) | (mask == 255))
    planes = _mask(catalogue, multi=True)
    assert planes.shape == (12, 17, 3)
    assert (planes[0] == IGNORE).all()
    assert np.array_equal(planes[1:].argmax(axis=2), TRUE[1:])


def test_masks__colours(plugins: Plugins, tmp_path: Path) -> None:
    colours = np.array([(0, 0, 0), (255, 0, 0), (0, 128, 64)], np.uint8)
    root = _folder(tmp_path / "a", Image.fromarray(colours[TRUE]))
    with pytest.raises(DataError, match=r"in colour, .*say which colour"):
        _read(plugins, root)
    table = {"none": "#000000", "red": "#FF0000", "sea": "#008040"}
    catalogue = _read(plugins, root, "masks", classes=table)
    assert catalogue.classes == ("none", "red", "sea")
    assert np.array_equal(_mask(catalogue), TRUE)
    (root / "class_dict.csv").write_text("name,r,g,b\nnone,0,0,0\nred,255,0,0\nsea,0,128,64\n")
    assert np.array_equal(_mask(_read(plugins, root)), TRUE)
    with pytest.raises(BadMask, match="has the colours #008040, which stand for no class"):
        _mask(_read(plugins, root, "masks", classes={"none": "#000000", "red": "#ff0000"}))


def test_masks__black_and_white_and_grey(plugins: Plugins, tmp_path: Path) -> None:
    binary = (TRUE > 0).astype(np.uint8) * 255
    catalogue = _read(plugins, _folder(tmp_path / "a", Image.fromarray(binary)))
    assert catalogue.classes == ("background", "foreground")
    assert np.array_equal(_mask(catalogue), TRUE > 0)
    grey = np.arange(204).reshape(12, 17).astype(np.uint8)
    root = _folder(tmp_path / "b", Image.fromarray(grey))
    with pytest.raises(DataError, match=r"do not look like class numbers[\s\S]*threshold=127"):
        _read(plugins, root)
    catalogue = _read(plugins, root, "masks", threshold=127, classes=["field", "road"])
    assert catalogue.classes == ("field", "road")
    assert np.array_equal(_mask(catalogue), grey > 127)


def test_masks__one_per_class(plugins: Plugins, tmp_path: Path) -> None:
    root = tmp_path / "a"
    (root / "images").mkdir(parents=True)
    for name, plane in (("cell", TRUE == 1), ("wall", TRUE == 2)):
        (root / "masks" / name).mkdir(parents=True)
        Image.fromarray((plane * 255).astype(np.uint8)).save(root / "masks" / name / "0.png")
    PICTURE.save(root / "images" / "0.png")
    catalogue = _read(plugins, root)
    assert catalogue.classes == ("background", "cell", "wall")
    assert np.array_equal(_mask(catalogue), TRUE)
    both = np.ones((12, 17), np.uint8) * 255
    Image.fromarray(both).save(root / "masks" / "cell" / "0.png")
    with pytest.raises(BadMask, match=r"'wall' overlaps other classes in \d+ pixels, which needs task.labels=multi"):
        _mask(_read(plugins, root))
    planes = _mask(_read(plugins, root), multi=True)
    assert planes[..., 1].all()
    assert np.array_equal(planes[..., 2], TRUE == 2)
    assert not planes[..., 0].any()


@pytest.mark.parametrize("above", [True, False])
def test_masks__splits_above_and_below(plugins: Plugins, tmp_path: Path, above: bool) -> None:
    for split in ("train", "valid", "test"):
        for kind, picture in (("img", PICTURE), ("labels", Image.fromarray(TRUE))):
            folder = tmp_path / split / kind if above else tmp_path / kind / split
            folder.mkdir(parents=True)
            picture.save(folder / "x.png")
    assert [sample.split for sample in _read(plugins, tmp_path).samples] == ["test", "train", "val"]


def test_masks__missing_ones_are_all_named(plugins: Plugins, tmp_path: Path) -> None:
    root = _folder(tmp_path / "a", Image.fromarray(TRUE), 4)
    for index in (1, 3):
        (root / "masks" / f"{index}.png").rename(root / "masks" / f"{index}_mask.png")
    with pytest.raises(DataError) as caught:
        _read(plugins, root)
    assert "images/1.jpg: has no mask" in str(caught.value)
    assert "images/3.jpg: has no mask" in str(caught.value)
    assert "data.reader.suffix=_mask" in str(caught.value)


def test_masks__a_split_without_masks_is_not_passed_over(plugins: Plugins, tmp_path: Path) -> None:
    inner, outer = tmp_path / "inner", tmp_path / "outer"
    for split in ("train", "val"):
        _folder(outer / split, Image.fromarray(TRUE))
        for name in ("images", "masks"):
            (inner / name).mkdir(parents=True, exist_ok=True)
            shutil.copytree(outer / split / name, inner / name / split)
    (inner / "masks" / "val").rename(inner / "masks" / "validation")
    assert [sample.split for sample in _read(plugins, inner).samples] == ["train"] * 3 + ["val"] * 3
    (inner / "masks" / "validation").rename(inner / "masks" / "vla")
    (outer / "val" / "masks").rename(outer / "val" / "mskas")
    for root in (inner, outer):
        with pytest.raises(DataError, match="3 images have no mask"):
            _read(plugins, root)


def test_masks__hidden_files_capitals_and_folders_of_both(plugins: Plugins, tmp_path: Path) -> None:
    root = _folder(tmp_path / "a", Image.fromarray(TRUE), number=2)
    for name, ending in (("images", "JPG"), ("masks", "PNG")):
        (root / name / "ulm").mkdir()
        for file in (root / name).glob("*.*"):
            file.rename(root / name / "ulm" / f"{file.stem}.{ending}")
        (root / name / "ulm" / f"._0.{ending}").write_bytes(b"AppleDouble")
        (root / name / ".ipynb_checkpoints").mkdir()
    catalogue = _read(plugins, root)
    assert [sample.id for sample in catalogue.samples] == ["images/ulm/0.JPG", "images/ulm/1.JPG"]
    assert np.array_equal(_mask(catalogue), TRUE)


def test_threshold__what_it_cannot_be_told_with(plugins: Plugins, tmp_path: Path) -> None:
    root = _folder(tmp_path / "a", Image.fromarray(TRUE))
    for more in ({"ignore": (255,)}, {"classes": {"road": 255, "ground": 0}}):
        with pytest.raises(DataError, match="threshold divides all values"):
            _read(plugins, root, "masks", threshold=127, **more)


def test_pairs(plugins: Plugins, tmp_path: Path) -> None:
    root = _folder(tmp_path / "a", Image.fromarray(TRUE))
    rows = [("image", "mask", "split", "group")]
    rows += [(f"images/{i}.jpg", f"masks/{i}.png", s, f"g{i}") for i, s in enumerate(("train", "valid", "test"))]
    table = root / "pairs.csv"
    with table.open("w", newline="") as file:
        csv.writer(file, delimiter=";").writerows(rows)
    catalogue = _read(plugins, table)
    assert [(s.split, s.group) for s in catalogue.samples] == [("train", "g0"), ("val", "g1"), ("test", "g2")]
    assert np.array_equal(_mask(catalogue), TRUE)
    table.write_text("image,mask,split\nimages/0.jpg,masks/9.png,trian\nimages/0.jpg,masks/0.png\n,masks/1.png,test\n")
    with pytest.raises(DataError) as caught:
        _read(plugins, table)
    text = str(caught.value)
    assert "line 2: the split 'trian' is none (did you mean 'train'?)" in text
    assert "line 2: the mask masks/9.png does not exist" in text
    assert "line 3: 2 cells" in text
    assert "line 4: no path" in text


SQUARE = [[2.0, 3.0, 9.0, 3.0, 9.0, 8.0, 2.0, 8.0]]


def _coco(root: Path, annotations: list[dict]) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    PICTURE.save(root / "0.png")
    document = {
        "images": [{"id": 5, "file_name": "0.png", "height": 12, "width": 17}],
        "categories": [{"id": 7, "name": "cell"}, {"id": 3, "name": "wall"}],
        "annotations": [{"image_id": 5, **entry} for entry in annotations],
    }
    (root / "all.json").write_text(json.dumps(document))
    return root / "all.json"


def test_coco__polygons_and_run_lengths(plugins: Plugins, tmp_path: Path) -> None:
    plane = np.asfortranarray((TRUE == 1).astype(np.uint8))
    packed = coco_mask.encode(plane)["counts"].decode()
    flat = plane.ravel(order="F")
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flat])))
    runs = np.diff([0, *edges, len(flat)]).tolist()
    for counts in (packed, runs):
        segmentation = {"size": [12, 17], "counts": counts}
        file = _coco(tmp_path / "a", [{"category_id": 7, "segmentation": segmentation}])
        catalogue = _read(plugins, file)
        assert catalogue.classes == ("background", "wall", "cell")
        assert np.array_equal(_mask(catalogue) == 2, TRUE == 1)
    file = _coco(tmp_path / "a", [{"category_id": 3, "segmentation": SQUARE}])
    mask = _mask(_read(plugins, file))
    assert (mask[3:8, 2:9] == 1).all()
    assert mask.sum() == 35
    without = _read(plugins, file, "coco-masks", background="")
    assert without.classes == ("wall", "cell")
    assert (_mask(without) == IGNORE).sum() == 12 * 17 - 35


def test_coco__what_is_in_front_and_several_labels(plugins: Plugins, tmp_path: Path) -> None:
    over = [[5.0, 3.0, 12.0, 3.0, 12.0, 8.0, 5.0, 8.0]]
    entries = [{"category_id": 3, "segmentation": SQUARE}, {"category_id": 7, "segmentation": over}]
    catalogue = _read(plugins, _coco(tmp_path / "a", entries))
    mask = _mask(catalogue)
    assert (mask[4, 2:5] == 1).all()
    assert (mask[4, 5:12] == 2).all()
    planes = _mask(catalogue, multi=True)
    assert (planes[4, 5:9, 1:] == 1).all()
    assert planes[0, 0].tolist() == [1, 0, 0]


def test_coco__files_of_splits_may_name_their_images_alike(plugins: Plugins, tmp_path: Path) -> None:
    for split, square in (("train", SQUARE), ("val", [[0, 0, 17, 0, 17, 12, 0, 12]])):
        _coco(tmp_path / split, [{"category_id": 3, "segmentation": square}]).rename(tmp_path / f"{split}.json")
    catalogue = _read(plugins, tmp_path, "coco-masks")
    assert [(sample.id, sample.split) for sample in catalogue.samples] == [
        ("train/0.png", "train"),
        ("val/0.png", "val"),
    ]
    assert [int((_mask(catalogue, place) == 1).sum()) for place in (0, 1)] == [35, 12 * 17]


def test_coco__a_size_is_compared_before_anything_is_drawn(plugins: Plugins, tmp_path: Path) -> None:
    file = _coco(tmp_path, [{"category_id": 3, "segmentation": SQUARE}])
    file.write_text(file.read_text().replace('"height": 12, "width": 17', '"height": 90000, "width": 90000'))
    with pytest.raises(DataError, match=r"90000 × 90000 pixels \(the file 0.png is 17 × 12"):
        _read(plugins, file)


def test_coco__mistakes_are_all_named(plugins: Plugins, tmp_path: Path) -> None:
    entries = [
        {"category_id": 9, "segmentation": SQUARE},
        {"category_id": 3, "segmentation": [[1, 2]]},
        {"category_id": 3, "segmentation": {"size": [17, 12], "counts": [204]}},
        {"category_id": 3},
        {"category_id": 3, "segmentation": {"size": [12, 17], "counts": [3, 4]}},
    ]
    with pytest.raises(DataError) as caught:
        _read(plugins, _coco(tmp_path / "a", entries))
    text = str(caught.value)
    for number, what in enumerate(("category_id: 9", "three points", "are for [17, 12]", "segmentation", "add up")):
        assert any(f"annotations[{number}]" in line and what in line for line in text.splitlines()), (number, text)


@pytest.mark.parametrize("seed", range(5))
def test_run_lengths_as_text__are_pycocotools(seed: int) -> None:
    rng = np.random.default_rng(seed)
    plane = np.kron(rng.random((6, 5)) < 0.5, np.ones((50 * (seed + 1), 40))).astype(bool)
    encoded = coco_mask.encode(np.asfortranarray(plane.astype(np.uint8)))
    assert sum(decoded_counts(encoded["counts"].decode())) == plane.size
    found = filled({"size": list(plane.shape), "counts": encoded["counts"].decode()}, plane.shape)
    assert np.array_equal(found, plane)


@pytest.mark.parametrize("at", [(0, 0), (40, 30), (-20, 15), (80, 70)])
def test_polygons__a_piece_of_the_image_is_drawn_as_the_whole_is(at: tuple[int, int]) -> None:
    corners = np.random.default_rng(0).uniform(0, 30, (9, 2)) + at
    # Two hairs, above and below, make the whole image be drawn.
    hairs = [[-1, -1, 101, -1, 101, -0.9, -1, -0.9], [0, 91, 50, 91, 100, 91]]
    alone, whole = (filled([corners.ravel().tolist(), *more], (90, 100)) for more in ([], hairs))
    assert alone.any()
    assert int((alone ^ whole).sum()) <= 4  # Pillow's edges are in 32 bits, which round differently elsewhere


def test_polygons__are_near_pycocotools() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        angles = np.sort(rng.uniform(0, 2 * np.pi, 7))
        points = (50 + 40 * np.stack([np.cos(angles), np.sin(angles)], 1) * rng.uniform(0.5, 1, (7, 1))).ravel()
        ours = filled([points.tolist()], (100, 100))
        theirs = coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects([points.tolist()], 100, 100))).astype(bool)
        assert (ours & theirs).sum() / (ours | theirs).sum() > 0.95
