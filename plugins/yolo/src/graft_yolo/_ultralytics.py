"""The only place where ultralytics is imported: it is left with its modules, and without its habits.

On import it writes a settings file, asks the network whether it is there, counts the machine's address into an
identifier, replaces `torch.save`, and changes environment variables, print options, warning filters, OpenCV's threads
and the logging. All of that is prevented or undone here. What it does when its own trainer runs (synchronisation,
analytics, downloads, installing what is missing, seeds) is not called at all, and switched off all the same.
"""

from __future__ import annotations

import logging
import os
import sys
import tempfile
import uuid
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from copy import copy
from dataclasses import asdict
from typing import Any
from unittest.mock import patch

import numpy as np
import torch

_OFF = {
    "YOLO_OFFLINE": "1",
    "YOLO_AUTOINSTALL": "0",
    "YOLO_VERBOSE": "0",
    "WORLD_SIZE": "1",  # among several processes it would wait for the others, who may import it at another time
}


@contextmanager
def _undone() -> Iterator[None]:
    """Let ultralytics be imported, and nothing be changed by it."""
    import cv2

    loggers = [logging.getLogger(name) for name in ("ultralytics", "coremltools", "sentry_sdk")]
    kept = [(logger, logger.level, logger.propagate, list(logger.handlers)) for logger in loggers]
    threads = cv2.getNumThreads()
    shown = asdict(copy(torch._tensor_str.PRINT_OPTS))
    with ExitStack() as stack:
        settings = stack.enter_context(tempfile.TemporaryDirectory(prefix="graft-yolo-"))
        stack.enter_context(patch.dict(os.environ, {**_OFF, "YOLO_CONFIG_DIR": settings}))
        stack.enter_context(patch.object(uuid, "getnode", return_value=0))
        stack.enter_context(patch.object(torch, "save", torch.save))
        stack.enter_context(warnings.catch_warnings())
        stack.enter_context(np.printoptions())
        try:
            yield
        finally:
            torch.set_printoptions(**shown)  # type: ignore[no-untyped-call]
            cv2.setNumThreads(threads)
            for logger, level, propagate, handlers in kept:
                logger.setLevel(level)
                logger.propagate, logger.handlers = propagate, handlers


def _switch_off(settings: dict[str, Any]) -> None:
    """Set whatever is on to off, for this process; it is written down nowhere."""
    dict.update(settings, {name: False for name, value in settings.items() if value is True})


_FIRST = "ultralytics" not in sys.modules
"""Else somebody imported it before, with settings of their own, which are left to them."""

with _undone():
    from ultralytics.nn.modules import Concat, Detect
    from ultralytics.nn.tasks import parse_model
    from ultralytics.utils import ROOT, SETTINGS, YAML
    from ultralytics.utils.loss import E2ELoss, v8DetectionLoss
    from ultralytics.utils.nms import non_max_suppression
    from ultralytics.utils.tal import dist2bbox, make_anchors
    from ultralytics.utils.torch_utils import initialize_weights

    if _FIRST:
        _switch_off(SETTINGS)

__all__ = [
    "ROOT",
    "YAML",
    "Concat",
    "Detect",
    "E2ELoss",
    "dist2bbox",
    "initialize_weights",
    "make_anchors",
    "non_max_suppression",
    "parse_model",
    "v8DetectionLoss",
]
