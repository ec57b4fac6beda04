"""`graft satellite statistics`: what values bands have, as lines for a recipe."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from graft.data import BadImage
from graft.errors import DataError, Problem
from graft_satellite.geotiff import is_geotiff, opened

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Look at scenes before training.")

_MOST, _LEAST = 512, 16
"""Pixels on a side that a file is read with, at most and at least: its overviews, or every n-th pixel."""
_VALUES = 2**25
"""About so many values are kept of all files and bands together."""
_LOW, _HIGH = 1, 99


@app.callback()
def group() -> None:
    """Look at scenes before training."""


@app.command()
def statistics(
    folder: Annotated[Path, typer.Argument(help="A GeoTIFF, or a folder of them.")],
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable output.")] = False,
) -> None:
    """Print what values each band has in all files, and the lines of a recipe that map them to 0…1."""
    files = [folder] if folder.is_file() else sorted(file for file in folder.rglob("*") if is_geotiff(file))
    rows = band_statistics(files)
    if as_json:
        print(json.dumps({"files": len(files), "bands": rows}))
        return
    print(f"{'BAND':<6}{'NAME':<16}{'MIN':>12}{'P1':>12}{'MEAN':>12}{'P99':>12}{'MAX':>12}")
    for row in rows:
        figures = "".join(f"{row[key]:>12.6g}" for key in ("min", "low", "mean", "high", "max"))
        print(f"{row['band']:<6}{row['name'] or '-':<16}{figures}")
    print("\n[data.decoder]")
    print(f"low = {[round(float(row['low']), 6) for row in rows]}")
    # A band of one value has no range: any will do.
    print(f"high = {[round(float(max(row['high'], row['low'] + 1e-6)), 6) for row in rows]}")


def band_statistics(files: Sequence[Path]) -> list[dict[str, Any]]:
    """Return minimum, 1st percentile, mean, 99th percentile and maximum of each band, over all files.

    They are of evenly spaced pixels, the fewer of each file the more files there are: it takes no more memory for them.

    Raises:
        DataError: When there is no file, one cannot be read, or they have different numbers of bands.
    """
    if not files:
        raise DataError("there is no GeoTIFF", fix="name a file, or a folder with .tif files in it")
    samples: list[list[Any]] = []
    names: list[str | None] = []
    problems: list[Problem] = []
    for file in files:
        try:
            with opened(file) as dataset:
                side = max(_LEAST, min(_MOST, math.isqrt(_VALUES // (len(files) * dataset.count))))
                shape = (min(dataset.height, side), min(dataset.width, side))
                values = dataset.read(out_shape=(dataset.count, *shape), masked=True)
                descriptions = list(dataset.descriptions)
        except BadImage as error:
            problems.append(Problem(str(file), str(error)))
            continue
        if samples and len(samples) != len(values):
            problems.append(Problem(str(file), f"{len(values)} bands, and others have {len(samples)}"))
            continue
        names = names or descriptions
        samples = samples or [[] for _ in values]
        for own, band in zip(samples, values, strict=True):
            kept = band.compressed()
            own.append(kept[np.isfinite(kept)])
    if problems:
        raise DataError(f"{len(problems)} of {len(files)} files cannot be compared", problems=problems)
    rows = []
    for number, (name, parts) in enumerate(zip(names, samples, strict=True), 1):
        every = np.concatenate(parts).astype(np.float64)
        if not len(every):
            raise DataError(f"band {number} has no data at all")
        low, high = np.percentile(every, (_LOW, _HIGH)).tolist()
        extremes = {"min": float(every.min()), "mean": float(every.mean()), "max": float(every.max())}
        rows.append({"band": number, "name": name, "low": low, "high": high, **extremes})
    return rows
