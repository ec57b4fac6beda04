"""What a run folder holds from its first moment: everything that is needed to repeat it."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import platform
import sys
from collections.abc import Iterable, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch

from graft.data.samples import SPLITS
from graft.engine._setup import Experiment
from graft.errors import DataError, RunError
from graft.runs.folder import Run

_PACKAGES = (
    "graft-core",
    "torch",
    "torchvision",
    "timm",
    "lightning",
    "albumentations",
    "numpy",
    "pillow",
    "scikit-learn",
)


def papers(experiment: Experiment) -> dict[str, str]:
    """Return the text files of a new run, by name."""
    prepared = experiment.prepared
    bad = [(file.id, file.code, file.reason) for file in prepared.bad_files]
    copies = [
        (same.digest, sample_id, split)
        for same in prepared.duplicates
        for sample_id, split in zip(same.ids, same.splits, strict=True)
    ]
    return {
        "recipe.toml": experiment.resolved.to_toml(),
        "choices.json": json.dumps(experiment.choices, indent=1, ensure_ascii=False),
        "environment.json": json.dumps(_environment(experiment), indent=1, ensure_ascii=False),
        "fingerprint.json": json.dumps(fingerprint(experiment), indent=1),
        "split.csv": _csv(("id", "split", "target", "sha256"), _rows(experiment)),
        "bad_files.csv": _csv(("id", "code", "reason"), bad),
        "duplicates.csv": _csv(("sha256", "id", "split"), copies),
    }


def fingerprint(experiment: Experiment) -> dict[str, Any]:
    """Return the digest of the data: of every image's content, its target and its split, and of the classes."""
    digest = hashlib.sha256(json.dumps(experiment.prepared.catalogue.classes).encode())
    count = 0
    for count, row in enumerate(_rows(experiment), 1):  # noqa: B007 - counted in passing
        digest.update(json.dumps(row).encode())
    return {"sha256": digest.hexdigest(), "samples": count}


def check_data(experiment: Experiment, run: Run) -> None:
    """Raise unless the experiment has the data that the run began with.

    Raises:
        DataError: When files, labels or the split differ.
    """
    now, then = fingerprint(experiment), json.loads((run.path / "fingerprint.json").read_text("utf-8"))
    if now["sha256"] != then["sha256"]:
        raise DataError(
            f"{experiment.recipe.data.train}: not the data that {run.path} began with "
            f"({then['samples']} samples then, {now['samples']} now; files, labels or the split differ)",
            fix="bring the data back, or begin a new run",
        )


def check_processes(experiment: Experiment, run: Run) -> None:
    """Raise unless as many processes train together as when the run began: others would see other batches.

    Raises:
        RunError: When they are more or fewer.
    """
    then = json.loads((run.path / "environment.json").read_text("utf-8")).get("processes", 1)
    if then != experiment.shard.count:
        raise RunError(
            f"{run.path}: began with {then} processes, and {experiment.shard.count} would go on",
            fix=f"start as many, as with torchrun or srun: graft resume {run.path}",
        )


def _rows(experiment: Experiment) -> Iterable[tuple[str, str, str, str]]:
    """Yield id, split, target and digest of each sample that is used, split by split."""
    prepared = experiment.prepared
    for split in SPLITS:
        for index in prepared.split[split]:
            sample = prepared.catalogue.samples[index]
            yield sample.id, split, _text(sample.target), prepared.digests.get(sample.id, "")


def _text(target: Any) -> str:
    return ";".join(map(str, target)) if isinstance(target, tuple | list) else str(target)


def _environment(experiment: Experiment) -> dict[str, Any]:
    device = torch.cuda.get_device_name() if experiment.device == "cuda" else platform.processor() or platform.machine()
    return {
        "versions": {name: _version(name) for name in _PACKAGES},
        "plugins": {plugin.name: plugin.version for plugin in experiment.plugins.loaded},
        "python": platform.python_version(),
        "platform": platform.platform(),
        "device": f"{experiment.device} ({device})",
        "precision": experiment.precision,
        "threads": torch.get_num_threads(),
        "processes": experiment.shard.count,
        "command": sys.argv,
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _csv(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()
