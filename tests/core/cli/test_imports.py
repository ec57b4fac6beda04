"""What the start of `graft` may cost: modules, and time. In processes of their own, for nothing may be there before."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("torch", "torchvision", "timm", "lightning", "albumentations", "sklearn", "scipy", "matplotlib", "cv2", "onnx")

PROGRAM = f"""
import sys
from graft.cli import main
try:
    main()
finally:
    print("HEAVY", *sorted(set(sys.modules) & set({HEAVY})), file=sys.stderr)
"""

BARE = """
import typer
app = typer.Typer()

@app.command()
def one() -> None:
    "Do one thing."

@app.command()
def two() -> None:
    "Do another."

app()
"""

RECIPE = """
task = "classification"
backbone = "resnet50"
strategy = { preset = "fixed" }

[data]
train = "photos"
"""


@pytest.mark.parametrize(
    "arguments",
    [
        ("--help",),
        ("--version",),
        ("plugins", "list"),
        ("plugins", "info", "classification"),
        ("doctor", "--fast"),
        ("recipe", "check", "recipe.toml"),
        ("strategies", "list"),
        ("classify", "train", "--help"),
        ("features", "extract", "--help"),
        ("cache", "list", "--json"),
        ("backbones", "rank", "--help"),
    ],
    ids=" ".join,
)
def test_start__imports_nothing_heavy(work: Path, arguments: tuple[str, ...]) -> None:
    (work / "recipe.toml").write_text(RECIPE, encoding="utf-8")
    (work / "photos").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments], cwd=work, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout
    assert done.stderr.splitlines()[-1] == "HEAVY"


@pytest.mark.parametrize(
    "module",
    ["graft", "graft.errors", "graft.plugins", "graft.recipe", "graft.cli", "graft.data.samples", "graft.features"],
)
def test_module__imports_nothing_heavy(work: Path, module: str) -> None:
    program = f"import sys, {module}; print(*sorted(set(sys.modules) & set({HEAVY})))"
    done = subprocess.run([sys.executable, "-c", program], cwd=work, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_help__takes_at_most_twice_a_bare_app(work: Path, tmp_path: Path) -> None:
    """Measured in turn, best of five, with compiled bytecode for both; CPU time, for others may be busy here too."""
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(tmp_path / "pyc"), "PYTHONDONTWRITEBYTECODE": ""}
    programs = (BARE, "from graft.cli import main; main()")
    best = [float("inf")] * len(programs)
    for _ in range(1 + 5):  # the first one compiles
        for index, program in enumerate(programs):
            start = os.times()
            subprocess.run(
                [sys.executable, "-c", program, "--help"], cwd=work, env=environment, capture_output=True, check=True
            )
            end = os.times()
            spent = (end.children_user - start.children_user) + (end.children_system - start.children_system)
            best[index] = min(best[index], spent)
    bare, graft = best
    print(f"--help: {graft:.2f} s of CPU, bare {bare:.2f} s, {graft / bare:.2f} times")
    assert graft <= 2 * bare
