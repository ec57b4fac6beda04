from __future__ import annotations

import io
import os
import random
import socket
import struct
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFile

from graft.data.decode import FORMATS, BadImage, decode


def encoded(image: Image.Image, kind: str, **options) -> io.BytesIO:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    stream.seek(0)
    return stream


def grey(image: np.ndarray) -> np.ndarray:
    return np.asarray(Image.fromarray(image).convert("L"))[:, :, None]


# What a file's values mean.


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM"])
def test_decode__rgb_is_taken_as_it_is(picture, kind):
    image = picture(1)
    got = decode(encoded(Image.fromarray(image), kind))
    assert got.dtype == np.uint8
    np.testing.assert_array_equal(got, image)


def test_decode__lossless_webp(picture):
    image = picture(1)
    np.testing.assert_array_equal(decode(encoded(Image.fromarray(image), "WEBP", lossless=True)), image)


def test_decode__jpeg_is_what_pillow_says(picture):
    stream = encoded(Image.fromarray(picture(1)), "JPEG", quality=90)
    expected = np.asarray(Image.open(io.BytesIO(stream.getvalue())))
    np.testing.assert_array_equal(decode(stream), expected)


def test_decode__grey_is_repeated(picture):
    values = picture(2)[:, :, 0]
    got = decode(encoded(Image.fromarray(values), "PNG"))
    np.testing.assert_array_equal(got, np.repeat(values[:, :, None], 3, axis=2))


def test_decode__one_channel_is_luminance(picture):
    image = picture(2)
    got = decode(encoded(Image.fromarray(image), "PNG"), channels=1)
    np.testing.assert_array_equal(got, grey(image))


def test_decode__one_bit_is_black_and_white():
    bits = np.eye(9, dtype=bool)
    got = decode(encoded(Image.fromarray(bits), "PNG"))
    np.testing.assert_array_equal(got[:, :, 1], np.where(bits, 255, 0))


def test_decode__palette_gives_its_colours():
    image = Image.fromarray(np.array([[0, 1], [2, 1]], np.uint8)).convert("P")
    image.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    got = decode(encoded(image, "PNG"))
    np.testing.assert_array_equal(got, [[[10, 20, 30], [40, 50, 60]], [[70, 80, 90], [40, 50, 60]]])


def test_decode__transparent_palette_entry_is_white():
    image = Image.fromarray(np.array([[0, 1]], np.uint8)).convert("P")
    image.putpalette([10, 20, 30, 40, 50, 60])
    got = decode(encoded(image, "PNG", transparency=0))
    np.testing.assert_array_equal(got, [[[255, 255, 255], [40, 50, 60]]])


@pytest.mark.parametrize(("mode", "key"), [("RGB", (1, 2, 3)), ("L", 7)])
def test_decode__transparent_colour_key_is_white(mode, key):
    image = Image.new(mode, (2, 1), key)
    image.putpixel((1, 0), (9, 9, 9) if mode == "RGB" else 9)
    got = decode(encoded(image, "PNG", transparency=key))
    np.testing.assert_array_equal(got, [[[255] * 3, [9] * 3]])


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_decode__rgba_is_laid_on_white(kind):
    image = Image.new("RGBA", (3, 1))
    for place, alpha in enumerate((0, 128, 255)):
        image.putpixel((place, 0), (200, 0, 100, alpha))
    got = decode(encoded(image, kind)).astype(int)
    expected = np.array([[[255, 255, 255], [227, 127, 177], [200, 0, 100]]])
    assert np.abs(got - expected).max() <= 1


def test_decode__grey_with_alpha_is_laid_on_white():
    image = Image.new("LA", (2, 1), (100, 0))
    image.putpixel((1, 0), (100, 255))
    np.testing.assert_array_equal(decode(encoded(image, "PNG"), channels=1), [[[255], [100]]])


