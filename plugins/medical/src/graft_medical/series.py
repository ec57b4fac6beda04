"""The files of a DICOM series in the order of their places in the body. Torch-free."""

from __future__ import annotations

import threading
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
        """Return the files of a file's series, itself among them: by position along the normal, else by number."""
        with self._lock:
            if file not in self._folders.get(file.parent, {}):
                self._folders[file.parent] = _sorted(file.parent)
            return self._folders[file.parent].get(file, [file])

    def __reduce__(self) -> Any:
        return Series, ()


def _sorted(folder: Path) -> dict[Path, list[Path]]:
    by_series: dict[str, list[tuple[float, str, Path]]] = {}
    for path in folder.iterdir():
        if not path.is_file() or not dicom.is_dicom(path):
            continue
        try:
            dataset = dicom.header(path)
        except BadImage:  # found out when it is decoded
            continue
        series = str(dataset.get("SeriesInstanceUID") or "")
        by_series.setdefault(series, []).append((_place(dataset), path.name, path))
    found: dict[Path, list[Path]] = {}
    for series, entries in by_series.items():
        # Files that say no series are no neighbours of each other.
        files = [path for _, _, path in sorted(entries)]
        found |= dict.fromkeys(files, files) if series else {path: [path] for path in files}
    return found


def _place(dataset: Any) -> float:
    """Return where a slice lies along the normal of its plane, in millimetres; else its number."""
    try:
        rows, columns = np.array(dataset.ImageOrientationPatient, float).reshape(2, 3)
        return float(np.cross(rows, columns) @ np.array(dataset.ImagePositionPatient, float))
    except (AttributeError, ValueError, TypeError):
        pass
    try:
        return float(dataset.get("InstanceNumber") or 0)
    except (ValueError, TypeError):
        return 0.0
