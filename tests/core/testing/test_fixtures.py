"""The fixtures, and that they cost nothing where nobody asks for them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from graft.plugins import Plugins
from graft.testing import Finished, Graft
from graft.testing.data import Lab


def test_plugin__imports_nothing_heavy(graft_python: Callable[..., Finished]) -> None:
    heavy = ("torch", "numpy", "pydantic", "lightning", "PIL", "typer")
    done = graft_python(f"import sys, graft.testing.plugin; print([n for n in {heavy} if n in sys.modules])")
    assert done.out.strip() == "[]", done.err


def test_graft__runs_in_an_empty_folder(graft: Graft) -> None:
    result = graft("plugins", "list")
    assert result.code == 0
    assert "classification" in result.out
    assert graft("no-such-command").code == 2


def test_data__is_that_of_the_task(graft_data: Callable[..., Path], graft_plugins: Plugins) -> None:
    folder = graft_data("segmentation", size=32, per_class=1)
    assert (folder / "README.txt").is_file()
    assert (folder / "target" / "train").is_dir()
    assert graft_data("segmentation", size=32, per_class=1) == folder


def test_lab__gives_batches_of_every_task(graft_lab: Lab) -> None:
    for task in ("classification", "detection", "segmentation"):
        batch = graft_lab.batch(task, size=48)
        assert batch.images.shape == (2, 3, 48, 48)


def test_backbone__is_as_its_info_says(graft_backbone: Callable) -> None:
    backbone = graft_backbone((1, 2, 2, 8), channels=1)
    maps = backbone.pyramid(torch.zeros(2, 1, 32, 48))
    assert [tuple(one.shape) for one in maps] == [
        (2, stage.channels, 32 // stage.reduction, 48 // stage.reduction) for stage in backbone.info.stages
    ]
    assert backbone.embed(torch.zeros(2, 1, 32, 48)).shape == (2, backbone.info.embed_dim)


def test_python__says_how_it_ended(graft_python: Callable[..., Finished], tmp_path: Path) -> None:
    done = graft_python("import os, sys\nprint(os.getcwd())\nsys.exit(3)", folder=tmp_path)
    assert (done.code, done.out.strip()) == (3, str(tmp_path))
