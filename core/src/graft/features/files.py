"""Features on disk: NumPy's `.npz`, which is read without pickle, or Parquet. Written whole or not at all."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from graft import atomic
from graft.errors import UserError

SUFFIXES = (".npz", ".parquet")


@dataclass(frozen=True, kw_only=True)
class FeatureTable:
    """Features of images, and what is known of these.

    Args:
        ids: The images' names in their data set, `(N,)`.
        labels: The class names of each, several with `;` between them, `(N,)`.
        split: `train`, `val` or `test` where the data says so, else empty, `(N,)`.
        classes: All class names.
        features: `(N, …)` for each stage.
        about: Backbone, weights, preprocessing and versions, in plain values.
        more: Further arrays by name, as the components of a reduction; `.npz` alone has room for them.
    """

    ids: Sequence[str]
    labels: Sequence[str]
    split: Sequence[str]
    classes: Sequence[str]
    features: Mapping[str, NDArray[np.float32]]
    about: Mapping[str, Any]
    more: Mapping[str, NDArray[Any]] = field(default_factory=dict)


def require_parquet() -> None:
    """Raise unless Parquet can be written.

    Raises:
        UserError: When pyarrow is not installed; says what to install.
    """
    if importlib.util.find_spec("pyarrow") is None:
        raise UserError(
            "writing Parquet needs pyarrow, not installed here",
            fix="pip install 'graft-core[parquet]', or write an .npz file",
        )


def write(path: Path, table: FeatureTable) -> None:
    """Write a table of features as the name of its file says, `.npz` or `.parquet`; its folder must exist.

    Raises:
        TrainingError: When it cannot be written; an old file is then intact.
    """
    with atomic.writing(path) as file:
        if path.suffix == ".parquet":
            _write_parquet(file, table)
        else:
            _write_npz(file, table)


def _write_npz(file: BinaryIO, table: FeatureTable) -> None:
    texts = {"ids": table.ids, "labels": table.labels, "split": table.split, "classes": table.classes}
    # np.str_ also where there is no text at all: an empty list would become numbers.
    arrays = {name: np.array(list(values), dtype=np.str_) for name, values in texts.items()}
    about = np.array(json.dumps(table.about))
    np.savez(file, allow_pickle=False, **arrays, about=about, **table.features, **table.more)


def _write_parquet(file: BinaryIO, table: FeatureTable) -> None:
    import pyarrow
    from pyarrow import parquet

    columns: dict[str, Any] = {"ids": list(table.ids), "labels": list(table.labels), "split": list(table.split)}
    for stage, rows in table.features.items():
        n, width = rows.shape
        offsets = pyarrow.array(np.arange(n + 1, dtype=np.int32) * width)
        columns[stage] = pyarrow.ListArray.from_arrays(offsets, pyarrow.array(rows.reshape(-1)))
    known = {"about": json.dumps(table.about), "classes": json.dumps(list(table.classes))}
    parquet.write_table(pyarrow.table(columns).replace_schema_metadata(known), file)
