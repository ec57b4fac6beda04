from __future__ import annotations

import typer

from graft.cli.session import Session, begin
from graft.cli.verbs import task_app


def test_task_app__has_the_verbs_of_every_task() -> None:
    begin(Session())  # another test's may have plugins of its own
    group = typer.main.get_command(task_app("classification"))
    assert set(group.commands) == {"train", "lr-find", "evaluate", "predict", "export"}  # type: ignore[attr-defined]
