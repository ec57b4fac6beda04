"""The examples run as they stand."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import pytest

from photos import write_photos

ROOT = Path(__file__).parents[2]


def test_train_and_predict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    write_photos(tmp_path / "photos")
    write_photos(tmp_path / "new", per_class=1)
    (tmp_path / "new" / "broken.png").write_bytes(b"no picture")
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GRAFT_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(sys, "argv", ["train_and_predict.py", "photos", "new"])
    runpy.run_path(str(ROOT / "examples" / "train_and_predict.py"), run_name="__main__")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("accuracy ")
    assert len(lines) == 1 + 4
    assert sum("broken.png" in line for line in lines) == 1
