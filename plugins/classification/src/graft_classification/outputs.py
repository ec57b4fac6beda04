"""What every head's outputs mean, `(B, C)`: logits of one class out of all or, for multi-label, of each by itself."""

from __future__ import annotations

import torch
from torch import Tensor

from graft.tasks import Outputs
from graft_classification.scores import Scores

_SURE = 1e-7
"""No class is likelier to be or not to be than by this: its logarithm has to be a number."""


def probabilities(outputs: Outputs, *, multi: bool) -> Tensor:
    """Return probabilities `(B, C)`. Traceable."""
    assert isinstance(outputs, Tensor)  # for the type checker: the heads' `forward` gives nothing else
    logits = outputs.float()
    return torch.sigmoid(logits) if multi else torch.softmax(logits, dim=1)


def logits(likely: Tensor, *, multi: bool) -> Tensor:
    """Return the outputs whose probabilities are `likely`, `(B, C)`. Traceable."""
    log = likely.clamp(min=_SURE).log()
    return log - (1 - likely).clamp(min=_SURE).log() if multi else log


def decoded(outputs: Outputs, *, multi: bool) -> list[Scores]:
    """Return the scores of each image."""
    return [Scores(row) for row in probabilities(outputs, multi=multi).detach().cpu().numpy()]