def test_decode__cmyk_becomes_rgb():
    image = Image.new("CMYK", (8, 8), (255, 0, 0, 0))
    got = decode(encoded(image, "TIFF"))
    np.testing.assert_array_equal(got[0, 0], [0, 255, 255])
    assert decode(encoded(image, "JPEG", quality=95))[4, 4, 0] < 10


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
@pytest.mark.parametrize("channels", [1, 3])
def test_decode__sixteen_bits_keep_their_steps(kind, channels):
    values = np.array([[0, 1, 32768, 65535]], np.uint16)
    got = decode(encoded(Image.fromarray(values), kind), channels=channels)
    assert got.dtype == np.float32
    assert got.shape == (1, 4, channels)
    np.testing.assert_allclose(got[:, :, -1], values / 65535, rtol=1e-6)


def test_decode__sixteen_bit_ppm():
    data = b"P5\n3 1\n65535\n" + struct.pack(">3H", 0, 32768, 65535)
    np.testing.assert_allclose(decode(io.BytesIO(data), channels=1)[0, :, 0], [0, 32768 / 65535, 1], rtol=1e-6)


def test_decode__big_endian_sixteen_bit_tiff():
    image = Image.frombytes("I;16B", (2, 1), struct.pack(">2H", 256, 65535))
    np.testing.assert_allclose(decode(encoded(image, "TIFF"), channels=1)[0, :, 0], [256 / 65535, 1], rtol=1e-6)


def test_decode__float_in_range_is_taken_as_it_is():
    values = np.array([[0.0, 0.25, 1.0]], np.float32)
    got = decode(encoded(Image.fromarray(values), "TIFF"), channels=1)
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got[:, :, 0], values)


def test_decode__integers_of_32_bits_with_16_bit_values():
    got = decode(encoded(Image.fromarray(np.array([[0, 65535]], np.int32)), "TIFF"), channels=1)
    np.testing.assert_array_equal(got[0, :, 0], [0, 1])


@pytest.mark.parametrize(
    "values",
    [
        np.array([[0, 255.0]], np.float32),
        np.array([[-0.1, 0.5]], np.float32),
        np.array([[np.nan, 0.5]], np.float32),
        np.array([[np.inf, 0.5]], np.float32),
        np.array([[0, 70000]], np.int32),
        np.array([[-1, 5]], np.int32),
    ],
)
def test_decode__values_without_a_meaning_are_refused(values):
    with pytest.raises(BadImage, match="must lie in") as caught:
        decode(encoded(Image.fromarray(values), "TIFF"))
    assert caught.value.code == "format"


def test_decode__lab_is_refused():
    with pytest.raises(BadImage, match="LAB") as caught:
        decode(encoded(Image.new("LAB", (4, 4)), "TIFF"))
    assert caught.value.code == "format"


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_decode__first_frame(kind):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    options = {"lossless": True} if kind == "WEBP" else {}
    stream = encoded(frames[0], kind, save_all=True, append_images=frames[1:], **options)
    np.testing.assert_array_equal(decode(stream)[3, 3], [255, 0, 0])


