"""From a file's bands to channels: which, and what their values become. Torch-free."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graft.data import BadImage
from graft_satellite.options import INDICES, SatelliteOptions


def numbers_of(
    options: SatelliteOptions, names: Sequence[str], count: int, channels: int, *, transparent: bool
) -> list[int]:
    """Return the numbers, from 1, of the bands that are read.

    Args:
        options: Name them.
        names: Of all bands, as far as they have some.
        count: Bands of the file.
        channels: That are wanted in all.
        transparent: Whether the last band is transparency, and none of the scene's.

    Raises:
        BadImage: When there is no such band, or not as many as are wanted.
    """
    if options.names and len(options.names) != count:
        raise BadImage("bands", f"it has {count} bands, and data.decoder.names has {len(options.names)}")
    found = []
    for band in options.bands or range(1, count + 1):
        number = names.index(band) + 1 if isinstance(band, str) and band in names else band
        if not isinstance(number, int) or number > count:
            there = ", ".join(name or str(place) for place, name in enumerate(names, 1))
            raise BadImage("bands", f"there is no band {band!r}; it has {there}")
        found.append(number)
    if not options.bands and transparent:
        found = found[:-1]
    if len(found) + len(options.indices) != channels:
        raise BadImage(
            "bands",
            f"{len(found)} bands and {len(options.indices)} indices are read, and backbone.channels = {channels}: "
            f"choose with data.decoder.bands, or set backbone.channels={len(found) + len(options.indices)}",
        )
    return found


def scaled(values: NDArray[Any], mask: NDArray[np.bool_], options: SatelliteOptions) -> NDArray[Any]:
    """Return bands `(C, h, w)` as float32 in 0…1, or bytes as they are; what has no data is 0.

    Raises:
        BadImage: When values need limits that nobody gave.
    """
    if options.high is None:
        if values.dtype != np.uint8:
            raise BadImage(
                "range",
                f"its values are {values.dtype}, and nothing says which becomes 1: data.decoder.high=10000, say; "
                "`graft satellite statistics` shows what there is",
            )
        return np.where(mask, values, 0).astype(np.uint8)
    low, high = (_each(limit, len(values)) for limit in (options.low, options.high))
    with np.errstate(invalid="ignore"):
        unit = (values.astype(np.float32) - low) / (high - low)
    return np.where(mask & np.isfinite(unit), unit, 0).clip(0, 1).astype(np.float32)


def index_of(name: str, bands: dict[str, NDArray[Any]]) -> NDArray[np.float32]:
    """Return a spectral index `(h, w)`, -1…1 as 0…1; where both bands are 0, or no numbers, it is the middle."""
    first, second = (np.nan_to_num(bands[need].astype(np.float32), posinf=0, neginf=0) for need in INDICES[name])
    total = first + second
    value = np.divide(first - second, total, out=np.zeros_like(total), where=total != 0)
    unit: NDArray[np.float32] = ((value.clip(-1, 1) + 1) / 2).astype(np.float32)
    return unit


def _each(limit: float | tuple[float, ...], count: int) -> NDArray[np.float32]:
    values = np.atleast_1d(np.asarray(limit, np.float32))
    if len(values) not in (1, count):
        raise BadImage("bands", f"{len(values)} limits are given for {count} bands")
    return values.reshape(-1, 1, 1)
