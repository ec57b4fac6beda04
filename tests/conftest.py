"""Settings for the whole suite."""

from __future__ import annotations

import os

# Before torch is imported anywhere. Threads of two processes on few cores slow each other far more than twofold.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
