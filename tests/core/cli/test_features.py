"""`graft features extract`: the file that it writes, and what it refuses."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graft.features import files
from graft.features.reduction import fit
from graft.testing.commands import Graft
from photos import write_photos

SHORT = ("--size", "32", "--device", "cpu")


@pytest.fixture
def photos(work: Path) -> Path:
    return write_photos(work / "photos", per_class=4)


def read(path: Path) -> dict[str, Any]:
    with np.load(path, allow_pickle=False) as file:
        return dict(file)


def test_npz__has_ids_labels_split_and_a_stage(graft: Graft, work: Path, photos: Path) -> None:
    result = graft("features", "extract", "photos", "--out", "f.npz", *SHORT)
    assert result.code == 0, result.err
    found = read(work / "f.npz")
    assert set(found) == {"ids", "labels", "split", "classes", "about", "embedding"}
    assert found["ids"].tolist() == sorted(path.relative_to(photos).as_posix() for path in photos.rglob("*.png"))
    assert found["labels"].tolist() == [name.partition("/")[0] for name in found["ids"].tolist()]
    assert set(found["split"].tolist()) == {""}
    assert found["classes"].tolist() == ["apple", "leaf", "sky"]
    assert (found["embedding"].shape, found["embedding"].dtype) == ((12, 96), np.float32)
    about = json.loads(str(found["about"]))
    assert about["backbone"] == "graft:tiny"
    assert about["weights"]["licence"] == "apache-2.0"
    assert about["preprocess"]["size"] == [32, 32]
    assert about["versions"]["torch"]
    assert [line.split()[0] for line in result.err.splitlines()] == ["Data", "Data", "Backbone", "Done"]


def test_npz__the_same_again_from_the_cache(graft: Graft, work: Path, photos: Path) -> None:
    for name in ("a", "b"):
        assert graft("features", "extract", "photos", "-o", f"{name}.npz", "--pca", "3", *SHORT).code == 0
    assert (work / "a.npz").read_bytes() == (work / "b.npz").read_bytes()


def test_npz__several_stages_and_maps(graft: Graft, work: Path, photos: Path) -> None:
    words = ("features", "extract", "photos", "--stage", "stage3", "--stage", "stem", *SHORT)
    assert graft(*words, "-o", "a.npz", "--pool", "none").code == 0
    assert graft(*words, "-o", "b.npz", "--pool", "max").code == 0
    maps, vectors = read(work / "a.npz"), read(work / "b.npz")
    for stage in ("stem", "stage3"):
        assert maps[stage].ndim == 4
        assert (maps[stage].max(axis=(2, 3)) == vectors[stage]).all()


def test_npz__splits_and_several_labels(graft: Graft, work: Path, photos: Path) -> None:
    names = sorted(path.relative_to(work).as_posix() for path in photos.rglob("*.png"))
    splits = ["train"] * 8 + ["test"] * 4
    rows = [
        f"{name},{'a;b' if split == 'test' else 'ab'[i % 2]},{split}"
        for i, (name, split) in enumerate(zip(names, splits, strict=True))
    ]
    (work / "labels.csv").write_text("path,label,split\n" + "\n".join(rows) + "\n")
    result = graft("features", "extract", "labels.csv", "-o", "a.npz", "--pca", "4", *SHORT)
    assert result.code == 0, result.err
    assert "fitted on the training images" in result.err
    assert graft("features", "extract", "labels.csv", "-o", "b.npz", *SHORT).code == 0
    reduced, whole = read(work / "a.npz"), read(work / "b.npz")
    assert reduced["split"].tolist() == splits
    assert set(reduced["labels"].tolist()) == {"a", "b", "a;b"}
    mean, components = reduced["pca.embedding.mean"], reduced["pca.embedding.components"]
    np.testing.assert_allclose(mean, whole["embedding"][:8].mean(axis=0), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose((whole["embedding"] - mean) @ components.T, reduced["embedding"], atol=1e-5)
    train = whole["embedding"][:8].astype(float)
    share = np.linalg.svd(train - train.mean(axis=0))[1] ** 2
    np.testing.assert_allclose(reduced["pca.embedding.explained"], (share / share.sum())[:4], rtol=1e-4)
    assert f"hold {100 * (share / share.sum())[:4].sum():.1f} %" in result.err


@pytest.mark.parametrize("shape", [(40, 6), (5, 30)], ids=["many", "few"])
def test_components__are_the_same_whatever_the_signs_of_the_solver(shape: tuple[int, int]) -> None:
    from sklearn.decomposition import PCA

    x = np.random.default_rng(0).normal(size=shape).astype(np.float32) * np.arange(1, shape[1] + 1)
    x = x.astype(np.float32)
    found = fit(x, 3)
    expected = PCA(3, svd_solver="full").fit(x.astype(float))
    largest = np.abs(expected.components_).argmax(axis=1)
    signs = np.sign(expected.components_[range(3), largest])[:, None]
    np.testing.assert_allclose(found.components, expected.components_ * signs, atol=1e-4)
    np.testing.assert_allclose(found.explained, expected.explained_variance_ratio_, rtol=1e-4)
    np.testing.assert_allclose(found(x), expected.transform(x) * signs.T, atol=1e-3)
    flat = fit(np.ones((4, 3), np.float32), 2)
    assert flat.explained.tolist() == [0, 0]


@pytest.mark.parametrize("what", ["flat", "deeper and hidden", "one"])
def test_images_without_labels(graft: Graft, work: Path, photos: Path, what: str) -> None:
    flat = photos / "apple"
    if what == "deeper and hidden":
        (flat / "notes" / "empty").mkdir(parents=True)
        (flat / ".thumbs").mkdir()
        shutil.copy(flat / "apple-00.png", flat / ".thumbs" / "x.png")
        (flat / "readme.txt").write_text("")
    data = flat / "apple-01.png" if what == "one" else flat
    result = graft("features", "extract", data, "-o", "f.npz", *SHORT)
    assert result.code == 0, result.err
    found = read(work / "f.npz")
    expected = ["apple-01.png"] if what == "one" else [f"apple-0{number}.png" for number in range(4)]
    assert found["ids"].tolist() == expected
    assert found["labels"].tolist() == [""] * len(expected)
    assert found["classes"].shape == (0,)
    assert "no labels" in result.err


def test_images_beside_classes_are_not_taken_for_a_flat_folder(graft: Graft, work: Path, photos: Path) -> None:
    shutil.copy(photos / "apple" / "apple-00.png", photos / "a.png")
    result = graft("features", "extract", "photos", "-o", "f.npz", *SHORT)
    assert "1 images that lie outside" in result.err
    assert read(work / "f.npz")["ids"].shape == (12,)


def test_bad_images_stop_or_are_left_out(graft: Graft, work: Path, photos: Path) -> None:
    (photos / "apple" / "apple-01.png").write_bytes(b"")
    (photos / "sky" / "sky-02.png").write_bytes(b"no picture")
    words = ("features", "extract", "photos", "-o", "f.npz", *SHORT)
    result = graft(*words)
    assert result.code == 2
    assert "2 of 12 images cannot be read" in result.err
    assert "apple/apple-01.png" in result.err
    assert "sky/sky-02.png" in result.err
    assert "--on-bad skip" in result.err
    assert not (work / "f.npz").exists()

    result = graft(*words, "--on-bad", "skip", "--json")
    assert result.code == 0
    document = json.loads(result.out)
    assert [(bad["id"], bad["code"]) for bad in document["bad"]] == [
        ("apple/apple-01.png", "empty"),
        ("sky/sky-02.png", "format"),
    ]
    assert document["images"] == 10
    assert document["features"] == {"embedding": [10, 96]}
    assert document["warnings"] == ["left out 2 of 12 images that cannot be read (1 empty, 1 format)"]
    found = read(work / "f.npz")
    assert len(found["ids"]) == len(found["embedding"]) == len(found["labels"]) == 10
    assert "apple/apple-01.png" not in found["ids"].tolist()

    for path in photos.rglob("*.png"):
        path.write_bytes(b"")
    result = graft(*words, "--on-bad", "skip")
    assert result.code == 2
    assert "12 of 12" in result.err


def test_parquet(graft: Graft, work: Path, photos: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    words = ("features", "extract", "photos", "--stage", "stage1", "--stage", "embedding", *SHORT)
    assert graft(*words, "-o", "f.parquet").code == 0
    assert graft(*words, "-o", "f.npz").code == 0
    table, expected = parquet.read_table(work / "f.parquet"), read(work / "f.npz")
    assert table.column_names == ["ids", "labels", "split", "stage1", "embedding"]
    for name in table.column_names:
        assert table[name].to_pylist() == expected[name].tolist()
    assert str(table.schema.field("stage1").type).startswith("list<")
    assert table.schema.metadata[b"about"].decode() == str(expected["about"])
    assert json.loads(table.schema.metadata[b"classes"]) == ["apple", "leaf", "sky"]


def test_parquet__without_pyarrow(graft: Graft, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files.importlib.util, "find_spec", lambda name: None)  # type: ignore[attr-defined]
    result = graft("features", "extract", "photos", "-o", "f.parquet")
    assert result.code == 2
    assert "pip install 'graft-core[parquet]'" in result.err


def test_mistakes_are_said_all_at_once_before_anything_is_read(graft: Graft, photos: Path) -> None:
    result = graft("features", "extract", "no-such", "-o", "no/such/f.npy", "--pool", "none", "--pca", "3")
    assert result.code == 2
    assert len(result.err.splitlines()) == 4
    for text in ("neither .npz nor .parquet", "no/such does not exist", "--pca: takes vectors"):
        assert text in result.err
    result = graft("features", "extract", "photos", "-o", "f.parquet", "--pool", "none")
    assert "write an .npz" in result.err
    result = graft("features", "extract", "photos", "-o", "f.npz", "--pca", "50", "--stage", "stem", *SHORT)
    assert result.code == 2
    assert "12 images have at most 12 components" in result.err
    assert result.err.splitlines()[-1] == "Fix: --pca 12"
    result = graft("features", "extract", "photos", "-o", "f.npz", "--stage", "stage9")
    assert "stage9" in result.err
    assert result.code == 2
    result = graft("features", "extract", "photo", "-o", "f.npz")
    assert "did you mean 'photos'" in result.err
    result = graft("features", "extract", "photos", "-o", "f.npz", "--reader", "foldr")
    assert "did you mean 'folder'" in result.err


def test_a_full_disk_leaves_the_old_file(
    graft: Graft, work: Path, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("features", "extract", "photos", "-o", "f.npz", *SHORT)
    assert graft(*words).code == 0
    before = (work / "f.npz").read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    result = graft(*words, "--stage", "stem")
    assert result.code == 1
    assert "f.npz: cannot be written (No space left on device)" in result.err
    assert (work / "f.npz").read_bytes() == before
    assert sorted(path.name for path in work.iterdir()) == ["f.npz", "home", "photos"]
