"""How many images a step can take."""

from __future__ import annotations

import gc

import torch
from torch import Tensor

from graft.console import Console
from graft.engine._memory import free_memory
from graft.engine._quiet import hushed
from graft.engine._setup import Experiment
from graft.engine._trial import Trial, some_batch

_LARGEST = 64
_SMALLEST = 2
_STEPS = 8
"""Steps that an epoch shall have at least: small data sets need small batches to learn in few epochs."""

_SHARE = 0.8
"""Of the memory, what may be used: other images and fragmentation take more than a trial."""

_GRADIENTS = 2
"""Of what a step keeps on a CPU, its most: gradients of the activations come to as much again at worst."""

_TOO_MUCH = ("out of memory", "can't allocate memory", "CUBLAS_STATUS_ALLOC_FAILED")


def largest_batch(experiment: Experiment, console: Console) -> tuple[int, str]:
    """Return a power of two of images per batch, and why: at least 8 steps per epoch, at most 64, and what fits.

    On a GPU steps are tried on a copy of the model, with twice as many images each time; on a CPU what they keep is
    counted and compared with the free memory.
    """
    train = experiment.recipe.train
    images = len(experiment.prepared.split["train"])
    share = images // (_STEPS * train.accumulate * train.devices)
    wanted = _SMALLEST
    while 2 * wanted <= min(share, _LARGEST):
        wanted *= 2
    with hushed(console):
        fitting = _fitting_cuda(experiment, wanted) if experiment.device == "cuda" else _fitting(experiment, wanted)
    if fitting < wanted:
        return fitting, f"batch {fitting}, because the memory does not suffice for {2 * fitting}"
    if wanted < _LARGEST:
        return wanted, f"batch {wanted}, so that {images} images make at least {_STEPS} steps per epoch"
    return wanted, f"batch {wanted}, which fits into the memory"


def out_of_memory(error: BaseException) -> bool:
    """Return whether an error means that a batch was too much for the device's memory."""
    if isinstance(error, torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(text in str(error) for text in _TOO_MUCH)


def _fitting_cuda(experiment: Experiment, most: int) -> int:
    """Return the largest power of two up to `most` with which a step fits; the smallest one in any case."""
    free, _ = torch.cuda.mem_get_info()
    limit = _SHARE * (free + torch.cuda.memory_reserved())
    size = _SMALLEST
    try:
        while size < most and _step_fits(experiment, 2 * size, limit):
            size *= 2
    finally:
        _let_go()
    return size


def _step_fits(experiment: Experiment, size: int, limit: float) -> bool:
    _let_go()
    torch.cuda.reset_peak_memory_stats()
    try:
        trial, batch = Trial(experiment), some_batch(experiment, size)
        for _ in range(2):  # the optimizer's memory is there from the second step on
            trial.step(batch)
    except Exception as error:
        if not out_of_memory(error):
            raise
        return False
    return torch.cuda.max_memory_reserved() <= limit


def _let_go() -> None:
    gc.collect()
    torch.cuda.empty_cache()


def _fitting(experiment: Experiment, most: int) -> int:
    """Return the largest power of two up to `most` whose activations fit into the memory; at least the smallest."""
    free = free_memory()
    if free is None:
        return most
    trial = Trial(experiment)
    # Without: while a stage is calculated again, what it keeps is there all the same.
    trial.model.backbone.checkpointing = False
    few, more = (_kept(trial, experiment, size) for size in (_SMALLEST, 2 * _SMALLEST))
    per_image = max(1.0, (more - few) / _SMALLEST)
    weights = sum(parameter.nbytes for parameter in trial.model.parameters())
    # Gradients, and the two numbers per weight of Adam.
    images = (_SHARE * free - 3 * weights) / (_GRADIENTS * per_image)
    size = _SMALLEST
    while size < most and 2 * size <= images:
        size *= 2
    return size


def _kept(trial: Trial, experiment: Experiment, size: int) -> int:
    """Return the bytes that a step on `size` images keeps for its gradients."""
    sizes: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        sizes[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        trial.loss(some_batch(experiment, size))
    return sum(sizes.values())
