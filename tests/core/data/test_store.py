from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from graft.data.decode import BadImage, decode
from graft.data.geometry import resize
from graft.data.store import PixelStore
from graft.errors import DataError
from graft.preprocess import Preprocess

SMALL = Preprocess(size=(16, 16), crop=1.0)


def test_store__gives_resized_images(fill):
    path = fill("a.png") / "a.png"
    np.testing.assert_array_equal(PixelStore(SMALL).load(path), resize(decode(path), SMALL))


def test_store__decodes_each_file_once(fill):
    path = fill("a.png") / "a.png"
    store = PixelStore(SMALL)
    first = store.load(path)
    path.unlink()
    assert store.load(path) is first
    assert len(store) == 1


def test_store__same_without_memory(fill):
    path = fill("a.png") / "a.png"
    store = PixelStore(SMALL, cache_mb=0)
    np.testing.assert_array_equal(store.load(path), PixelStore(SMALL).load(path))
    assert len(store) == 0
    path.unlink()
    with pytest.raises(BadImage):
        store.load(path)


def test_store__stops_when_it_is_full(fill):
    root = fill(*(f"{n}.png" for n in range(4)), size=(600, 600))
    store = PixelStore(Preprocess(size=(512, 512), crop=1.0), cache_mb=2)
    for path in sorted(root.iterdir()):
        store.load(path)
    assert len(store) == 2


def test_store__images_cannot_be_changed(fill):
    image = PixelStore(SMALL).load(fill("a.png") / "a.png")
    with pytest.raises(ValueError, match="read-only"):
        image[0, 0] = 0


def test_store__threads(fill):
    root = fill(*(f"{n}.png" for n in range(20)))
    paths = sorted(root.iterdir()) * 5
    store = PixelStore(SMALL)
    with ThreadPoolExecutor(8) as pool:
        images = list(pool.map(store.load, paths))
    assert len(store) == 20
    for path, image in zip(paths, images, strict=True):
        np.testing.assert_array_equal(image, resize(decode(path), SMALL))


def test_store__is_sent_empty_and_shares_the_room(fill):
    path = fill("a.png", size=(600, 600)) / "a.png"
    store = PixelStore(Preprocess(size=(512, 512), crop=1.0), cache_mb=1)
    store.load(path)
    other = pickle.loads(pickle.dumps(store))
    assert len(other) == 0
    other.share(2)
    np.testing.assert_array_equal(other.load(path), store.load(path))
    assert len(other) == 0, "half of the room is too small for the image"
    assert len(pickle.dumps(store)) < 2000


def test_store__max_pixels(fill):
    with pytest.raises(BadImage, match="max_pixels"):
        PixelStore(SMALL, max_pixels=10).load(fill("a.png") / "a.png")


def test_store__channels_that_files_do_not_have():
    with pytest.raises(DataError, match=r"backbone.channels = 4") as caught:
        PixelStore(Preprocess(mean=(0.5,) * 4, std=(0.5,) * 4))
    assert "backbone.channels" in (caught.value.fix or "")
