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
FEW_SAMPLES = 15
NEAR = 0.5


def choose(situation: Situation) -> tuple[str, str]:
    """Return the name of a preset, and why, as a sentence."""
    if not situation.pretrained:
        return "full", "full: without pretrained weights there is nothing to keep"
    size = f"{situation.per_class:.0f} samples per class"
    if situation.epochs_in_time is not None and situation.epochs_in_time < FEW_EPOCHS:
        return "fixed", f"fixed: the budget has time for {situation.epochs_in_time} epochs of training everything"
    near = situation.shift is not None and situation.shift < NEAR
    if near and situation.per_class < FEW_SAMPLES:
        return "fixed", f"fixed: {size}, near to what the weights were trained on (shift {situation.shift:.2f})"
    return "full", f"full: {size}"
