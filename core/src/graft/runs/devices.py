"""Which device a model runs on."""

from __future__ import annotations

import torch

from graft.errors import UserError


def pick_device(name: str) -> torch.device:
    """Return the device `name` (`auto`, `cpu`, `cuda`, `cuda:1`, `mps`); `auto` takes a GPU where there is one.

    Raises:
        UserError: When this machine has no such device.
    """
    cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    if name == "auto":
        return torch.device("cuda" if cuda else "mps" if mps else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UserError(f"{name!r} is no device", fix="choose auto, cpu, cuda or mps") from error
    there = {"cpu": 1, "cuda": torch.cuda.device_count() if cuda else 0, "mps": int(mps)}
    if (device.index or 0) >= there.get(device.type, 0):
        raise UserError(f"there is no device {name!r} on this machine", fix="use --device auto, and see graft doctor")
    return device
