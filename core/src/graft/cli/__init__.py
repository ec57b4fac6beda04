"""The command line. `main` is the console script."""

from __future__ import annotations

import os
import sys
from collections.abc import MutableMapping
from io import TextIOWrapper

from graft.errors import EXIT_FAILED, EXIT_INTERRUPTED


def main() -> None:
    """Run `graft` with the process's arguments and exit: 0 done, 1 failed, 2 the user's input, 130 interrupted."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that knows no ✓ shall not cost the answer
    wait_briefly(os.environ)
    code = _run()
    try:
        sys.stdout.flush()
    except BrokenPipeError:  # the reader of our output has gone, as in `graft … | head`: no reason to complain at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)


def wait_briefly(environment: MutableMapping[str, str]) -> None:
    """Have torch's threads spin for some microseconds while they wait for each other, and sleep then.

    To be called before torch is imported; what the environment says itself stays. Threads that spin on, OpenMP's
    default, take the cores from whatever else runs (small steps took a hundred times as long beside a second process),
    and threads that sleep at once wake too late for small networks (two thirds of the speed): docs/results/speed.md.
    """
    if "OMP_WAIT_POLICY" not in environment:
        environment["OMP_WAIT_POLICY"] = "PASSIVE"
        # GNU's OpenMP, which torch has on Linux, takes this for the spin whatever the policy says.
        environment.setdefault("GOMP_SPINCOUNT", "600")


def _run() -> int:
    try:
        from graft.cli.app import command

        command().main(prog_name="graft")
    except SystemExit as done:
        return done.code if isinstance(done.code, int) else int(done.code is not None)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except Exception as error:
        from graft.cli.session import session

        if session().debug:
            raise
        print(f"graft: internal error: {type(error).__name__}: {' '.join(str(error).split())}", file=sys.stderr)
        print("This is a fault of Graft's or of a plugin's. For the traceback: graft --debug …", file=sys.stderr)
        return EXIT_FAILED
    return 0
