"""Checkpoints that are whole or not there: one folder per epoch, with a manifest of digests.

`checkpoints/epoch-0003/` holds `state.pt` (tensors and plain values, read with `weights_only=True`) and, written last,
`manifest.json`. It is prepared under another name, forced to the disk and renamed. `current.json` says which folder is
the last and which the best; it is one file, so that the two can never disagree. All others are removed.
"""

from __future__ import annotations

import hashlib
import io
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from graft import atomic
from graft.errors import RunError, WeightsError
from graft.safeload import load_checkpoint

FORMAT = 1
_STATE = "state.pt"
_MANIFEST = "manifest.json"
_CURRENT = "current.json"


@dataclass(frozen=True, kw_only=True)
class TrainingState:
    """Where training stands after an epoch, complete: going on from here is going on as if nothing had been.

    Schedules, the order of samples and all random draws are functions of the epoch, so they need no state.

    Args:
        epoch: Number of finished epochs.
        share: How much of the training that is, in [0, 1]: with a budget it is no function of the epoch.
        monitored: The monitored value after each epoch; None where there was none.
        model: State dict of the model that is trained.
        average: State dict of the running average of it, which is what is measured and kept; None without one.
        optimizer: State dict of the optimizer.
        scaler: State dict of the gradient scaler in fp16, else None.
    """

    epoch: int
    monitored: list[float | None]
    model: dict[str, Tensor]
    optimizer: dict[str, Any]
    scaler: dict[str, Any] | None = None
    average: dict[str, Tensor] | None = None
    share: float = 0.0

    @property
    def weights(self) -> dict[str, Tensor]:
        """State dict of the model that was measured: what a run leaves behind."""
        return self.model if self.average is None else self.average

    @property
    def best_epoch(self) -> int:
        """The epoch (from 1) with the largest monitored value, the first of equals; the last one where none has any."""
        known = [(value, -epoch) for epoch, value in enumerate(self.monitored, 1) if value is not None]
        return -max(known)[1] if known else self.epoch


class Corrupt(Exception):
    """A checkpoint is not what was written."""


class Checkpoints:
    """The checkpoints of a run.

    Args:
        folder: `checkpoints` in the run folder; it must exist.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def save(self, state: TrainingState) -> None:
        """Write `state` as the last checkpoint, and as the best one if it is; remove all but these two.

        Raises:
            TrainingError: When it cannot be written; what was there is intact.
        """
        buffer = io.BytesIO()
        torch.save(vars(state), buffer)
        data = buffer.getvalue()
        name = _name(state.epoch)
        with atomic.writing_folder(self.folder / name, needs=len(data)) as folder:
            (folder / _STATE).write_bytes(data)
            entry = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
            manifest = {"format": FORMAT, "epoch": state.epoch, "files": {_STATE: entry}}
            (folder / _MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
        current = {"last": name, "best": _name(state.best_epoch)}
        atomic.write_text(self.folder / _CURRENT, json.dumps(current))
        for old in self.folder.glob("epoch-*"):
            if old.name not in current.values():
                shutil.rmtree(old, ignore_errors=True)

    def resume_from(self, warn: Callable[[str], None]) -> TrainingState | None:
        """Return the newest state from which training can go on, or None when it must begin again.

        A damaged checkpoint is passed over, with a warning, for the one before it. The best epoch's weights are needed
        at the end, so a state whose best epoch is damaged is passed over too.

        Raises:
            RunError: When a newer Graft wrote it.
        """
        atomic.sweep(self.folder)
        for which in ("last", "best"):
            name = self._pointed(which)
            if name is None:
                continue
            try:
                state = self._load(name)
                best = _name(state.best_epoch)
                if best != name:
                    self._verify(best)
            except Corrupt as error:
                warn(f"{error}; it is passed over")
                continue
            return state
        return None

    def best(self) -> TrainingState:
        """Return the state with the largest monitored value.

        Raises:
            RunError: When it is missing or damaged.
        """
        name = self._pointed("best")
        try:
            if name is None:
                raise Corrupt(f"{self.folder}: there is no best checkpoint")
            return self._load(name)
        except Corrupt as error:
            raise RunError(str(error), fix=f"graft resume {self.folder.parent}") from error

    def _load(self, name: str) -> TrainingState:
        path = self._verify(name)
        try:
            return TrainingState(**load_checkpoint(path))
        except (WeightsError, TypeError) as error:
            raise Corrupt(f"{path}: cannot be read ({error})") from error

    def _verify(self, name: str) -> Path:
        """Return the path of a checkpoint's state, which has the digest in its manifest."""
        folder = self.folder / name
        try:
            manifest = json.loads((folder / _MANIFEST).read_text("utf-8"))
            if manifest["format"] > FORMAT:
                raise RunError(f"{folder}: made by a newer Graft", fix="pip install --upgrade graft-core")
            expected = manifest["files"][_STATE]["sha256"]
            with (folder / _STATE).open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise Corrupt(f"{folder}: incomplete or damaged ({error})") from error
        if found != expected:
            raise Corrupt(f"{folder / _STATE}: damaged, its SHA-256 is not the one in {_MANIFEST}")
        return folder / _STATE

    def _pointed(self, which: str) -> str | None:
        try:
            name = json.loads((self.folder / _CURRENT).read_text("utf-8"))[which]
        except (OSError, ValueError, KeyError, TypeError):
            return None
        # A name, never a path: a checkpoint is read from its own run alone.
        return name if isinstance(name, str) and Path(name).name == name else None


def _name(epoch: int) -> str:
    return f"epoch-{epoch:04d}"


def weights_digest(state: dict[str, Tensor]) -> str:
    """Return the SHA-256 of all tensors of a state dict with their names, types and shapes."""
    digest = hashlib.sha256()
    for name in sorted(state):
        tensor = state[name].detach().cpu().contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
