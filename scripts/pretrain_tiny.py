"""Make the embedded backbone: SimCLR on generated dead-leaves images, no photograph and no label involved.

    python scripts/pretrain_tiny.py                       # the shipped file, again
    python scripts/pretrain_tiny.py --minutes 10          # as far as ten minutes go: the schedule ends there
    python scripts/pretrain_tiny.py --steps 20000 --images 20000 --threads 8

Writes `tiny.safetensors` (timm's tensor names, float16) and `tiny.json` into `--out`, and prints the hash. The same
arguments on the same machine with the same number of threads give the same file; `--minutes` gives that up.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import time
from pathlib import Path

import timm
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor, nn

from graft.data.generate import dead_leaves

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
TEMPERATURE = 0.2
WEIGHTS = Path(__file__).parents[1] / "core/src/graft/backbones/weights"


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


def save(model: nn.Module, out: Path, name: str, card: dict[str, object]) -> str:
    """Write the weights and what goes with them; return the SHA-256 of the weights."""
    state = {
        key: value.half().contiguous() if value.is_floating_point() else value
        for key, value in model.state_dict().items()
    }
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"{name}.safetensors"
    save_file(state, path.with_suffix(".tmp"))
    path.with_suffix(".tmp").chmod(0o644)  # it is packaged with the mode that it has
    path.with_suffix(".tmp").replace(path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    (out / f"{name}.json").write_text(json.dumps({**card, "sha256": digest}, indent=2) + "\n", encoding="utf-8")
    return digest


def main() -> None:
    """Generate, train, save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arch", default="test_resnet", help="a timm architecture")
    parser.add_argument("--images", type=int, default=3000, help="generated images")
    parser.add_argument("--canvas", type=int, default=72, help="their side in pixels")
    parser.add_argument("--view", type=int, default=48, help="side of a training view in pixels")
    parser.add_argument("--batch", type=int, default=96, help="images of a step, two views each")
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--minutes", type=float, help="end after this wall time, whatever --steps says")
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--bf16", action="store_true", help="train in bfloat16, where the processor is fast in it")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    parser.add_argument("--name", default="tiny")
    args = parser.parse_args()

    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    draw = torch.Generator().manual_seed(args.seed)
    began = time.monotonic()
    images = torch.from_numpy(dead_leaves(args.images, size=args.canvas, seed=args.seed)).permute(0, 3, 1, 2)
    print(f"{args.images} images in {time.monotonic() - began:.0f} s", flush=True)

    model = timm.create_model(args.arch, num_classes=0).to(memory_format=torch.channels_last)
    width = model(torch.zeros(2, 3, args.view, args.view)).shape[1]
    projection = nn.Sequential(nn.Linear(width, 256, bias=False), nn.BatchNorm1d(256), nn.ReLU(), nn.Linear(256, 64))
    parameters = [*model.parameters(), *projection.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=args.lr, weight_decay=1e-4)
    mean, std = torch.tensor(MEAN).view(1, 3, 1, 1), torch.tensor(STD).view(1, 3, 1, 1)

    def card(steps: int, loss: float) -> dict[str, object]:
        return {
            "arch": args.arch,
            "licence": "apache-2.0",
            "preprocess": {"size": [96, 96], "crop": 1.0, "mean": MEAN, "std": STD, "channel_order": "rgb"},
            "made": {
                "objective": "simclr",
                "images": args.images,
                "canvas": args.canvas,
                "view": args.view,
                "batch": args.batch,
                "steps": steps,
                "precision": "bf16" if args.bf16 else "fp32",
                "seed": args.seed,
                "loss": round(loss, 4),
                "minutes": round((time.monotonic() - began) / 60, 1),
            },
        }

    order = torch.empty(0, dtype=torch.long)
    running, started, step = 0.0, time.monotonic(), 0
    while True:
        done = step / args.steps
        if args.minutes:
            done = max(done, (time.monotonic() - began) / 60 / args.minutes)
        if done >= 1:
            break
        for group in optimizer.param_groups:
            group["lr"] = args.lr * min(1, (step + 1) / 50) * (0.5 + 0.5 * math.cos(math.pi * done))
        if len(order) < args.batch:
            order = torch.randperm(len(images), generator=draw)
        batch, order = images[order[: args.batch]].float().div_(255), order[args.batch :]
        pair = torch.cat([views(batch, args.view, draw), views(batch, args.view, draw)])
        pair = ((pair - mean) / std).contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16, enabled=args.bf16):
            projected = projection(model(pair))
        loss = nt_xent(projected)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 5.0)
        optimizer.step()
        step += 1
        running = loss.item() if step == 1 else 0.98 * running + 0.02 * loss.item()
        if step % 50 == 0:
            print(f"step {step}  loss {running:.3f}  {(time.monotonic() - started) / step:.3f} s/step", flush=True)
        if step % 250 == 0:
            save(model, args.out, args.name, card(step, running))
    digest = save(model, args.out, args.name, card(step, running))
    print(f"{step} steps, loss {running:.3f}, sha256 {digest}")


if __name__ == "__main__":
    main()
