"""Features are those of the network, whatever happened to the cache; the network is asked only for what is new."""

from __future__ import annotations

import errno
import os
import random
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import save_file
from torch import nn

from forks import fork
from graft.backbones.load import LoadedBackbone, build_backbone
from graft.console import Console
from graft.data.decode import decode
from graft.data.geometry import prepare_image
from graft.errors import DataError, UserError
from graft.features import cache, store
from graft.features.extract import Extractor, _pooled
from graft.model import normalised
from graft.plugins import load_plugins
from graft.recipe.schema import Backbone
from photos import write_photos

SIZE = 32
BATCH = 4


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GRAFT_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture(scope="module")
def loaded() -> LoadedBackbone:
    return build_backbone(Backbone(size=SIZE), plugins=load_plugins(names=[]))


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    return sorted(write_photos(tmp_path / "photos", per_class=5).rglob("*.png"))


@pytest.fixture
def calculated(loaded: LoadedBackbone) -> Any:
    """The number of images of each call of the network."""
    calls: list[int] = []
    hook = loaded.backbone.stages[0].register_forward_hook(lambda _, images, __: calls.append(len(images[0])))
    yield calls
    hook.remove()


def extract(loaded: LoadedBackbone, paths: list[Path], console: Console | None = None, **options: Any) -> Any:
    extractor = Extractor(loaded, device="cpu", **{"batch": BATCH, **options})
    found = extractor(paths, console=console or Console(quiet=True))
    return found if "stages" in options else found["embedding"]


def same(one: NDArray[Any], two: NDArray[Any]) -> bool:
    return one.dtype == two.dtype and one.tobytes() == two.tobytes()


def test_features_are_those_of_the_network(loaded: LoadedBackbone, photos: list[Path]) -> None:
    found = extract(loaded, photos, stages=("stage2", "embedding", "stem"), pool="none")
    backbone = loaded.backbone
    pixels = np.stack([prepare_image(path, backbone.preprocess) for path in photos]).transpose(0, 3, 1, 2)
    with torch.inference_mode():
        x = normalised(torch.from_numpy(pixels), backbone.preprocess)
        stem, _, stage2, *_ = backbone.pyramid(x)
        embedding = backbone.embed(x)
    assert list(found) == ["stage2", "embedding", "stem"]
    for name, expected in {"stem": stem, "stage2": stage2, "embedding": embedding}.items():
        assert found[name].dtype == np.float32
        np.testing.assert_allclose(found[name], expected.numpy(), rtol=1e-5, atol=1e-6)
    maps = found["stage2"].astype(np.float64)
    for pool, by_hand in {
        "gap": maps.mean(axis=(2, 3)),
        "max": maps.max(axis=(2, 3)),
        "gem": (np.maximum(maps, 1e-6) ** 3).mean(axis=(2, 3)) ** (1 / 3),
    }.items():
        pooled = extract(loaded, photos, stages=("stage2",), pool=pool)["stage2"]
        np.testing.assert_allclose(pooled, by_hand, rtol=1e-4, atol=1e-6)


def test_gem_of_maps_below_zero() -> None:
    maps = torch.tensor([[[[-1.0, 2.0]], [[-1.0, -2.0]]]])
    assert _pooled(maps, "gem").tolist() == [[pytest.approx(4 ** (1 / 3)), pytest.approx(1e-6)]]


def test_widths(loaded: LoadedBackbone, photos: list[Path]) -> None:
    extractor = Extractor(loaded, stages=("stage1", "embedding"), device="cpu")
    found = extractor(photos[:1], console=Console(quiet=True))
    assert extractor.widths == {name: rows.shape[1] for name, rows in found.items()}


def test_nothing_is_calculated_twice(loaded: LoadedBackbone, photos: list[Path], calculated: list[int]) -> None:
    first = extract(loaded, [*photos, photos[0]])
    assert calculated == [BATCH] * 4, "15 images, each among as many as in every batch"
    again = extract(loaded, [*photos, photos[0]])
    assert len(calculated) == 4
    assert same(first, again)
    assert same(first[0], first[-1])
    assert same(extract(loaded, photos, limit="0"), first[:-1])
    assert len(calculated) == 8


def test_what_comes_of_an_image_does_not_depend_on_the_others(loaded: LoadedBackbone, photos: list[Path]) -> None:
    first = extract(loaded, photos, limit="0")
    order = random.Random(1).sample(range(len(photos)), len(photos))
    assert same(extract(loaded, [photos[i] for i in order], limit="0"), first[order])
    assert same(extract(loaded, photos[7:8], limit="0"), first[7:8])


