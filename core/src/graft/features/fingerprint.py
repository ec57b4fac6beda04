"""What a feature is a function of, as names: the calculation's (a space of the cache) and an image's in it.

Nothing that could change a bit is left out, and no name, time or size of a file is in it: an image that was changed in
place is another image, and one that was moved is the same.
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch
from torch import nn

from graft.features.store import KEY_BYTES
from graft.preprocess import Preprocess

_LIBRARIES = (
    "graft-core",
    "torch",
    "torchvision",
    "timm",
    "albumentations",
    "opencv-python-headless",
    "numpy",
    "pillow",
)


def weights_of(*modules: nn.Module) -> str:
    """Return the SHA-256 of the modules' tensors, with names, types and shapes, and of how the modules are made."""
    digest = hashlib.sha256()
    for module in modules:
        # Two networks may have the same tensors and do different things with them.
        digest.update(repr(module).encode())
        for name, tensor in sorted(module.state_dict().items()):
            tensor = tensor.detach().cpu().contiguous()
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
            digest.update(memoryview(tensor.reshape(-1).view(torch.uint8).numpy()))
    return digest.hexdigest()


def space_of(
    *modules: nn.Module,
    gives: str,
    preprocess: Preprocess,
    device: str,
    precision: str = "fp32",
    **details: Any,
) -> tuple[str, Mapping[str, Any]]:
    """Return the name of a calculation and what it is, in plain values.

    Args:
        modules: What calculates, in the order in which it does.
        gives: What is kept of it, in words.
        preprocess: What is done to an image before.
        device: `cpu`, `cuda` or `mps`.
        precision: `fp32`, `bf16` or `fp16`.
        details: Whatever else changes a bit.
    """
    about = {
        "gives": gives,
        "weights": weights_of(*modules),
        "preprocess": preprocess.to_json(),
        "device": device,
        "precision": precision,
        "machine": _machine(device),
        "libraries": _libraries(),
        **details,
    }
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:32], about


def key_of(image: str, view: str = "") -> bytes:
    """Return the key of an image in a space.

    Args:
        image: The SHA-256 of its file.
        view: Which augmentation it went through, and by which draw; empty where it is as for prediction. Or `pixels`,
            where `image` is of pixels in memory and not of a file.
    """
    words = f"{image}/{view}".encode("utf-8", "surrogateescape")
    return hashlib.blake2b(words, digest_size=KEY_BYTES).digest()


def _machine(device: str) -> str:
    """Return what calculates: two processors, and two kinds of GPU, differ in the last bits."""
    processor = f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}"
    return f"{processor} {torch.cuda.get_device_name()}" if device == "cuda" else processor


@cache
def _libraries() -> dict[str, str]:
    found = {}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
