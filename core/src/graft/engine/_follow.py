"""A process that trains beside the leader: it says nothing, writes nothing, and ends when the leader does."""

from __future__ import annotations

import json
import math
import os
import signal
import sys
import threading
import time
import traceback
from dataclasses import replace
from typing import TYPE_CHECKING

from graft.console import Console
from graft.engine._place import Place, launched
from graft.errors import EXIT_FAILED, GraftError
from graft.plugins import Plugins
from graft.runs.folder import Run

if TYPE_CHECKING:
    from graft.engine._team import Team

EXIT_DESERTED = 3
"""The exit code when this process ended because another one had."""

LEADER = "GRAFT_LEADER"
"""The variable that says which process started this one."""

_POLL = 1.0


class Mute(Console):
    """Says nothing, warnings included: the leader says them."""

    def _print(self, label: str, text: str, *, style: str) -> None:
        pass


def follow(place: Place, *, plugins: Plugins | None = None) -> Run | None:
    """Train beside the leader, from when it has made the run until the last epoch.

    Args:
        place: This process's.
        plugins: Who offers the parts of the recipe; by default whatever is installed.

    Returns:
        The run, which the leader has still to finish; None when there was none to work on.

    Raises:
        Deserted: When another process is gone.
        GraftError: When this one cannot go on; the leader has been told.
    """
    from graft.engine._seeds import undisturbed
    from graft.engine._team import Deserted, meeting_point, met

    store = meeting_point(place)
    with undisturbed(), met(place, store) as team:
        try:
            path = team.shared(None)
            if path is None:
                return None
            run = Run.open(path, plugins=plugins)
            _work(run, place, team)
        except Deserted:
            raise
        except Exception as error:
            message = error.message if isinstance(error, GraftError) else f"{type(error).__name__}: {error}"
            fix = error.fix if isinstance(error, GraftError) else None
            store.set(f"error/{place.rank}", json.dumps({"message": message, "fix": fix}))
            raise
    return run


def _work(run: Run, place: Place, team: Team) -> None:
    import torch

    from graft.engine._checkpoint import Checkpoints
    from graft.engine._fit import fit
    from graft.engine._papers import check_data
    from graft.engine._setup import set_up
    from graft.engine._signals import Stopper
    from graft.engine._team import share_cores

    console = Mute(quiet=True)
    if torch.cuda.is_available():
        torch.cuda.set_device(place.local_rank % torch.cuda.device_count())
    experiment = replace(set_up(run.recipe, plugins=run.plugins, console=console), shard=team.shard)
    check_data(experiment, run)
    share_cores(place.local_size, experiment.device)
    start = Checkpoints(run.checkpoints).resume_from(console.warn)
    team.use(experiment.device)
    # The leader's clock alone knows when the time is up.
    ends = math.inf if experiment.recipe.train.budget is not None else None
    fit(experiment, run, start=start, ends=ends, console=console, stopper=Stopper(), team=team)


def quietly(place: Place) -> int:
    """Follow as a process of its own, and return its exit code: whatever goes wrong is for the leader to say."""
    from graft.engine._team import Deserted

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    try:
        follow(place)
    except Deserted:
        return EXIT_DESERTED
    except GraftError:
        return EXIT_FAILED
    except Exception:
        traceback.print_exc()
        return EXIT_FAILED
    return 0


def _end_with(leader: int) -> None:
    """End this process, and those that load for it, when the leader is no more, whatever this one is doing."""
    while os.getppid() == leader:
        time.sleep(_POLL)
    if hasattr(os, "killpg") and os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(EXIT_FAILED)


def main() -> None:
    """Follow the process that started this one."""
    threading.Thread(target=_end_with, args=(int(os.environ[LEADER]),), daemon=True).start()
    place = launched()
    sys.exit(EXIT_FAILED if place is None else quietly(place))


if __name__ == "__main__":
    main()
