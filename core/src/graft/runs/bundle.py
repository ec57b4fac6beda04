"""The bundle: a model that can be carried away, `model.safetensors` and `bundle.json`. No pickle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graft.model import Model
from graft.preprocess import Preprocess
from graft.tasks.contract import Task

if TYPE_CHECKING:
    from graft.backbones.contract import WeightsInfo
    from graft.plugins import Plugins
    from graft.recipe import ResolvedRecipe


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """A model, ready to predict.

    Args:
        path: The bundle folder.
        model: On the CPU, in eval mode.
        task: Names classes and turns predictions into rows.
        classes: Class names by index.
        preprocess: What the model expects of an image.
        info: The whole of `bundle.json`.
    """

    path: Path
    model: Model
    task: Task
    classes: tuple[str, ...]
    preprocess: Preprocess
    info: dict[str, Any]


def save_bundle(
    folder: Path,
    *,
    model: Model,
    resolved: ResolvedRecipe,
    classes: Sequence[str],
    weights: WeightsInfo | None,
    plugins: Plugins,
) -> None:
    """Write `model` as the bundle `folder`, replacing one that is there only when the new one is complete."""
    raise NotImplementedError


def load_bundle(path: Path, *, plugins: Plugins) -> Bundle:
    """Return the bundle in `path`, a bundle folder or a run folder that holds one.

    Raises:
        RunError: When it is missing, damaged or made by a newer Graft.
        PluginError: When it needs a plugin that is not there; says what to install.
    """
    raise NotImplementedError
