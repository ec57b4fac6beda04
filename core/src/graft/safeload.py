"""The one place where files of tensors are read: safetensors, or pickles that hold plain tensors only.

A pickle is a program. It is read by torch's restricted unpickler (`weights_only=True`) or refused; there is no way
around it, because every way around it has been an attack.
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from graft.errors import WeightsError

PICKLES = (".pth", ".pt", ".bin", ".ckpt", ".tar")
SUFFIXES = (".safetensors", *PICKLES)

_CONTAINERS = ("state_dict", "model_state_dict", "model", "net", "weights")
"""Keys under which training scripts put a state dict, in the order in which they are tried."""

_WAY_OUT = (
    "if you trust where it comes from, re-save its state dict there as safetensors: "
    "safetensors.torch.save_file(model.state_dict(), 'weights.safetensors')"
)
_AGAIN = "copy or download it again"
_NAME_ONE = f"name a file of weights: {', '.join(SUFFIXES)}"
_MAX_HEADER = 100_000_000


def load_state_dict(path: Path, *, way_out: str | None = None) -> dict[str, Tensor]:
    """Return the tensors of a `.safetensors` file or of a pickled state dict, on the CPU.

    A pickled training checkpoint is opened at `state_dict`, `model_state_dict`, `model`, `net` or `weights`.

    Args:
        path: The file.
        way_out: How a file that is refused becomes one that is read, where that can be said better than in general.

    Raises:
        WeightsError: When there is no such file, it is damaged, it holds anything but tensors, or it is a pickle that
            would run code.
    """
    _check_file(path)
    if path.suffix == ".safetensors":
        return _load_safetensors(path)
    if path.suffix not in PICKLES:
        raise WeightsError(f"{path}: weights are read from {', '.join(SUFFIXES)} files", fix=way_out or _WAY_OUT)
    loaded = load_checkpoint(path, way_out=way_out)
    state = _unwrap(loaded)
    if state is None:
        held = f"a {type(loaded).__name__}"
        if isinstance(loaded, Mapping):
            held = f"a dict of {', '.join(map(repr, list(loaded)[:5]))}" if loaded else "an empty dict"
        raise WeightsError(f"{path}: no state dict in it, but {held}", fix=way_out or _WAY_OUT)
    return state


def load_checkpoint(path: Path, *, way_out: str | None = None) -> Any:
    """Return what a pickle holds, on the CPU, if that is plain data and tensors.

    Args:
        path: The file.
        way_out: As in `load_state_dict`.

    Raises:
        WeightsError: When there is no such file, it is damaged, or it is a pickle that would run code.
    """
    _check_file(path)
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError, IndexError, TypeError) as error:
        cause = str(error)
        if "weights_only" in cause.lower() or "unsupported" in cause.lower():
            what = "refused: this pickle holds more than tensors and plain data, and reading it could run code"
        else:
            what = f"damaged, or no file of tensors ({type(error).__name__})"
        raise WeightsError(f"{path}: {what}", fix=way_out or _WAY_OUT) from error
    except (AttributeError, OverflowError, MemoryError, AssertionError, OSError) as error:
        raise WeightsError(
            f"{path}: damaged, or no file of tensors ({type(error).__name__})", fix=way_out or _WAY_OUT
        ) from error


def _check_file(path: Path) -> None:
    if not path.is_file():
        raise WeightsError(f"{path}: {'this is a folder' if path.is_dir() else 'no such file'}", fix=_NAME_ONE)
    if path.stat().st_size == 0:
        raise WeightsError(f"{path}: the file is empty", fix=_AGAIN)


def _load_safetensors(path: Path) -> dict[str, Tensor]:
    _check_header(path)
    try:
        return load_file(path, device="cpu")
    except (SafetensorError, ValueError, KeyError, OSError) as error:
        raise WeightsError(f"{path}: damaged safetensors file ({error})", fix=_AGAIN) from error


def _check_header(path: Path) -> None:
    """Refuse a name that occurs twice: the library takes one of the two without a word."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in pairs]
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise WeightsError(f"{path}: damaged safetensors file (two tensors named '{twice}')", fix=_AGAIN)
        return dict(pairs)

    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length > _MAX_HEADER or length > path.stat().st_size:
            raise WeightsError(f"{path}: this is no safetensors file", fix=_AGAIN)
        try:
            json.loads(file.read(length), object_pairs_hook=once)
        except (ValueError, RecursionError) as error:
            raise WeightsError(f"{path}: this is no safetensors file, its header cannot be read", fix=_AGAIN) from error


def _unwrap(loaded: Any) -> dict[str, Tensor] | None:
    if not isinstance(loaded, Mapping) or not loaded:
        return None
    if all(isinstance(key, str) and isinstance(value, Tensor) for key, value in loaded.items()):
        return dict(loaded)
    return next((state for key in _CONTAINERS if (state := _unwrap(loaded.get(key))) is not None), None)