def test_copies_are_calculated_once_even_without_a_cache(
    loaded: LoadedBackbone, photos: list[Path], calculated: list[int]
) -> None:
    extract(loaded, [*photos[:4], photos[0], photos[0]], limit="0")
    extract(loaded, [photos[0]] * 9, limit="0")
    assert len(calculated) == 2


def test_pixels_of_16_bits_do_not_change_those_beside_them(
    loaded: LoadedBackbone, photos: list[Path], calculated: list[int]
) -> None:
    alone = extract(loaded, photos[:3], limit="0")
    deep = photos[0].with_name("deep.png")
    Image.fromarray(np.arange(1600, dtype=np.uint16).reshape(40, 40) * 40).save(deep)
    calculated.clear()
    beside = extract(loaded, [photos[0], deep, *photos[1:3]], limit="0")
    assert len(calculated) == 2, "together they would be rounded alike, which differs on a GPU"
    assert same(beside[[0, 2, 3]], alone)


# What may go wrong with the cache.


@pytest.mark.parametrize("damage", ["truncated", "flipped", "emptied"])
def test_a_damaged_cache(loaded: LoadedBackbone, photos: list[Path], calculated: list[int], damage: str) -> None:
    first = extract(loaded, photos)
    (shard,) = cache.shards(cache.spaces()[0].path)
    content = bytearray(shard.read_bytes())
    if damage == "flipped":
        content[-5] ^= 4
    shard.write_bytes({"truncated": content[:-7], "flipped": content, "emptied": b""}[damage])
    console = Console(quiet=True)
    assert same(extract(loaded, photos, console), first)
    assert len(console.warnings) == 1
    assert len(calculated) == 8
    assert same(extract(loaded, photos), first)
    assert len(calculated) == 8


