"""A scene of any size, segmented in bounded memory: peak memory, time, and whether the map lies where the scene lies.

    uv run python benchmarks/scene.py --side 8000

Trains a small model on generated land, writes a scene of four bands, and maps it with
`graft segment predict --format geotiff` in a process of its own, whose peak memory is compared with that of a scene a
quarter as large: what grows with the scene would show. In the middle of the scene the map, stitched of windows, is
compared with what the model says of a piece of three by three windows as a whole.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import rasterio
from rasterio.transform import from_origin
from rasterio.windows import Window

BANDS = ("blue", "green", "red", "nir")
RECIPE = (
    "--domain=satellite",
    'data.decoder.bands=["blue","green","red","nir"]',
    *("data.decoder.high=4000", "backbone.channels=4", "backbone.size=256", "train.epochs=4", "train.batch=4"),
    *("evaluation.bootstrap=0", "--device=cpu", "--name=model"),
)


def graft(*words: str, folder: Path) -> tuple[float, float]:
    """Run a command; return its seconds, and its peak memory in MiB."""
    program = (
        "import resource, sys; from graft.cli import main\n"
        "try:\n    main()\nfinally:\n"
        "    print('PEAK', resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, file=sys.stderr)"
    )
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", program, *words], cwd=folder, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    return time.monotonic() - began, float(done.stderr.rpartition("PEAK ")[2])


def write_scene(path: Path, side: int) -> None:
    """Write a scene in strips: it is never in memory as a whole here either."""
    draw = np.random.default_rng(0)
    profile = {"driver": "GTiff", "height": side, "width": side, "count": 4, "dtype": "uint16", "nodata": 0}
    transform = from_origin(300_000, 5_600_000, 10, 10)
    tiled = {"tiled": True, "blockxsize": 256, "blockysize": 256}
    with rasterio.open(path, "w", **profile, crs="EPSG:32633", transform=transform, **tiled) as scene:
        for number, name in enumerate(BANDS, 1):
            scene.set_band_description(number, name)
        levels = draw.integers(300, 3600, (side // 100 + 2, side // 100 + 2, 4))
        for top in range(0, side, 256):
            rows = np.arange(top, min(top + 256, side))
            fields = levels[rows[:, None] // 100, np.arange(side)[None] // 100]
            values = (fields + draw.integers(0, 200, fields.shape)).astype(np.uint16)
            values[rows < 40] = 0  # a margin without data
            scene.write(values.transpose(2, 0, 1), window=Window(0, top, side, len(rows)))


def alike(run: Path, scene: Path, mapped: Path, side: int) -> float:
    """Return the share of pixels on which a stitched map and the model on a whole piece agree, in the scene's middle.

    The piece has three windows on a side, and its middle one is compared: nothing there is near the piece's border.
    """
    import torch

    from graft.data.batch import stack_images
    from graft.plugins import load_plugins
    from graft.runs.bundle import load_bundle

    bundle = load_bundle(run, plugins=load_plugins())
    window = bundle.preprocess.size[0]
    corner = (side - 3 * window) // 2
    piece = bundle.decoder.read(scene, (corner, corner, 3 * window, 3 * window), channels=bundle.preprocess.channels)
    with torch.inference_mode():
        outputs = bundle.model(stack_images([piece]))
        whole = bundle.model.head.decode(outputs, [piece.shape[:2]])[0].mask[window : 2 * window, window : 2 * window]
    with rasterio.open(mapped) as stitched:
        same = stitched.read(1, window=Window(corner + window, corner + window, window, window)) == whole
    return float(same.mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=8000, help="Pixels on a side of the larger scene.")
    parser.add_argument("--out", type=Path, help="A JSON file for the figures.")
    given = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", str(os.cpu_count()))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        graft("data", "sample", "segment", "land", "--domain", "satellite", "--size", "128", "-q", folder=folder)
        graft("segment", "train", "land/target", *RECIPE, folder=folder)
        rows = []
        for side in (given.side // 2, given.side):
            scene = folder / f"scene-{side}.tif"
            write_scene(scene, side)
            seconds, peak = graft(
                *("segment", "predict", "runs/model", scene.name, "--format", "geotiff", "--out", "maps"), folder=folder
            )
            with rasterio.open(scene) as image, rasterio.open(folder / "maps" / scene.name) as mapped:
                same = (image.crs, image.transform, image.shape) == (mapped.crs, mapped.transform, mapped.shape)
                top = mapped.read(1, window=Window(0, 0, side, 60))
            rows.append(
                {
                    "side": side,
                    "scene_mib": round(scene.stat().st_size / 2**20),
                    "peak_mib": round(peak),
                    "seconds": round(seconds, 1),
                    "same_grid": bool(same),
                    "as_whole": round(alike(folder / "runs/model", scene, folder / "maps" / scene.name, side), 4),
                    "nodata_kept": bool((top[:40] == 255).all() and (top[41:] != 255).all()),
                }
            )
            print(json.dumps(rows[-1]))
        print(f"four times the scene takes {rows[1]['peak_mib'] / rows[0]['peak_mib']:.2f} times the memory")
    if given.out is not None:
        given.out.write_text(json.dumps({"rows": rows, "machine": os.cpu_count()}, indent=2) + "\n")


if __name__ == "__main__":
    main()
