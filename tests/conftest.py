"""Settings for the whole suite."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile

# Before torch is imported anywhere. Threads of two processes on few cores slow each other far more than twofold.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

# What tests cache is neither found nor left in the user's home.
if "GRAFT_HOME" not in os.environ:
    os.environ["GRAFT_HOME"] = _home = tempfile.mkdtemp(prefix="graft-tests-")
    # Processes that a test forks end without it; what they leave is the first process's to remove.
    atexit.register(shutil.rmtree, _home, ignore_errors=True)
