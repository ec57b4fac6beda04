"""The verbs that every task shares, so that a new task has them for free."""

from __future__ import annotations

import typer


def task_app(task: str) -> typer.Typer:
    """Return the command group of a task: `train`, `lr-find`, `evaluate`, `predict` and `export`.

    Args:
        task: The task's name, qualified where two plugins offer the same one.
    """
    from graft.cli import lr_find, train, use

    app = typer.Typer(add_completion=False, no_args_is_help=True, rich_markup_mode="rich")
    train.register(app, task)
    lr_find.register(app, task)
    use.register(app, task)
    return app
