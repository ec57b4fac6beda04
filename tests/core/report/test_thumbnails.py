from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
from PIL import Image

from graft.report.thumbnails import thumbnail


def shown(path: Path) -> Image.Image:
    uri = thumbnail(path)
    assert uri is not None
    assert uri.startswith("data:image/jpeg;base64,")
    return Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2])))


def test_thumbnail__small_and_in_proportion(tmp_path: Path) -> None:
    Image.new("RGB", (900, 300), (250, 10, 10)).save(tmp_path / "a.png")
    picture = shown(tmp_path / "a.png")
    assert picture.size == (208, 69)
    assert picture.getpixel((100, 30))[0] > 240


def test_thumbnail__sixteen_bits(tmp_path: Path) -> None:
    Image.fromarray(np.full((20, 20), 32768, dtype=np.uint16)).save(tmp_path / "a.png")
    assert abs(shown(tmp_path / "a.png").getpixel((10, 10))[0] - 128) < 4


def test_thumbnail__unreadable(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"no")
    assert thumbnail(tmp_path / "a.png") is None
    assert thumbnail(tmp_path / "gone.png") is None
