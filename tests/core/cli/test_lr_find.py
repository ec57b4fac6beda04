from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from graft.testing.commands import Graft
from photos import write_photos

QUICK = ("photos", "train.batch=8", "backbone.size=32", "--steps", "40")


@pytest.fixture
def folder(graft: Graft) -> Path:
    write_photos(graft.folder / "photos")
    return graft.folder


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {"home"}


def test_lr_find__prints_what_to_type_next(graft: Graft, folder: Path) -> None:
    result = graft("classify", "lr-find", *QUICK)
    assert result.code == 0, result.err
    assert re.fullmatch(r"strategy\.pace\.lr=\d\.\de-\d\d\n", result.out)
    assert "valley" in result.err
    assert files(folder) == {"photos", "lr-find.png"}, "no run folder"
    with Image.open(folder / "lr-find.png") as image:
        image.verify()
        assert image.format == "PNG"
    next_one = graft("classify", "train", *QUICK[:-2], result.out.strip(), "--dry-run")
    assert next_one.code == 0, next_one.err
    assert f"{float(result.out.partition('=')[2]):.1e} for the backbone" in next_one.err


def test_lr_find__json_and_another_picture(graft: Graft, folder: Path) -> None:
    words = (*QUICK, "--seed", "1", "--json", "--out", "a.svg")
    result = graft("classify", "lr-find", *words)
    assert result.code == 0, result.err
    document: dict[str, Any] = json.loads(result.out)
    steps = len(document["rates"])
    assert steps == len(document["losses"]) == len(document["smoothed"])
    assert set(document["suggestions"]) == {"valley", "steep"}
    assert set(document["suggestions"].values()) <= set(document["rates"])
    assert document["override"] == f"strategy.pace.lr={document['suggestions']['valley']:.1e}"
    assert document["picture"] == "a.svg"
    assert "<svg" in (folder / "a.svg").read_text()
    assert json.loads(graft("classify", "lr-find", *words).out) == document, "the same words, the same rate"


def test_lr_find__quiet_says_the_rate_alone(graft: Graft, folder: Path) -> None:
    result = graft("classify", "lr-find", *QUICK, "--quiet")
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith("strategy.pace.lr=")


def test_lr_find__recipe_with_mistakes(graft: Graft, folder: Path) -> None:
    (folder / "recipe.toml").write_text('data = "photos"\n[strategy.pace]\nhaed = 3\n')
    result = graft("classify", "lr-find", "--recipe", "recipe.toml", "train.batch=0")
    assert result.code == 2
    assert "strategy.pace.haed" in result.err
    assert "train.batch" in result.err
    assert "Traceback" not in result.err
    assert files(folder) == {"photos", "recipe.toml"}


@pytest.mark.parametrize(
    ("out", "message"), [("recipe.toml", ".png"), ("nowhere/a.png", "does not exist"), ("photos", ".png")]
)
def test_lr_find__not_a_place_for_a_picture(graft: Graft, folder: Path, out: str, message: str) -> None:
    (folder / "recipe.toml").write_text("mine")
    result = graft("classify", "lr-find", *QUICK, "--out", out)
    assert result.code == 2
    assert f"--out {out}" in result.err
    assert message in result.err
    assert (folder / "recipe.toml").read_text() == "mine"


def test_lr_find__too_few_steps(graft: Graft, folder: Path) -> None:
    result = graft("classify", "lr-find", "photos", "--steps", "5")
    assert result.code == 2
    assert "20" in result.err


def test_lr_find__loss_that_never_falls(graft: Graft, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr("graft.engine.lr_find.training_loss", lambda *_: torch.ones((), requires_grad=True))
    result = graft("classify", "lr-find", *QUICK)
    assert (result.code, result.out) == (1, "")
    assert "the loss does not fall" in result.err
    assert (folder / "lr-find.png").is_file(), "it shows why"
