from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from graft.testing.commands import Graft

NO_TORCH = """
import sys
sys.modules["torch"] = None  # its import fails
from graft.cli import main
main()
"""


def test_announce__data_that_is_not_there_is_said_before_torch_is_loaded(work: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", NO_TORCH, "classify", "train", "fotos"], cwd=work, capture_output=True, text=True
    )
    assert done.returncode == 2, done.stderr
    assert "data.train: fotos does not exist" in done.stderr
    assert "Load" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "fix"),
    [
        (("--lr", "0.1"), "strategy.pace.lr=0.1"),
        (("--lr=0.1",), "strategy.pace.lr=0.1"),
        (("--batch", "8"), "train.batch=8"),
        (("--label-smoothing", "0.1"), None),  # a part's own key: only the recipe's sections are known here
        (("--seed",), None),  # an option that there is
    ],
)
def test_command__an_option_that_is_a_key_of_the_recipe(
    graft: Graft, arguments: tuple[str, ...], fix: str | None
) -> None:
    for verb in ("train", "lr-find"):
        result = graft("classify", verb, "photos", *arguments)
        assert result.code == 2
        assert (f"Fix: {fix}\n" if fix else "") in result.err
        assert ("Fix" in result.err) == (fix is not None)
