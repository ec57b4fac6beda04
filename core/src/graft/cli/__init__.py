"""The command line. `main` is the console script."""

from __future__ import annotations

import os
import sys
from io import TextIOWrapper

from graft.errors import EXIT_FAILED, EXIT_INTERRUPTED


def main() -> None:
    """Run `graft` with the process's arguments and exit: 0 done, 1 failed, 2 the user's input, 130 interrupted."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that knows no ✓ shall not cost the answer
    # Before torch is imported. Threads that wait in a spin take the cores from whatever else runs: beside one busy
    # process on two cores a training step took 2.5 times as long with spinning as without.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    code = _run()
    try:
        sys.stdout.flush()
    except BrokenPipeError:  # the reader of our output has gone, as in `graft … | head`: no reason to complain at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)


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
