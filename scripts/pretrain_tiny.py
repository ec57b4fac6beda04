"""Make the embedded backbone: SimCLR on generated dead-leaves images, no photograph and no label involved.

    python scripts/pretrain_tiny.py --out weights                    # 26 minutes of a shared core

Writes `tiny.safetensors` (timm's tensor names, float16) and `tiny.json`, and prints the hash. The same arguments on the
same kind of processor give the same file. At the end the norms' statistics are taken afresh at the size that the
weights are used at, as `pretrain.py` does and says why.

It has a loop and views of its own, older than `graft pretrain`: its colours vary more, which scenes from above need.
`docs/results/pretraining.md` compares.
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path

import timm
import torch
import torch.nn.functional as F
from pretrain import SIZE, batches, write
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn

from graft.data.generate import dead_leaves
from graft_pretraining.options import Drawn

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
ARCH = "test_resnet"
CANVAS, VIEW = 72, 48
"""Sides in pixels of a generated image, and of a view of it."""
BATCH = 96
"""Images of a step, each with two views."""
TEMPERATURE = 0.2
RATE = 2e-3
SEED = 0


def views(images: Tensor, size: int, draw: torch.Generator) -> Tensor:
    """Return a view `(B, 3, size, size)` of each image `(B, 3, H, W)` 0…1: crop, turn, flip, colours, blur, grain."""
    n = len(images)

    def uniform(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(n, generator=draw)

    side = uniform(0.3, 0.9).sqrt()
    stretch = uniform(math.log(0.8), math.log(1.25)).div(2).exp()
    height, width = (side * stretch).clamp(max=1), (side / stretch).clamp(max=1)
    angle = uniform(-0.3, 0.3)
    flip = torch.where(uniform(0, 1) < 0.5, -1.0, 1.0)
    cos, sin = angle.cos(), angle.sin()
    matrix = torch.stack(
        [
            torch.stack([flip * width * cos, -height * sin, uniform(-1, 1) * (1 - width)], -1),
            torch.stack([flip * width * sin, height * cos, uniform(-1, 1) * (1 - height)], -1),
        ],
        1,
    )
    grid = F.affine_grid(matrix, [n, 3, size, size], align_corners=False)
    crops = F.grid_sample(images, grid, mode="bilinear", padding_mode="reflection", align_corners=False)

    # Brightness, contrast, saturation and hue are all linear in the colours: one 3 × 3 matrix and one shift per image.
    grey = torch.tensor([0.299, 0.587, 0.114]).expand(3, 3)
    saturation = torch.where(uniform(0, 1) < 0.2, torch.zeros(n), uniform(0.4, 1.6)).view(n, 1, 1)
    hue = (uniform(-1, 1) * 0.1 * 2 * math.pi).view(n, 1, 1)
    axis = torch.full((3, 3), 1 / 3)  # turning around the grey axis
    cross = torch.tensor([[0.0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / math.sqrt(3)
    turn = hue.cos() * torch.eye(3) + (1 - hue.cos()) * axis + hue.sin() * cross
    colour = (grey + saturation * (torch.eye(3) - grey)) @ turn
    contrast = uniform(0.6, 1.4).view(n, 1, 1)
    level = crops.mean((1, 2, 3), keepdim=True).view(n, 1, 1)
    pixels = contrast * (colour @ crops.flatten(2) - level) + level * uniform(0.6, 1.4).view(n, 1, 1)
    pixels = pixels.view_as(crops).clamp(0, 1)

    # A worse camera, in each view another one: else the noise of an image would tell it from all others.
    blurred = F.avg_pool2d(F.pad(pixels, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    pixels = torch.lerp(pixels, blurred, (uniform(-1, 1).clamp(min=0)).view(n, 1, 1, 1))
    noise = torch.randn(pixels.shape, generator=draw) * (uniform(-0.06, 0.06).clamp(min=0)).view(n, 1, 1, 1)
    return (pixels + noise).clamp(0, 1)


def nt_xent(z: Tensor) -> Tensor:
    """Return SimCLR's loss of `(2B, D)` projections whose rows i and i + B are views of one image."""
    z = F.normalize(z.float(), dim=1)
    similarity = (z @ z.T / TEMPERATURE).fill_diagonal_(float("-inf"))
    return F.cross_entropy(similarity, torch.arange(len(z)).roll(len(z) // 2))


def main() -> None:
    """Generate, train, save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for the files")
    parser.add_argument("--images", type=int, default=3000, help="generated images")
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--norms", type=int, default=1000, help="fresh images that their statistics are taken from")
    args = parser.parse_args()

    torch.set_num_threads(1)  # with more, sums come out otherwise
    torch.manual_seed(SEED)
    draw = torch.Generator().manual_seed(SEED)
    began = time.monotonic()
    images = torch.from_numpy(dead_leaves(args.images, size=CANVAS, seed=SEED)).permute(0, 3, 1, 2)
    print(f"{args.images} images in {time.monotonic() - began:.0f} s", flush=True)

    model = timm.create_model(ARCH, num_classes=0).to(memory_format=torch.channels_last)
    width = model(torch.zeros(2, 3, VIEW, VIEW)).shape[1]
    projection = nn.Sequential(nn.Linear(width, 256, bias=False), nn.BatchNorm1d(256), nn.ReLU(), nn.Linear(256, 64))
    parameters = [*model.parameters(), *projection.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=RATE, weight_decay=1e-4)
    mean, std = torch.tensor(MEAN).view(1, 3, 1, 1), torch.tensor(STD).view(1, 3, 1, 1)

    order = torch.empty(0, dtype=torch.long)
    running = 0.0
    for step in range(args.steps):
        for group in optimizer.param_groups:
            group["lr"] = RATE * min(1, (step + 1) / 50) * (0.5 + 0.5 * math.cos(math.pi * step / args.steps))
        if len(order) < BATCH:
            order = torch.randperm(len(images), generator=draw)
        batch, order = images[order[:BATCH]].float().div_(255), order[BATCH:]
        pair = torch.cat([views(batch, VIEW, draw), views(batch, VIEW, draw)])
        loss = nt_xent(projection(model(((pair - mean) / std).contiguous(memory_format=torch.channels_last))))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 5.0)
        optimizer.step()
        running = loss.item() if step == 0 else 0.98 * running + 0.02 * loss.item()
        if (step + 1) % 50 == 0:
            print(f"step {step + 1}  loss {running:.3f}  {time.monotonic() - began:.0f} s", flush=True)
    preprocess = {"size": [SIZE, SIZE], "crop": 1.0, "mean": MEAN, "std": STD, "channel_order": "rgb"}
    drawn = Drawn(kind="dead-leaves", count=args.images, size=CANVAS, seed=SEED)
    update_bn(batches([drawn], preprocess, args.norms), model)
    made = {
        "objective": "simclr",
        "images": {"dead-leaves": args.images},
        "canvas": CANVAS,
        "view": VIEW,
        "batch": BATCH,
        "steps": args.steps,
        "precision": "fp32",
        "seed": SEED,
        "loss": round(running, 4),
        "minutes": round((time.monotonic() - began) / 60, 1),
    }
    card = {"arch": ARCH, "licence": "apache-2.0", "preprocess": preprocess, "made": made}
    write(model.state_dict(), args.out / "tiny.safetensors", card)


if __name__ == "__main__":
    main()
