"""Make weights for a backbone from generated images alone: no photograph and no label is involved.

    python scripts/pretrain.py scripts/pretraining/tiny.toml --out weights                   # an hour of one core
    python scripts/pretrain.py scripts/pretraining/tiny.toml --out weights --run runs/tiny   # of a finished run

The recipe is one for `graft pretrain train --recipe`. Of the run's bundle the backbone is written in half precision,
under timm's names, as `NAME.safetensors`, and described in `NAME.json`: `graft.backbones.PackagedSource` reads both.
The same recipe on the same machine with the same number of threads gives the same file.

The shipped `graft:tiny` was made before, by `pretrain_tiny.py`: `docs/results/pretraining.md` compares.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import tomllib
from pathlib import Path
from typing import Any

import timm
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

import graft
from graft.backbones.timm_source import TimmSource

SIZE = 96
"""Side in pixels that the weights are used at by default: twice that of the views, as pretrained nets are."""


def shipped(run: graft.Run, arch: str) -> dict[str, Tensor]:
    """Return the backbone's tensors of a run's bundle under timm's names, in half precision."""
    ours = load_file(run.bundle / "model.safetensors")
    names = timm.create_model(arch, num_classes=0).state_dict()
    # What a number is called here says what the tensor at its place is called there.
    numbered = {name: torch.tensor(number) for number, name in enumerate(names)}
    renamed = {int(number): name for name, number in TimmSource().convert(arch, numbered).items()}
    state = {}
    for number, name in enumerate(names):
        value = ours[f"backbone.{renamed[number]}"]
        state[name] = value.half().contiguous() if value.is_floating_point() else value
    return state


def card(run: graft.Run, arch: str) -> dict[str, Any]:
    """Return what goes with the weights: what the network is, what it takes, and how it was made."""
    recipe = tomllib.loads((run.path / "recipe.toml").read_text(encoding="utf-8"))
    bundle = json.loads((run.bundle / "bundle.json").read_text(encoding="utf-8"))
    folder = Path(recipe["data"]["train"])
    images = [tomllib.loads(file.read_text(encoding="utf-8")) for file in sorted(folder.glob("*.toml"))]
    return {
        "arch": arch,
        "licence": "apache-2.0",
        "preprocess": {**bundle["preprocess"], "size": [SIZE, SIZE]},
        "made": {
            "objective": bundle["head"]["name"],
            "images": {one["kind"]: one["count"] for one in images},
            "canvas": images[0]["size"],
            "view": bundle["preprocess"]["size"][0],
            "batch": recipe["train"]["batch"],
            "epochs": len(run.history),
            "precision": recipe["train"]["precision"],
            "seed": recipe["train"]["seed"],
            "loss": round(run.history[-1]["train.loss"], 4),
            "minutes": round(sum(row["seconds"] for row in run.history) / 60, 1),
        },
    }


def main() -> None:
    """Pretrain, unless that has been done, and write the files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", type=Path, help="its name is the weights' name")
    parser.add_argument("--out", type=Path, required=True, help="folder for the files")
    parser.add_argument("--run", type=Path, help="a finished run of the recipe")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="folder for the run")
    given = parser.parse_args()

    name = given.recipe.stem
    run = graft.Run.open(given.run) if given.run else graft.train(given.recipe, out=given.runs, name=name)
    arch = tomllib.loads(given.recipe.read_text(encoding="utf-8"))["backbone"]["kind"].removeprefix("timm:")
    given.out.mkdir(parents=True, exist_ok=True)
    file = given.out / f"{name}.safetensors"
    save_file(shipped(run, arch), file)
    file.chmod(0o644)  # it is packaged with the mode that it has
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    text = json.dumps({**card(run, arch), "sha256": digest}, indent=2)
    file.with_suffix(".json").write_text(text + "\n", encoding="utf-8")
    print(f"{file}: {file.stat().st_size / 1e6:.2f} MB, SHA-256 {digest}")


if __name__ == "__main__":
    main()
