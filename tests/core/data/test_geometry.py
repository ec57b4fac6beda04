from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from graft.data.decode import BadImage, decode
from graft.data.geometry import centre_crop, prepare_image, resize
from graft.preprocess import Preprocess


@pytest.mark.parametrize(
    ("image", "expected"),
    [((100, 200), (64, 128)), ((200, 100), (128, 64)), ((30, 40), (64, 85)), ((64, 64), (64, 64)), ((1, 1), (64, 64))],
)
def test_resize__shorter_side_is_size_over_crop(picture, image, expected):
    preprocess = Preprocess(size=(56, 56), crop=0.875)
    assert resize(picture(1, image), preprocess).shape == (*expected, 3)


def test_resize__shorter_covers_a_size_that_is_no_square(picture):
    preprocess = Preprocess(size=(32, 64), crop=1.0)
    assert resize(picture(1, (100, 100)), preprocess).shape == (64, 64, 3)
    assert resize(picture(1, (100, 300)), preprocess).shape == (32, 96, 3)


def test_resize__squash_gives_up_the_aspect_ratio(picture):
    preprocess = Preprocess(size=(48, 40), resize="squash", crop=0.5)
    assert resize(picture(1, (100, 31)), preprocess).shape == (48, 40, 3)


@pytest.mark.parametrize("image", [(1, 6000), (6000, 1), (3, 5000)])
def test_resize__very_long_images_stay_small(picture, image):
    preprocess = Preprocess(size=(56, 56))
    resized = resize(picture(1, image), preprocess)
    assert max(resized.shape) <= 8 * 64
    assert centre_crop(resized, preprocess).shape == (56, 56, 3)


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_resize__is_antialiased(interpolation):
    # A fine checkerboard is grey when it is made small; without antialiasing it would stay black and white.
    board = np.indices((256, 256)).sum(axis=0) % 2 * np.uint8(255)
    image = np.repeat(board[:, :, None].astype(np.uint8), 3, axis=2)
    got = resize(image, Preprocess(size=(32, 32), crop=1.0, interpolation=interpolation))
    assert np.abs(got.astype(int) - 127).max() <= 2


def test_resize__same_for_bytes_and_floats(picture):
    preprocess = Preprocess(size=(16, 16), interpolation="bicubic")
    image = picture(1, (50, 60))
    floats = resize((image / 255).astype(np.float32), preprocess)
    assert floats.dtype == np.float32
    assert floats.min() >= 0
    assert floats.max() <= 1
    assert np.abs(floats * 255 - resize(image, preprocess)).max() <= 1.01


def test_resize__one_channel(picture):
    grey = picture(1)[:, :, :1]
    preprocess = Preprocess(size=(16, 16), mean=(0.5,), std=(0.5,))
    assert resize(grey, preprocess).shape[2] == 1
    assert resize((grey / 255).astype(np.float32), preprocess).shape[2] == 1


def test_resize__does_not_touch_what_fits(picture):
    image = picture(1, (64, 80))
    np.testing.assert_array_equal(resize(image, Preprocess(size=(56, 56))), image)


def test_centre_crop__is_the_centre():
    image = np.arange(7 * 9 * 3).reshape(7, 9, 3)
    np.testing.assert_array_equal(centre_crop(image, Preprocess(size=(3, 3))), image[2:5, 3:6])


def test_prepare_image__is_decode_resize_crop(picture, tmp_path):
    preprocess = Preprocess(size=(16, 20))
    Image.fromarray(picture(1, (50, 40))).save(tmp_path / "a.png")
    expected = centre_crop(resize(decode(tmp_path / "a.png"), preprocess), preprocess)
    np.testing.assert_array_equal(prepare_image(tmp_path / "a.png", preprocess), expected)
    assert expected.shape == (16, 20, 3)


def test_prepare_image__as_torchvision_does(picture):
    transforms = pytest.importorskip("torchvision.transforms")
    image = Image.fromarray(picture(1, (90, 131)))
    reference = transforms.Compose([transforms.Resize(64), transforms.CenterCrop(56)])(image)
    stream = io.BytesIO()
    image.save(stream, "PNG")
    stream.seek(0)
    np.testing.assert_array_equal(prepare_image(stream, Preprocess(size=(56, 56))), np.asarray(reference))


def test_prepare_image__bad(tmp_path):
    with pytest.raises(BadImage):
        prepare_image(tmp_path / "none.png", Preprocess())
    with pytest.raises(BadImage):
        prepare_image(io.BytesIO(b""), Preprocess())
