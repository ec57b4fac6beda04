"""What the guide's page on images of patients tells people to type works as it stands."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np

from graft.testing.commands import Graft
from scans import ct, volume

PAGE = (Path(__file__).parents[2] / "docs" / "guide" / "medical.md").read_text(encoding="utf-8")
LINES = [line for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()]


def test_medical__commands(tmp_path: Path) -> None:
    graft, draw = Graft(tmp_path), np.random.default_rng(0)
    for number in range(12):
        name = f"{number:02d}"
        values = draw.integers(-100, 100, (24, 24))
        ct(tmp_path / "scans" / ("a", "b")[number % 2] / f"{name}.dcm", values, PatientID=name)
        cube = draw.integers(0, 100, (20, 24, 2)).astype(np.int16)
        volume(tmp_path / "volumes" / "images" / f"sub-{name}.nii.gz", cube)
        volume(tmp_path / "volumes" / "masks" / f"sub-{name}.nii.gz", (cube > 50).astype(np.uint8))
    assert len(LINES) == 2
    for line in LINES:
        done = graft(*shlex.split(line)[1:], "train.epochs=1", "backbone.size=32", "evaluation.bootstrap=10")
        assert done.code == 0, done.err
