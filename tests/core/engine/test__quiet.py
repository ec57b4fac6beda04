from __future__ import annotations

import logging
import warnings

from lightning.fabric.utilities.warnings import PossibleUserWarning

from graft.console import Console
from graft.engine._quiet import hushed


def test_hushed__keeps_warnings_and_leaves_out_what_helps_nobody() -> None:
    console = Console()
    lightning = logging.getLogger("lightning.pytorch.utilities.rank_zero")
    before = logging.getLogger("lightning.pytorch").level
    lightning.setLevel(logging.INFO)
    try:
        with hushed(console):
            lightning.info("💡 Tip: try our platform")
            lightning.info("`Trainer.fit` stopped: `max_epochs=2` reached.")
            lightning.warning("💡 Tip: try our platform")
            lightning.warning("a worker is slow")
            logging.getLogger("torch").warning("a kernel is missing")
            warnings.warn("use another function", FutureWarning, stacklevel=1)
            warnings.warn("use another function", DeprecationWarning, stacklevel=1)
            warnings.warn("modules are in eval mode", PossibleUserWarning, stacklevel=1)
            warnings.warn("the loss is not finite", stacklevel=1)
    finally:
        lightning.setLevel(before)
    assert console.log == [
        "lightning.pytorch.utilities.rank_zero: a worker is slow",
        "torch: a kernel is missing",
        "UserWarning: the loss is not finite",
    ]
