"""Interim; helper M writes this file anew."""

from __future__ import annotations

from graft.console import Console
from graft.engine._setup import Experiment
from graft.model import Model
from graft.recipe.schema import Speed


def arrange(model: Model, speed: Speed, device: str) -> None:
    """Interim."""


def fastest(experiment: Experiment, console: Console) -> tuple[Speed, str, str]:
    """Interim."""
    return Speed(), experiment.recipe.train.precision, "as given"
