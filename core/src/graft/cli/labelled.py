"""The task of commands that are about labelled images, whichever plugin offers it."""

from __future__ import annotations

from graft.data.samples import LABELS
from graft.errors import PluginError
from graft.plugins import Plugins, TaskSpec


def labelling_task(plugins: Plugins, *, what: str) -> str:
    """Return the first task that takes labels.

    Args:
        plugins: Offer tasks.
        what: The command, for the error, as in `the demo`.

    Raises:
        PluginError: When there is none.
    """
    name = next((name for name, spec in plugins.specs(TaskSpec).items() if spec.takes == LABELS), None)
    if name is None:
        raise PluginError(
            f"{what} is about images with {LABELS}, and no plugin that is on has a task for them",
            fix="graft plugins list shows what is installed; switch such a plugin on, or install one",
        )
    return name
