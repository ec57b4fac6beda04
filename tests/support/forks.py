"""Work in another process that can be killed, without importing torch again for each."""

from __future__ import annotations

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass

DIED_OF_AN_ERROR = 99


@dataclass
class Child:
    """A forked process."""

    pid: int

    def kill(self, number: int = signal.SIGKILL) -> None:
        os.kill(self.pid, number)

    def wait(self, timeout: float = 60) -> int:
        """Return how it ended: the exit code, or minus the signal."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.002)
        self.kill()
        os.waitpid(self.pid, 0)
        raise TimeoutError(f"the child did not end within {timeout} s")


def fork(work: Callable[[], int | None]) -> Child:
    """Call `work` in a forked process, whose exit code is what it returns, or 99 when it raises."""
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        return Child(pid)
    code = DIED_OF_AN_ERROR
    try:
        # A process of its own group, as a shell gives it: Ctrl-C there is not Ctrl-C here.
        os.setpgid(0, 0)
        code = work() or 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)
