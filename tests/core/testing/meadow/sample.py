"""Sample data."""

import json

import numpy as np
from PIL import Image

LEVELS = {"green": 60, "red": 150, "rotten": 230}


def write_berries(folder, *, seed, size, per_class):
    written = 0
    for part in ("source", "target"):
        for split in ("train", "val", "test"):
            own = folder / part / split
            own.mkdir(parents=True)
            lines = []
            for word, level in LEVELS.items():
                for number in range(2 * per_class):
                    draw = np.random.default_rng([seed, written])
                    pixels = np.clip(draw.normal(level, 30, (size, size, 3)), 0, 255).astype(np.uint8)
                    Image.fromarray(pixels).save(own / f"{word}{number}.png")
                    lines.append(json.dumps({"image": f"{word}{number}.png", "ripeness": word}))
                    written += 1
            (own / "labels.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "README.txt").write_text("Berries.\n", encoding="utf-8")
    return written
