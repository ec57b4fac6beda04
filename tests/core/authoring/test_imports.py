from __future__ import annotations

from graft.authoring.imports import comes_with, distributions, extras_named, imported

SOURCE = """
from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
from graft.plugins import hookimpl
from .options import Options

if TYPE_CHECKING:
    from pandas import Series
else:
    import polars

try:
    import cupy
except ImportError:
    import scipy.ndimage

try:
    import shapely
except ValueError:
    pass


def late():
    from rasterio.windows import Window
"""


def test_imported__is_what_the_source_cannot_do_without() -> None:
    assert list(imported(SOURCE)) == [
        ("numpy", 7),
        ("polars", 14),
        ("shapely", 22),
        ("rasterio", 28),
    ]


def test_distributions__of_a_module() -> None:
    homes = {"PIL": ["Pillow"], "cv2": ["opencv_python", "opencv-python-headless"]}
    assert distributions("PIL", homes) == ["pillow"]
    assert distributions("cv2", homes) == ["opencv-python", "opencv-python-headless"]
    assert distributions("nowhere", homes) == []


def test_comes_with__goes_all_the_way() -> None:
    found = comes_with("graft_core")
    assert {"graft-core", "torch", "scikit-learn", "scipy"} <= found  # scipy is scikit-learn's
    assert {"onnx", "pyarrow"} <= found  # its own extras
    assert "pytest" not in found
    assert comes_with("surely-not-installed") == {"surely-not-installed"}


def test_extras_named__in_what_users_are_told() -> None:
    assert extras_named("pip install 'graft_sky[fits, raw]' other[x]", "graft-sky") == ["fits", "raw"]
    assert extras_named("pip install astropy", "graft-sky") == []
