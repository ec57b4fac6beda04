"""What a backbone costs for one image on this machine: parameters, operations, time and memory."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from graft.backbones.contract import Backbone

_WARM_UP = 3
_RUNS = 30
_LEAST_RUNS = 5
_PATIENCE = 3.0
"""Seconds after which no more runs are timed, once there were the least."""


@dataclass(frozen=True, kw_only=True)
class Costs:
    """Of one image, for the backbone alone: a head adds little.

    Args:
        parameters: Numbers that training can change.
        flops: Operations in convolutions and matrix products; a multiplication and its addition are two.
        latency: Median seconds from a normalised image to its embedding, one image at a time.
        memory: Bytes of the weights, and of the largest set of maps that is needed at the same time. What the
            libraries use inside of an operation, Python, and the gradients of training come on top.
    """

    parameters: int
    flops: int
    latency: float
    memory: int


def measure_costs(backbone: Backbone, device: torch.device) -> Costs:
    """Measure `backbone` at its own input size; it is left in eval mode, on `device`."""
    backbone.eval().to(device)
    height, width = backbone.preprocess.size
    image = torch.rand(1, backbone.preprocess.channels, height, width, device=device)
    tensors = [*backbone.parameters(), *backbone.buffers()]
    with torch.no_grad(), _Alive(besides=tensors) as alive, FlopCounterMode(display=False) as counter:
        backbone.embed(image)
    return Costs(
        parameters=sum(parameter.numel() for parameter in backbone.parameters()),
        flops=counter.get_total_flops(),
        latency=_latency(backbone, image),
        memory=sum(tensor.nbytes for tensor in tensors) + alive.peak,
    )


@torch.inference_mode()
def _latency(backbone: Backbone, image: Tensor) -> float:
    seconds: list[float] = []
    for _ in range(_WARM_UP):
        backbone.embed(image)
    began = time.perf_counter()
    while len(seconds) < _RUNS and (len(seconds) < _LEAST_RUNS or time.perf_counter() - began < _PATIENCE):
        _finish(image.device)
        start = time.perf_counter()
        backbone.embed(image)
        _finish(image.device)
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def _finish(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


class _Alive(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Watches the memory of all tensors that operations give, as long as they live.

    Args:
        besides: Tensors of which views are not counted.

    Attributes:
        peak: The most bytes that there were at the same time.
    """

    def __init__(self, besides: Sequence[Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.peak = 0
        self._besides = {tensor.untyped_storage().data_ptr() for tensor in besides}
        self._alive: WeakKeyDictionary[torch.UntypedStorage, int] = WeakKeyDictionary()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(out):
            if isinstance(leaf, Tensor) and leaf.untyped_storage().data_ptr() not in self._besides:
                self._alive[leaf.untyped_storage()] = leaf.untyped_storage().nbytes()
        self.peak = max(self.peak, sum(self._alive.values()))
        return out
