from __future__ import annotations

import hashlib
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from graft.data import STANDARD, BadImage, PixelStore, prepare_image
from graft.data.decode import decode, size_of
from graft.errors import DataError
from graft.preprocess import Preprocess
from volumes import VolumeDecoder


def volume(path: Path, slices: int = 3) -> Path:
    values = np.arange(slices * 20, dtype=np.uint16).reshape(slices, 4, 5) * 10
    np.save(path, values)
    return path


def test_standard__is_what_images_were_always_read_by(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(np.arange(60, dtype=np.uint8).reshape(4, 5, 3)).save(path)
    assert STANDARD.reads(path)
    assert not STANDARD.reads(tmp_path / "a.npy")
    np.testing.assert_array_equal(STANDARD.decode(path, channels=3), decode(path))
    np.testing.assert_array_equal(STANDARD.picture(path), decode(path))
    assert STANDARD.size(path) == size_of(path) == (4, 5)
    assert list(STANDARD.parts(path)) == [path]
    assert STANDARD.file(path) == path
    assert STANDARD.digest(path) == hashlib.sha256(path.read_bytes()).hexdigest()
    assert STANDARD.group(path) is None
    with pytest.raises(BadImage, match="no such file"):
        STANDARD.digest(tmp_path / "b.png")


def test_standard__masks_are_read_as_they_are(tmp_path: Path) -> None:
    image, mask = tmp_path / "a.png", tmp_path / "m.png"
    indices = np.array([[0, 1], [2, 1]], np.uint8)
    palette = Image.fromarray(indices)
    palette.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0])
    palette.save(mask)
    np.testing.assert_array_equal(STANDARD.values(mask, like=image), indices)
    assert STANDARD.values(mask, like=image, colours=True)[0, 1].tolist() == [255, 0, 0]
    Image.fromarray(np.array([[1000, 2]], np.uint16)).save(mask)
    assert STANDARD.values(mask, like=image).tolist() == [[1000, 2]]
    Image.fromarray(np.array([[3.0, 7.0]], np.float32)).save(tmp_path / "m.tif")
    assert STANDARD.values(tmp_path / "m.tif", like=image).tolist() == [[3, 7]]
    Image.fromarray(np.array([[0.5, np.nan]], np.float32)).save(tmp_path / "m.tif")
    with pytest.raises(BadImage, match="fractions"):
        STANDARD.values(tmp_path / "m.tif", like=image)
    Image.fromarray(np.array([[[1, 2, 3]]], np.uint8)).save(mask)
    with pytest.raises(BadImage, match="coloured"):
        STANDARD.values(mask, like=image)


def test_parts__have_names_digests_and_pixels_of_their_own(tmp_path: Path) -> None:
    file, decoder = volume(tmp_path / "p1-a.npy"), VolumeDecoder()
    parts = decoder.parts(file)
    assert [part.relative_to(tmp_path).as_posix() for part in parts] == ["p1-a.npy/z=0", "p1-a.npy/z=1", "p1-a.npy/z=2"]
    assert decoder.file(parts[1]) == file
    assert decoder.stem(file) == "p1-a"
    digests = {decoder.digest(part) for part in parts}
    assert len(digests) == 3
    assert decoder.digest(file) not in digests
    assert decoder.decode(parts[1], channels=1)[0, 0, 0] == pytest.approx(0.2)
    assert decoder.picture(parts[1])[0, 0].tolist() == [51, 51, 51]


def test_parts__a_changed_file_has_other_digests(tmp_path: Path) -> None:
    file, decoder = volume(tmp_path / "a.npy"), VolumeDecoder()
    before = [decoder.digest(part) for part in decoder.parts(file)]
    np.save(file, np.load(file)[::-1])
    assert not set(before) & {decoder.digest(part) for part in decoder.parts(file)}


def test_decoders__are_what_preprocessing_and_stores_read_by(tmp_path: Path) -> None:
    part = VolumeDecoder().parts(volume(tmp_path / "a.npy"))[2]
    grey = Preprocess(size=(4, 5), crop=1.0, mean=(0.5,), std=(0.5,))
    store = PixelStore(grey, decoder=pickle.loads(pickle.dumps(VolumeDecoder())))
    np.testing.assert_array_equal(store.load(part), prepare_image(part, grey, decoder=VolumeDecoder()))
    assert store.load(part)[0, 0, 0] == pytest.approx(0.4)
    assert store.size(part) == (4, 5)
    five = Preprocess(size=(4, 5), crop=1.0, mean=(0.5,) * 5, std=(0.5,) * 5)
    with pytest.raises(DataError, match=r"5.*1 or 3 channels"):
        PixelStore(five, decoder=VolumeDecoder())
