"""The values of bands, in memory that grows neither with scenes nor with their number."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from graft.errors import DataError
from graft_satellite import statistics
from graft_satellite.statistics import band_statistics
from scenes import NAMES, scene


def test_statistics__are_those_of_the_values(tmp_path: Path) -> None:
    values = scene(tmp_path / "a.tif", dtype="float32", nodata=0)
    rows = band_statistics([tmp_path / "a.tif"])
    assert [row["name"] for row in rows] == list(NAMES)
    for row, band in zip(rows, values, strict=True):
        seen = band[band != 0].astype(float)
        expected = {"min": seen.min(), "low": np.percentile(seen, 1), "mean": seen.mean(), "max": seen.max()}
        assert {key: row[key] for key in expected} == pytest.approx(expected)


def test_statistics__of_many_files_take_no_more_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "_VALUES", 2**16)
    scene(tmp_path / "a.tif", (400, 400))
    peaks, means = [], []
    for times in (1, 30):
        tracemalloc.start()
        means.append(band_statistics([tmp_path / "a.tif"] * times)[0]["mean"])
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 2 * peaks[0]
    assert means[1] == pytest.approx(means[0], rel=0.1)


def test_statistics__of_files_that_cannot_be_compared(tmp_path: Path) -> None:
    scene(tmp_path / "a.tif")
    scene(tmp_path / "b.tif", count=2)
    (tmp_path / "c.tif").write_bytes(b"II*\0")
    with pytest.raises(DataError) as caught:
        band_statistics([tmp_path / f"{name}.tif" for name in "abc"])
    assert "2 bands, and others have 4" in str(caught.value)
    assert "c.tif" in str(caught.value)
    with pytest.raises(DataError, match="there is no GeoTIFF"):
        band_statistics([])