def test_killed_ten_times_while_filling(
    loaded: LoadedBackbone, photos: list[Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(store, "_SHARD_BYTES", 500)
    many = sorted(write_photos(tmp_path / "many", per_class=40, seed=3).rglob("*.png"))
    begun = time.monotonic()
    expected = extract(loaded, many, limit="0")
    length = time.monotonic() - begun
    draw = random.Random(0)
    in_the_middle = 0
    for _ in range(10):
        child = fork(lambda: extract(loaded, many) is None)
        time.sleep(draw.uniform(0.05, 0.9) * length)
        child.kill()
        in_the_middle += child.wait() == -9
        order = random.Random(0).sample(range(len(many)), 30)
        console = Console(quiet=True)
        assert same(extract(loaded, [many[i] for i in order], console), expected[order])
        assert console.warnings == []
        assert list(cache.root().rglob(".tmp-*")) == []
        if len(cache.shards(cache.spaces()[0].path)) > 15:
            cache.clear()
    assert in_the_middle >= 5
    assert same(extract(loaded, many), expected)


def test_two_processes_at_once(loaded: LoadedBackbone, photos: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "_SHARD_BYTES", 500)
    expected = extract(loaded, photos, limit="0")

    def work() -> int:
        console = Console(quiet=True)
        return int(not same(extract(loaded, photos, console), expected) or bool(console.warnings))

    children = [fork(work) for _ in range(2)]
    assert [child.wait() for child in children] == [0, 0]
    assert same(extract(loaded, photos), expected)


def test_a_full_disk(loaded: LoadedBackbone, photos: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "_SHARD_BYTES", 500)
    expected = extract(loaded, photos, limit="0")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    console = Console(quiet=True)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        assert same(extract(loaded, photos, console), expected)
    assert len(console.warnings) == 1
    assert "No space left" in console.warnings[0]
    assert same(extract(loaded, photos), expected)


def test_a_limit_that_is_reached(loaded: LoadedBackbone, photos: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "_SHARD_BYTES", 500)
    expected = extract(loaded, photos, limit="0")
    for _ in range(2):
        console = Console(quiet=True)
        assert same(extract(loaded, photos, console, limit="0.003MB"), expected)
        assert len(console.warnings) == 1
        assert "limit" in console.warnings[0]
    assert 0 < cache.spaces()[0].bytes <= 3000


# What may happen to the images, and to the network.


def test_a_changed_pixel_with_the_same_size_and_time(
    loaded: LoadedBackbone, photos: list[Path], calculated: list[int]
) -> None:
    bitmap = photos[0].with_suffix(".bmp")
    Image.open(photos[0]).save(bitmap)
    before = extract(loaded, [bitmap])
    status = bitmap.stat()
    content = bytearray(bitmap.read_bytes())
    content[-700] ^= 128
    bitmap.write_bytes(content)
    os.utime(bitmap, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert (bitmap.stat().st_size, bitmap.stat().st_mtime_ns) == (status.st_size, status.st_mtime_ns)
    after = extract(loaded, [bitmap])
    assert len(calculated) == 2
    assert not same(before, after)
    assert same(after, extract(loaded, [bitmap], limit="0"))


def test_a_label_that_was_edited(loaded: LoadedBackbone, photos: list[Path], calculated: list[int]) -> None:
    first = extract(loaded, photos)
    calculated.clear()
    photos[0].rename(photos[0].parents[1] / "leaf" / "moved.png")
    for path in photos[1:4]:
        path.rename(path.with_name(f"renamed {path.name}"))
    shutil.copy(photos[5], photos[5].with_name("copy.png"))
    again = extract(loaded, sorted(photos[0].parents[1].rglob("*.png")))
    assert calculated == []
    assert {row.tobytes() for row in first} == {row.tobytes() for row in again}


def test_other_weights_under_the_same_name(tmp_path: Path, photos: list[Path]) -> None:
    file = tmp_path / "mine.safetensors"

    def built() -> LoadedBackbone:
        section = Backbone(weights=str(file), size=SIZE)
        return build_backbone(section, plugins=load_plugins(names=[]))

    state = build_backbone(Backbone(), plugins=load_plugins(names=[])).backbone.state_dict()
    save_file(state, file)
    first = extract(built(), photos)
    name = next(name for name in state if name.endswith("weight") and state[name].ndim == 4)
    state[name] = state[name] * 1.01
    save_file(state, file)
    second = extract(built(), photos)
    assert not same(first, second)
    assert same(second, extract(built(), photos, limit="0"))
    assert len(cache.spaces()) == 2


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"stages": ("stage1",)}, {"stages": ("stage2",)}),
        ({"stages": ("stage1",)}, {"stages": ("stage1",), "pool": "max"}),
        ({"stages": ("stage1", "stage2")}, {"stages": ("stage2", "stage1")}),
        ({}, {"batch": 5}),
    ],
    ids=str,
)
def test_other_calculations_share_nothing(
    loaded: LoadedBackbone, photos: list[Path], one: dict[str, Any], other: dict[str, Any]
) -> None:
    for options in (one, other):
        kept, fresh = (extract(loaded, photos[:3], **options, limit=limit) for limit in ("1GB", "0"))
        if isinstance(kept, dict):
            assert all(same(kept[name], fresh[name]) for name in options["stages"])
        else:
            assert same(kept, fresh)
    assert len(cache.spaces()) == 2


# Images in memory.


def test_arrays_give_what_their_files_give(loaded: LoadedBackbone, photos: list[Path], calculated: list[int]) -> None:
    images = [decode(path) for path in photos]
    extractor = Extractor(loaded, device="cpu", batch=BATCH)
    expected = extract(loaded, photos, limit="0")
    calculated.clear()
    for given in (images, np.stack(images)):
        found = extractor.arrays(given, console=Console(quiet=True))
        assert same(found.features["embedding"], expected)
    assert len(calculated) == 4, "the second time they are known"
    other = np.stack(images)
    other[3, 20, 20, 1] ^= 128
    found = extractor.arrays(other, console=Console(quiet=True)).features["embedding"]
    assert len(calculated) == 5
    assert [same(a, b) for a, b in zip(found, expected, strict=True)] == [index != 3 for index in range(15)]


