"""The files of a DICOM series in the order of their places in the body. Torch-free."""

from __future__ import annotations

import math
import threading
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from graft.data import BadImage
from graft_medical import dicom


class Series:
    """Sorts the files of a folder into series, once; threads share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._folders: dict[Path, dict[Path, list[Path]]] = {}

    def __call__(self, file: Path) -> list[Path]:
        """Return the files of a file's series, itself among them: by position along the normal, else by number.

        Of a series with several images at each place, those of the file's own volume.
        """
        with self._lock:
            if file not in self._folders.get(file.parent, {}):
                self._folders[file.parent] = _sorted(file.parent)
            return self._folders[file.parent].get(file, [file])

    def __reduce__(self) -> Any:
        return Series, ()


def _sorted(folder: Path) -> dict[Path, list[Path]]:
    by_series: dict[str, list[tuple[float, float, str, Path]]] = defaultdict(list)
    for path in folder.iterdir():
        if not path.is_file() or not dicom.is_dicom(path):
            continue
        try:
            dataset = dicom.header(path)
            series = dicom.series_of(dataset)
        except BadImage:  # found out when it is decoded
            continue
        # Files that say no series are no neighbours of each other.
        by_series[series or path.name].append((_position(dataset), _number(dataset), path.name, path))
    found: dict[Path, list[Path]] = {}
    for entries in by_series.values():
        for files in _volumes(sorted(entries)):
            found |= dict.fromkeys(files, files)
    return found


def _volumes(entries: Sequence[tuple[float, float, str, Path]]) -> list[list[Path]]:
    """Return the volumes of a series, of which it has several where images share a place: over time, or contrasts.

    The first image at each place is of the first volume, the second of the second.
    """
    volumes: list[list[Path]] = []
    seen: Counter[float] = Counter()
    for position, _, _, path in entries:
        # Images that say no place are in the order of their numbers.
        order = 0 if math.isinf(position) else seen[round(position, 2)]
        seen[round(position, 2)] += 1
        if order == len(volumes):
            volumes.append([])
        volumes[order].append(path)
    return volumes


def _position(dataset: Any) -> float:
    """Return where a slice lies along the normal of its plane, in millimetres; infinity where it does not say."""
    try:
        rows, columns = np.array(dataset.ImageOrientationPatient, float).reshape(2, 3)
        place = float(np.cross(rows, columns) @ np.array(dataset.ImagePositionPatient, float))
    except Exception:  # of a damaged attribute, which is as good as none; what pydicom raises is not documented
        return math.inf
    return place if math.isfinite(place) else math.inf


def _number(dataset: Any) -> float:
    try:
        return float(dataset.get("InstanceNumber") or 0)
    except Exception:  # see `_position`
        return 0.0
