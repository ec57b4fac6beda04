"""Which strategy suits a data set: by its size, by how far it is from what the weights were trained on, and by time.

What is written here was read off a table of trials: docs/results/strategies.md.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Situation:
    """What is known before training.

    Args:
        per_class: Training samples per class, mean.
        shift: How far the training images are from what the weights were trained on: see `graft.strategies.shift`;
            None when the network does not tell.
        epochs_in_time: Epochs of training everything that fit into the budget; None without a budget.
        pretrained: Whether the backbone has pretrained weights.
    """

    per_class: float
    shift: float | None
    epochs_in_time: int | None
    pretrained: bool


FEW_EPOCHS = 3
FEW_SAMPLES = 30
FAR = 0.2
FEW_IMAGES = 16
"""In a batch: below it the error of batch norms grows (Wu & He 2018, "Group normalization")."""


def choose(situation: Situation) -> tuple[str, str]:
    """Return the name of a preset, and why, as a sentence.

    With many samples everything learns, the first stages slowly. With few it depends: a network that knows such images
    is spoilt by a head at random, so that learns first; one that knows only other images has little to keep.
    """
    if not situation.pretrained:
        return _because("full", "without pretrained weights there is nothing to keep")
    if situation.epochs_in_time is not None and situation.epochs_in_time < FEW_EPOCHS:
        return _because("fixed", f"the budget has time for {situation.epochs_in_time} epochs of training everything")
    size = f"{situation.per_class:.0f} samples per class"
    if situation.per_class >= FEW_SAMPLES:
        return _because("discriminative", f"{size} are enough to train everything, the first stages slowly")
    if situation.shift is None:
        return _because("lp-ft", size)
    known = f"what the weights were trained on (shift {situation.shift:.2f}; far is {FAR} and more)"
    if situation.shift < FAR:
        return _because("lp-ft", f"{size}, near to {known}")
    return _because("full", f"{size}, but far from {known}")


def choose_norm(batch: int, *, pretrained: bool, batch_norms: bool) -> tuple[str, str]:
    """Return `freeze` or `follow` for the backbone's norms, and why, as a sentence.

    Args:
        batch: Images that a norm sees at a time.
        pretrained: Whether the norms know images already.
        batch_norms: Whether there are norms that take statistics over a batch.
    """
    if not batch_norms:
        return "follow", "norms follow their stages: none of them takes statistics over a batch"
    if batch >= FEW_IMAGES:
        return "follow", f"norms follow their stages: {batch} images are enough for statistics"
    if not pretrained:
        return "follow", "norms follow their stages: without pretrained weights they know no statistics yet"
    return "freeze", f"norms freeze: {batch} images at a time are too few for statistics"


def _because(preset: str, reason: str) -> tuple[str, str]:
    return preset, f"{preset}: {reason}"