def test_arrays_of_other_types(loaded: LoadedBackbone) -> None:
    extractor = Extractor(loaded, device="cpu", batch=BATCH, limit="0")

    def of(*images: NDArray[Any]) -> NDArray[np.float32]:
        return extractor.arrays(list(images), console=Console(quiet=True)).features["embedding"]

    grey = np.random.default_rng(0).integers(0, 256, (50, 60), dtype=np.uint8)
    expected = of(np.repeat(grey[:, :, None], 3, axis=2))
    assert same(of(grey), expected)
    assert same(of(grey[:, :, None]), expected)
    deep = of(grey.astype(np.uint16) * 257, grey.astype(np.float32) / 255, grey / 255)
    np.testing.assert_allclose(deep, np.repeat(expected, 3, axis=0), rtol=0.05, atol=0.02)
    flipped = np.ascontiguousarray(grey[:, ::-1])
    assert same(of(grey[:, ::-1]), of(flipped)), "a view of other strides"
    colour = np.random.default_rng(0).integers(0, 256, (50, 60, 3), dtype=np.uint8)
    assert same(of(colour[:, :, ::-1]), of(np.ascontiguousarray(colour[:, :, ::-1])))


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (np.zeros((4, 4, 2), np.uint8), "4 × 4 × 2"),
        (np.zeros((4,), np.uint8), "of shape 4;"),
        (np.zeros((0, 4), np.uint8), "0 × 4"),
        (np.zeros((4, 4), np.int64), "int64"),
        (np.zeros((4, 4), bool), "bool"),
        (np.full((4, 4), 1.5), "1.5"),
        (np.full((4, 4), -0.1), "-0.1"),
        (np.full((4, 4), np.nan), "nan"),
    ],
)
def test_arrays_that_are_no_images(loaded: LoadedBackbone, image: NDArray[Any], reason: str) -> None:
    good = np.zeros((4, 4), np.uint8)
    found = Extractor(loaded, device="cpu").arrays([good, image, good], console=Console(quiet=True))
    assert list(found.bad) == [1]
    assert reason in str(found.bad[1])
    assert found.features["embedding"].shape == (2, loaded.backbone.info.embed_dim)


# What cannot be read.


def test_bad_files_are_named_all_at_once(loaded: LoadedBackbone, photos: list[Path]) -> None:
    (photos[1]).write_bytes(b"")
    (photos[3]).write_bytes(b"no picture")
    photos[5].unlink()
    os.mkfifo(photos[5])
    missing = photos[0].with_name("gone.png")
    paths = [*photos, missing]
    with pytest.raises(DataError) as caught:
        extract(loaded, paths)
    assert caught.value.message == "4 of 16 images cannot be read"
    assert [problem.where for problem in caught.value.problems] == [str(paths[i]) for i in (1, 3, 5, 15)]
    codes = [str(problem).rpartition("[")[2] for problem in caught.value.problems]
    assert codes == ["empty]", "format]", "unreadable]", "missing]"]

    found = Extractor(loaded, device="cpu", batch=BATCH).readable(paths, console=Console(quiet=True))
    assert list(found.bad) == [1, 3, 5, 15]
    good = [path for index, path in enumerate(paths) if index not in found.bad]
    assert same(found.features["embedding"], extract(loaded, good, limit="0"))


def test_no_image_at_all(loaded: LoadedBackbone, photos: list[Path]) -> None:
    with pytest.raises(DataError, match="no image"):
        extract(loaded, [])
    photos[0].write_bytes(b"")
    found = Extractor(loaded, device="cpu").readable(photos[:1], console=Console(quiet=True))
    assert (dict(found.features), list(found.bad)) == ({}, [0])


def test_mistakes_are_said_all_at_once(loaded: LoadedBackbone) -> None:
    with pytest.raises(UserError) as caught:
        Extractor(loaded, stages=("stage9", "stage1", "embeding", "stage1"), pool="mean")  # type: ignore[arg-type]
    assert [problem.where for problem in caught.value.problems] == ["stage9", "embeding", "stage1", "pool mean"]
    assert "did you mean 'embedding'" in str(caught.value)
    assert "stage1" in str(caught.value.fix)
    with pytest.raises(UserError):
        Extractor(loaded, stages=())


def test_dropout_and_norms_are_as_for_prediction(photos: list[Path]) -> None:
    trained = build_backbone(Backbone(size=SIZE), plugins=load_plugins(names=[]))
    trained.backbone.train()
    before = [buffer.clone() for buffer in trained.backbone.buffers()]
    first = extract(trained, photos, limit="0")
    assert not any(module.training for module in trained.backbone.modules())
    assert all(torch.equal(a, b) for a, b in zip(before, trained.backbone.buffers(), strict=True))
    assert same(first, extract(trained, photos, limit="0"))
    assert any(isinstance(module, nn.BatchNorm2d) for module in trained.backbone.modules())


def test_who_has_the_pixels_gives_them(loaded: LoadedBackbone, photos: list[Path]) -> None:
    asked: list[Path] = []

    def pixels(path: Path) -> NDArray[Any]:
        asked.append(path)
        return prepare_image(path, loaded.backbone.preprocess)

    found = extract(loaded, photos, pixels=pixels, limit="0")
    assert sorted(asked) == photos
    assert same(found, extract(loaded, photos, limit="0"))
