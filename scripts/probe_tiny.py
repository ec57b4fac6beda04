"""Measure the embedded backbone on a folder of real images, `DATA/**/class/*.jpg`, against random initialisation.

    python scripts/probe_tiny.py DATA [--weights FILE] [--size 96] [--per-class 40] [--seeds 3]

Prints test accuracy of a linear probe (frozen features, standardised, logistic regression) and of a short fine-tuning
of all layers, for random weights and for the file's. A seed draws the split, the random weights and the order; both
columns of a seed see the same split.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path

import numpy as np
import timm
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import load_file
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn

WEIGHTS = Path(__file__).parents[1] / "core/src/graft/backbones/weights/tiny.safetensors"


def read(root: Path, size: int) -> tuple[Tensor, np.ndarray]:
    """Return all images `(N, 3, size, size)` 0…1 and their class numbers."""
    paths = sorted(path for path in root.rglob("*") if path.suffix.lower() in {".jpg", ".jpeg", ".png", ".bmp"})
    names = sorted({path.parent.name for path in paths})
    images = [Image.open(path).convert("RGB").resize((size, size), Image.Resampling.BILINEAR) for path in paths]
    stack = torch.from_numpy(np.stack([np.asarray(image) for image in images])).permute(0, 3, 1, 2).float() / 255
    return stack, np.array([names.index(path.parent.name) for path in paths])


def build(path: Path | None, arch: str) -> nn.Module:
    """Return the backbone in plain timm, with the file's weights or random ones."""
    model = timm.create_model(arch, num_classes=0)
    if path:
        model.load_state_dict(load_file(path))
    return model.to(memory_format=torch.channels_last)


def probe(model: nn.Module, x: Tensor, y: np.ndarray, train: np.ndarray, test: np.ndarray) -> float:
    """Return the accuracy of logistic regression on frozen features."""
    model.eval()
    with torch.inference_mode():
        features = torch.cat([model(part) for part in x.split(64)]).numpy()
    classifier = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=500))
    return float(classifier.fit(features[train], y[train]).score(features[test], y[test]))


def tune(
    model: nn.Module,
    x: Tensor,
    y: np.ndarray,
    train: np.ndarray,
    test: np.ndarray,
    *,
    epochs: int,
    lr: float,
    seed: int,
) -> float:
    """Return the accuracy after training all layers with AdamW, one cosine, and flips."""
    torch.manual_seed(seed)
    width = model(x[:2]).shape[1]
    model = nn.Sequential(model, nn.Linear(width, int(y.max()) + 1))
    groups = [{"params": model[0].parameters(), "lr": lr}, {"params": model[1].parameters(), "lr": lr}]
    optimizer = torch.optim.AdamW(groups, weight_decay=0.01)
    steps = epochs * (len(train) // 32)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, [lr, lr], total_steps=steps, pct_start=0.1)
    labels = torch.from_numpy(y)
    model.train()
    for _ in range(epochs):
        order = torch.from_numpy(np.random.default_rng(torch.randint(2**31, ()).item()).permutation(train))
        for rows in order.split(32):
            if len(rows) < 32:
                continue
            images = x[rows]
            flips = torch.rand(len(rows), 2) < 0.5
            images = torch.where(flips[:, :1, None, None], images.flip(3), images)
            images = torch.where(flips[:, 1:, None, None], images.flip(2), images)
            optimizer.zero_grad()
            F.cross_entropy(model(images), labels[rows]).backward()
            optimizer.step()
            schedule.step()
    model.eval()
    with torch.inference_mode():
        hits = model(x[test]).argmax(1).numpy() == y[test]
    return float(hits.mean())


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--per-class", type=int, default=40)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=30, help="of the fine-tuning; 0 leaves it out")
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)

    about = json.loads(args.weights.with_suffix(".json").read_text())
    x, y = read(args.data, args.size)
    shape = (1, 3, 1, 1)
    x = (x - torch.tensor(about["preprocess"]["mean"]).view(shape)) / torch.tensor(about["preprocess"]["std"]).view(
        shape
    )
    x = x.contiguous(memory_format=torch.channels_last)
    print(f"{len(y)} images, {y.max() + 1} classes, {args.size} px, {args.per_class} per class to train on")
    for name in ("probe", "fine-tuning") if args.epochs else ("probe",):
        began = time.monotonic()
        results: dict[str, list[float]] = {"random": [], "tiny": []}
        for seed in range(args.seeds):
            rng = np.random.default_rng(seed)
            order = rng.permutation(len(y))
            train = np.concatenate([order[y[order] == c][: args.per_class] for c in range(y.max() + 1)])
            test = np.setdiff1d(order, train)
            for start, path in (("random", None), ("tiny", args.weights)):
                torch.manual_seed(seed)
                model = build(path, about["arch"])
                if name == "probe":
                    results[start].append(probe(model, x, y, train, test))
                else:
                    results[start].append(tune(model, x, y, train, test, epochs=args.epochs, lr=args.lr, seed=seed))
        for start, values in results.items():
            listed = " ".join(f"{100 * value:.1f}" for value in values)
            print(f"{name:<12} {start:<7} {100 * statistics.mean(values):5.1f}   ({listed})", flush=True)
        print(f"{name:<12} took {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