def turned(image: np.ndarray, orientation: int) -> np.ndarray:
    """Return how a camera stores `image` with that EXIF orientation: the inverse of what a viewer does."""
    return {
        1: image,
        2: image[:, ::-1],
        3: image[::-1, ::-1],
        4: image[::-1],
        5: image.transpose(1, 0, 2),
        6: np.rot90(image, 1),
        7: image[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(image, -1),
        99: image,
    }[orientation]


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", [1, 2, 3, 4, 5, 6, 7, 8, 99])
def test_decode__exif_orientation_is_applied(picture, kind, orientation):
    image = picture(3)
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if kind == "WEBP" else {}
    stored = Image.fromarray(np.ascontiguousarray(turned(image, orientation)))
    np.testing.assert_array_equal(decode(encoded(stored, kind, exif=exif, **options)), image)


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_decode__exif_orientation_of_a_jpeg(orientation):
    image = np.zeros((16, 32, 3), np.uint8)
    image[:8, :8] = 255
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = Image.fromarray(np.ascontiguousarray(turned(image, orientation)))
    got = decode(encoded(stored, "JPEG", quality=95, exif=exif))
    assert got.shape == image.shape
    assert np.abs(got.astype(int) - image).max() < 30


def test_decode__broken_exif_counts_as_absent(picture):
    image = picture(3)
    stream = encoded(Image.fromarray(image), "PNG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff garbage")
    np.testing.assert_array_equal(decode(stream), image)


@pytest.mark.parametrize("size", [(1, 1), (1, 600), (600, 1), (33, 17)])
def test_decode__odd_sizes(picture, size):
    assert decode(encoded(Image.fromarray(picture(1, size)), "PNG")).shape == (*size, 3)


def test_decode__name_says_nothing(picture, tmp_path):
    path = tmp_path / "png.jpg"
    Image.fromarray(picture(1)).save(path, "PNG")
    np.testing.assert_array_equal(decode(path), picture(1))


def test_decode__stream_stays_open_and_starts_where_it_stands(picture):
    stream = io.BytesIO(b"mail header" + encoded(Image.fromarray(picture(1)), "PNG").getvalue())
    stream.seek(len(b"mail header"))
    np.testing.assert_array_equal(decode(stream), picture(1))
    assert not stream.closed


def test_decode__other_channels_are_a_mistake_of_the_caller(picture):
    with pytest.raises(ValueError, match="1 or 3"):
        decode(encoded(Image.fromarray(picture(1)), "PNG"), channels=4)


# What is refused, and how it is named.


def png(width: int, height: int, *, depth: int = 8, colour: int = 2, body: bytes = b"") -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def bands(number: int) -> bytes:
    """Return an uncompressed TIFF of 4 x 4 pixels with so many bands of 16 bits."""
    size = 4 * 4 * number * 2
    tags = {256: 4, 257: 4, 258: 16, 259: 1, 262: 1, 273: 8, 277: number, 278: 4, 279: size}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    return b"II*\0" + struct.pack("<I", 8 + size) + bytes(size) + struct.pack("<H", len(tags)) + entries + bytes(4)


def image_bytes(kind: str = "PNG") -> bytes:
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    return encoded(Image.fromarray(noise), kind).getvalue()


REFUSED = {
    "zero bytes": (b"", "empty"),
    "text": (b"this is no image\n", "format"),
    "html": (b"<!doctype html><title>Sign in</title>", "format"),
    "zip": (b"PK\x03\x04" + bytes(60), "format"),
    "pickle": (b"\x80\x04\x95" + bytes(60), "format"),
    "svg": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "format"),
    "eps": (b"%!PS-Adobe-3.0 EPSF-3.0\n", "format"),
    "ico": (encoded(Image.new("RGB", (16, 16)), "ICO").getvalue(), "format"),
    "sgi": (encoded(Image.new("RGB", (16, 16)), "SGI").getvalue(), "format"),
    "jpeg 2000": (encoded(Image.new("RGB", (16, 16)), "JPEG2000").getvalue(), "format"),
    "tiff of four bands": (bands(4), "format"),
    "one byte": (b"\xff", "format"),
    "png signature alone": (b"\x89PNG\r\n\x1a\n", "corrupt"),
    "jpeg signature alone": (b"\xff\xd8\xff\xe0", "corrupt"),
    "gif without frames": (b"GIF89a\x08\0\x08\0\0\0\0;", "corrupt"),
    "png without pixels": (png(8, 8), "truncated"),
    "png with a wrong zlib stream": (png(8, 8, body=b"nonsense"), "corrupt"),
    "png with an impossible depth": (png(8, 8, depth=3, body=zlib.compress(bytes(200))), "corrupt"),
    "png of no width": (png(0, 8), "corrupt"),
    "bmp header alone": (image_bytes("BMP")[:20], "corrupt"),
    "tiff header alone": (image_bytes("TIFF")[:8], "corrupt"),
    "webp header alone": (image_bytes("WEBP")[:16], "corrupt"),
    "half a png": (image_bytes("PNG")[:2000], "truncated"),
    "half a jpeg": (image_bytes("JPEG")[:1500], "truncated"),
    "half a bmp": (image_bytes("BMP")[:2000], "truncated"),
    "half a ppm": (image_bytes("PPM")[:2000], "truncated"),
    "bomb: 900 megapixels": (png(30_000, 30_000), "oversized"),
    "bomb: 32767 squared and 16 bit": (png(32_767, 32_767, depth=16), "oversized"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_decode__refuses(tmp_path, name):
    data, code = REFUSED[name]
    path = tmp_path / "image.png"
    path.write_bytes(data)
    start = time.monotonic()
    for source in (path, io.BytesIO(data)):
        with pytest.raises(BadImage) as caught:
            decode(source)
        assert (caught.value.code, str(path) in str(caught.value)) == (code, False)
    assert time.monotonic() - start < 1


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "GIF", "TIFF", "WEBP", "PPM"])
def test_decode__truncated_anywhere_is_refused(kind):
    data = image_bytes(kind)
    for tenth in range(10):
        with pytest.raises(BadImage):
            decode(io.BytesIO(data[: len(data) * tenth // 10]))


def test_decode__pillow_is_not_told_to_invent_pixels():
    assert not ImageFile.LOAD_TRUNCATED_IMAGES


def test_decode__max_pixels_is_the_recipes_own():
    data = encoded(Image.new("L", (100, 100)), "PNG").getvalue()
    assert decode(io.BytesIO(data), max_pixels=10_000).shape == (100, 100, 3)
    with pytest.raises(BadImage, match=r"100 × 100 .* data.max_pixels = 9999"):
        decode(io.BytesIO(data), max_pixels=9_999)


def test_decode__pillows_own_limit_does_not_apply(monkeypatch):
    # A pathologist raises data.max_pixels, and must not be stopped by Pillow's global limit.
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert decode(encoded(Image.new("L", (100, 100)), "PNG")).shape == (100, 100, 3)


def test_decode__damaged_files_give_pixels_or_a_typed_refusal():
    draws = random.Random(0)
    for kind in ("JPEG", "PNG", "BMP", "GIF", "WEBP", "PPM"):
        data = image_bytes(kind)
        for _ in range(60):
            damaged = bytearray(data)
            for _ in range(draws.choice([1, 3, 20])):
                damaged[draws.randrange(min(len(data), 300))] = draws.randrange(256)
            try:
                outcome = decode(io.BytesIO(bytes(damaged)), max_pixels=1_000_000).shape[2]
            except BadImage as error:
                outcome = error.code
            assert outcome in {3, "format", "corrupt", "truncated", "oversized"}


def test_decode__missing(tmp_path):
    with pytest.raises(BadImage, match="no such file") as caught:
        decode(tmp_path / "none.png")
    assert caught.value.code == "missing"


def test_decode__dangling_link(tmp_path):
    (tmp_path / "link.png").symlink_to(tmp_path / "none.png")
    with pytest.raises(BadImage, match="link to a file") as caught:
        decode(tmp_path / "link.png")
    assert caught.value.code == "missing"


def test_decode__link_in_a_circle(tmp_path):
    (tmp_path / "a.png").symlink_to(tmp_path / "b.png")
    (tmp_path / "b.png").symlink_to(tmp_path / "a.png")
    with pytest.raises(BadImage) as caught:
        decode(tmp_path / "a.png")
    assert caught.value.code == "unreadable"


@pytest.mark.parametrize("make", ["pipe", "folder", "socket"])
def test_decode__what_is_no_file_does_not_block(tmp_path, make):
    path = tmp_path / "x.jpg"
    if make == "pipe":
        os.mkfifo(path)
    elif make == "folder":
        path.mkdir()
    else:
        socket.socket(socket.AF_UNIX).bind(os.path.relpath(path))
    with pytest.raises(BadImage, match="not a regular file") as caught:
        decode(path)
    assert caught.value.code == "unreadable"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_decode__no_permission(tmp_path):
    path = tmp_path / "x.png"
    path.write_bytes(image_bytes())
    path.chmod(0)
    with pytest.raises(BadImage, match="denied") as caught:
        decode(path)
    assert caught.value.code == "unreadable"


def test_decode__impossible_name():
    with pytest.raises(BadImage) as caught:
        decode(Path("a\0b.png"))
    assert caught.value.code == "unreadable"


def test_formats__are_the_documented_ones():
    assert set(FORMATS) == {"JPEG", "PNG", "BMP", "GIF", "TIFF", "WEBP", "PPM"}
