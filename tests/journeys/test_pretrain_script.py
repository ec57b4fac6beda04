"""The script that makes the weights which come with Graft, on a recipe of a moment."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import timm
import torch
from safetensors.torch import load_file

SCRIPT = Path(__file__).parents[2] / "scripts" / "pretrain.py"
RECIPE = """
task = "pretraining"

[data]
train = "images"
decoder = "generated"

[backbone]
kind = "timm:test_resnet"
weights = "none"
size = 32

[train]
epochs = 1
batch = 8
"""


def test_recipe__becomes_a_file_that_plain_timm_loads(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "leaves.toml").write_text('kind = "dead-leaves"\ncount = 24\nsize = 32\n', encoding="utf-8")
    (tmp_path / "recipe.toml").write_text(RECIPE, encoding="utf-8")
    words = (SCRIPT, "recipe.toml", "--out", "weights", "--runs", "runs")
    done = subprocess.run(
        [sys.executable, *map(str, words)],
        cwd=tmp_path,
        env={**os.environ, "GRAFT_HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    file = tmp_path / "weights" / "recipe.safetensors"
    about = json.loads(file.with_suffix(".json").read_text(encoding="utf-8"))
    assert hashlib.sha256(file.read_bytes()).hexdigest() == about["sha256"]
    assert about["sha256"] in done.stdout
    assert about["made"]["images"] == {"dead-leaves": 24}

    model = timm.create_model(about["arch"], num_classes=0)
    model.load_state_dict(load_file(file))
    trained = load_file(tmp_path / "runs" / "recipe" / "bundle" / "model.safetensors")
    weights = [value for name, value in trained.items() if name.startswith("backbone.") and value.ndim == 4]
    own = [value for value in model.state_dict().values() if value.ndim == 4]
    assert len(own) == len(weights)
    assert {tuple(value.flatten()[:3].tolist()) for value in own} == {
        tuple(value.half().float().flatten()[:3].tolist()) for value in weights
    }, "what was trained is what is written"

    norms = [module for module in model.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    assert {int(norm.num_batches_tracked) for norm in norms} == {40}, "statistics are of fresh images, not of training"
