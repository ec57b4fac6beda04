"""Checkpoints that are whole or not there: one folder per epoch, with a manifest of digests.

`checkpoints/epoch-0003/` holds `state.pt` (tensors and plain values, read with `weights_only=True`) and, written last,
`manifest.json`. It is prepared under another name, forced to the disk and renamed. `current.json` says which folder is
the last and which the best; it is one file, so that the two can never disagree. All others are removed.

Weights that are as they were before training, as frozen ones are, lie in `initial.safetensors`. It is written once:
later folders have a link to the same file, so that an epoch of a head alone does not cost the disk a whole network.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save as as_safetensors
from torch import Tensor

from graft import atomic
from graft.errors import RunError, WeightsError
from graft.safeload import load_checkpoint, load_state_dict

FORMAT = 2
_STATE = "state.pt"
_INITIAL = "initial.safetensors"
_MANIFEST = "manifest.json"
_CURRENT = "current.json"


@dataclass(frozen=True, kw_only=True)
class TrainingState:
    """Where training stands after an epoch, complete: going on from here is going on as if nothing had been.

    Schedules, the order of samples and all random draws are functions of the epoch, so they need no state.

    Args:
        epoch: Number of finished epochs.
        share: How much of the training that is, in [0, 1]: with a budget it is no function of the epoch.
        keep: Which epoch's weights the run leaves behind, as `train.keep` says it.
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
    keep: str = "best"

    @property
    def weights(self) -> dict[str, Tensor]:
        """State dict of the model that was measured: what a run leaves behind."""
        return self.model if self.average is None else self.average

    @property
    def best_epoch(self) -> int:
        """The epoch (from 1) with the largest monitored value, the first of equals.

        It is the last one where none has any, or where that is the one to keep.
        """
        if self.keep == "last":
            return self.epoch
        known = [(value, -epoch) for epoch, value in enumerate(self.monitored, 1) if value is not None]
        return -max(known)[1] if known else self.epoch


class Corrupt(Exception):
    """A checkpoint is not what was written."""


class Checkpoints:
    """The checkpoints of a run.

    Args:
        folder: `checkpoints` in the run folder; it must exist.
        initial: State dict of the model before training; None writes everything each time.
    """

    def __init__(self, folder: Path, initial: Mapping[str, Tensor] | None = None) -> None:
        self.folder = folder
        self.initial = initial or {}

    def save(self, state: TrainingState) -> None:
        """Write `state` as the last checkpoint, and as the best one if it is; remove all but these two.

        Raises:
            TrainingError: When it cannot be written; what was there is intact.
        """
        same = self._unchanged(state)
        buffer = io.BytesIO()
        torch.save(vars(_without(state, same)), buffer)
        data = buffer.getvalue()
        name = _name(state.epoch)
        with atomic.writing_folder(self.folder / name, needs=len(data)) as folder:
            (folder / _STATE).write_bytes(data)
            files = {_STATE: _entry(data)}
            if same:
                files[_INITIAL] = self._put_initial(same, folder)
            manifest = {"format": FORMAT, "epoch": state.epoch, "initial": same, "files": files}
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
        same = self._verify(name)
        path = self.folder / name / _STATE
        try:
            state = TrainingState(**load_checkpoint(path))
            return _with(state, load_state_dict(path.with_name(_INITIAL))) if same else state
        except (WeightsError, TypeError) as error:
            raise Corrupt(f"{path}: cannot be read ({error})") from error

    def _verify(self, name: str) -> list[str]:
        """Compare a checkpoint's files with the digests in its manifest; return which weights are the initial ones."""
        folder = self.folder / name
        try:
            manifest = self._manifest(name)
            if manifest["format"] > FORMAT:
                raise RunError(f"{folder}: made by a newer Graft", fix="pip install --upgrade graft-core")
            same = list(manifest.get("initial", ()))  # format 1 has none
            for part in (_STATE, _INITIAL) if same else (_STATE,):
                with (folder / part).open("rb") as file:
                    found = hashlib.file_digest(file, "sha256").hexdigest()
                if found != manifest["files"][part]["sha256"]:
                    raise Corrupt(f"{folder / part}: damaged, its SHA-256 is not the one in {_MANIFEST}")
            return same
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise Corrupt(f"{folder}: incomplete or damaged ({error})") from error

    def _manifest(self, name: str) -> dict[str, Any]:
        return dict(json.loads((self.folder / name / _MANIFEST).read_text("utf-8")))

    def _unchanged(self, state: TrainingState) -> list[str]:
        """Return the names of the weights that are as they were before training."""
        states = [state.model] if state.average is None else [state.model, state.average]
        return sorted(
            name
            for name, before in self.initial.items()
            if all(name in each and torch.equal(each[name].cpu(), before.cpu()) for each in states)
        )

    def _put_initial(self, names: list[str], folder: Path) -> dict[str, Any]:
        """Put the initial weights of these names into `folder`, as a link where the last checkpoint has the same."""
        last = self._pointed("last")
        try:
            manifest = self._manifest(last or "")
            if manifest["initial"] == names:
                os.link(self.folder / str(last) / _INITIAL, folder / _INITIAL)
                return dict(manifest["files"][_INITIAL])
        except (OSError, ValueError, KeyError, TypeError):
            pass  # there is none, or the disk has no links
        data = as_safetensors({name: self.initial[name].cpu().contiguous() for name in names})
        (folder / _INITIAL).write_bytes(data)
        return _entry(data)

    def _pointed(self, which: str) -> str | None:
        try:
            name = json.loads((self.folder / _CURRENT).read_text("utf-8"))[which]
        except (OSError, ValueError, KeyError, TypeError):
            return None
        # A name, never a path: a checkpoint is read from its own run alone.
        return name if isinstance(name, str) and Path(name).name == name else None


def _entry(data: bytes) -> dict[str, Any]:
    return {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def _without(state: TrainingState, names: Collection[str]) -> TrainingState:
    """Return a state without the weights of these names."""

    def left(weights: dict[str, Tensor]) -> dict[str, Tensor]:
        return {name: tensor for name, tensor in weights.items() if name not in gone}

    gone = set(names)
    return replace(state, model=left(state.model), average=None if state.average is None else left(state.average))


def _with(state: TrainingState, weights: dict[str, Tensor]) -> TrainingState:
    """Return a state that has these weights, too."""
    average = None if state.average is None else {**state.average, **weights}
    return replace(state, model={**state.model, **weights}, average=average)


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
