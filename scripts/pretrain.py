"""Make weights for a backbone from generated images alone: no photograph and no label is involved.

    python scripts/pretrain.py scripts/pretraining/small.toml --out weights                    # 16 minutes of two cores
    python scripts/pretrain.py scripts/pretraining/small.toml --out weights --run runs/small   # of a finished run

The recipe is one for `graft pretrain train --recipe`. Of the run's bundle the backbone is written in half precision,
under timm's names, as `NAME.safetensors`, and described in `NAME.json`: `graft.backbones.PackagedSource` reads both.
The norms' statistics are taken afresh at the size that the weights are used at, which is not that of the views: else
what they see there is out of scale (Touvron et al. 2019, "Fixing the train-test resolution discrepancy"). Other
processors and other numbers of threads round otherwise, and give another file made alike.

`graft:tiny` was made before, by `pretrain_tiny.py`: `docs/results/pretraining.md` compares.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.optim.swa_utils import update_bn

import graft
from graft.backbones import PackagedSource
from graft.backbones.timm_source import TimmSource
from graft.plugins import BackboneSpec, load_plugins
from graft_pretraining.generators import draw
from graft_pretraining.options import Drawn

SIZE = 96
"""Side in pixels that the weights are used at by default."""


def timm_name(kind: str) -> str:
    """Return what timm calls a recipe's backbone: one of timm's, or one whose weights come with a distribution."""
    source, _, name = kind.partition(":")
    if source == "timm":
        return name
    plugins = load_plugins()
    packaged: PackagedSource = plugins.target(plugins.find(BackboneSpec, source))()
    return packaged.timm_name(name)


def described(recipe: dict[str, Any]) -> list[Drawn]:
    """Return the descriptions of the generated images of a recipe."""
    files = sorted(Path(recipe["data"]["train"]).glob("*.toml"))
    return [Drawn.model_validate(tomllib.loads(file.read_text(encoding="utf-8"))) for file in files]


def batches(images: Sequence[Drawn], preprocess: dict[str, Any], count: int) -> Iterator[Tensor]:
    """Yield `count` images as batches `(B, 3, SIZE, SIZE)`, as many of each description; none was trained on."""
    mean, std = (torch.tensor(preprocess[key]).view(1, 3, 1, 1) for key in ("mean", "std"))
    each = count // len(images)
    for start in range(0, each, 25):
        drawn = [
            draw(one.kind, one.count + index, size=SIZE, seed=one.seed)
            for index in range(start, min(start + 25, each))
            for one in images
        ]
        pixels = torch.from_numpy(np.stack(drawn)).permute(0, 3, 1, 2).float() / 255
        yield (pixels - mean) / std


def shipped(run: graft.Run, arch: str, given: Iterator[Tensor]) -> dict[str, Tensor]:
    """Return the backbone's tensors of a run's bundle under timm's names.

    Args:
        run: The run.
        arch: What timm calls its network.
        given: Images that the norms' statistics are taken from.
    """
    ours = load_file(run.bundle / "model.safetensors")
    names = timm.create_model(arch, num_classes=0).state_dict()
    # What a number is called here says what the tensor at its place is called there.
    numbered = {name: torch.tensor(number) for number, name in enumerate(names)}
    renamed = {int(number): name for name, number in TimmSource().convert(arch, numbered).items()}
    model = timm.create_model(arch, num_classes=0)
    model.load_state_dict({name: ours[f"backbone.{renamed[number]}"] for number, name in enumerate(names)})
    update_bn(given, model)
    return model.state_dict()


def card(run: graft.Run, arch: str, recipe: dict[str, Any], bundle: dict[str, Any]) -> dict[str, Any]:
    """Return what goes with the weights: what the network is, what it takes, and how it was made."""
    images = described(recipe)
    return {
        "arch": arch,
        "licence": "apache-2.0",
        "preprocess": {**bundle["preprocess"], "size": [SIZE, SIZE]},
        "made": {
            "objective": bundle["head"]["name"],
            "images": {one.kind: one.count for one in images},
            "canvas": images[0].size,
            "view": bundle["preprocess"]["size"][0],
            "batch": recipe["train"]["batch"],
            "epochs": len(run.history),
            "precision": recipe["train"]["precision"],
            "seed": recipe["train"]["seed"],
            "loss": round(run.history[-1]["train.loss"], 4),
            "minutes": round(sum(row["seconds"] for row in run.history) / 60, 1),
        },
    }


def write(tensors: dict[str, Tensor], file: Path, made: dict[str, Any]) -> None:
    """Write weights in half precision, what goes with them beside them, and say their hash."""
    file.parent.mkdir(parents=True, exist_ok=True)
    halves = {
        name: value.half().contiguous() if value.is_floating_point() else value for name, value in tensors.items()
    }
    save_file(halves, file)
    file.chmod(0o644)  # it is packaged with the mode that it has
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    text = json.dumps({**made, "sha256": digest}, indent=2)
    file.with_suffix(".json").write_text(text + "\n", encoding="utf-8")
    print(f"{file}: {file.stat().st_size / 1e6:.2f} MB, SHA-256 {digest}")


def main() -> None:
    """Pretrain, unless that has been done, and write the files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", type=Path, help="its name is the weights' name")
    parser.add_argument("--out", type=Path, required=True, help="folder for the files")
    parser.add_argument("--run", type=Path, help="a finished run of the recipe")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="folder for the run")
    parser.add_argument("--norms", type=int, default=1000, help="fresh images that their statistics are taken from")
    given = parser.parse_args()

    name = given.recipe.stem
    run = graft.Run.open(given.run) if given.run else graft.train(given.recipe, out=given.runs, name=name)
    recipe = tomllib.loads((run.path / "recipe.toml").read_text(encoding="utf-8"))
    bundle = json.loads((run.bundle / "bundle.json").read_text(encoding="utf-8"))
    arch = timm_name(recipe["backbone"]["kind"])
    tensors = shipped(run, arch, batches(described(recipe), bundle["preprocess"], given.norms))
    write(tensors, given.out / f"{name}.safetensors", card(run, arch, recipe, bundle))


if __name__ == "__main__":
    main()
