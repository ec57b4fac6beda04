"""The scripts that make the weights which come with Graft, for a moment."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import timm
import torch
from safetensors.torch import load_file

SCRIPTS = Path(__file__).parents[2] / "scripts"
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


def run(folder: Path, script: str, *words: str) -> str:
    """Run a script in a folder, and return what it said."""
    done = subprocess.run(
        [sys.executable, str(SCRIPTS / script), *words],
        cwd=folder,
        env={**os.environ, "GRAFT_HOME": str(folder / "home")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def described(file: Path, said: str) -> dict[str, Any]:
    """Return what stands beside weights, whose hash must be theirs and must have been said."""
    about: dict[str, Any] = json.loads(file.with_suffix(".json").read_text(encoding="utf-8"))
    assert hashlib.sha256(file.read_bytes()).hexdigest() == about["sha256"]
    assert about["sha256"] in said
    return about


def test_tiny__is_a_file_that_plain_timm_loads(tmp_path: Path) -> None:
    said = run(tmp_path, "pretrain_tiny.py", "--images", "96", "--steps", "2", "--norms", "50", "--out", "weights")
    file = tmp_path / "weights" / "tiny.safetensors"
    model = timm.create_model(described(file, said)["arch"], num_classes=0)
    model.load_state_dict(load_file(file))


def test_recipe__becomes_a_file_that_plain_timm_loads(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "leaves.toml").write_text('kind = "dead-leaves"\ncount = 24\nsize = 32\n', encoding="utf-8")
    (tmp_path / "recipe.toml").write_text(RECIPE, encoding="utf-8")
    said = run(tmp_path, "pretrain.py", "recipe.toml", "--out", "weights", "--runs", "runs", "--norms", "75")
    file = tmp_path / "weights" / "recipe.safetensors"
    about = described(file, said)
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
    assert {int(norm.num_batches_tracked) for norm in norms} == {3}, "statistics are of fresh images, not of training"
