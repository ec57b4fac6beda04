from __future__ import annotations

from typing import Any

import pytest

from graft.plugins import StrategySpec, core_plugins
from graft.strategies.auto import FAR, FEW_EPOCHS, FEW_IMAGES, FEW_SAMPLES, Situation, choose, choose_norm

USUAL: dict[str, Any] = {"per_class": FEW_SAMPLES, "shift": 0.1, "epochs_in_time": None, "pretrained": True}


@pytest.mark.parametrize(
    ("situation", "preset", "reason"),
    [
        ({}, "discriminative", "30 samples per class are enough"),
        ({"shift": FAR}, "discriminative", "30 samples per class are enough"),
        (
            {"per_class": 29.4},
            "lp-ft",
            "29 samples per class, near to what the weights were trained on (shift 0.10; far",
        ),
        (
            {"per_class": 10, "shift": FAR},
            "full",
            "10 samples per class, but far from what the weights were trained on",
        ),
        ({"per_class": 10, "shift": None}, "lp-ft", "10 samples per class"),
        ({"epochs_in_time": FEW_EPOCHS - 1}, "fixed", "the budget has time for 2 epochs of training everything"),
        ({"epochs_in_time": FEW_EPOCHS}, "discriminative", "30 samples"),
        ({"pretrained": False, "per_class": 1, "epochs_in_time": 1}, "full", "there is nothing to keep"),
    ],
)
def test_choose(situation: dict[str, Any], preset: str, reason: str) -> None:
    chosen, sentence = choose(Situation(**{**USUAL, **situation}))
    assert chosen == preset
    assert sentence.startswith(f"{preset}: ")
    assert reason in sentence
    assert "\n" not in sentence


def test_choose__presets_that_there_are() -> None:
    presets = core_plugins().specs(StrategySpec)
    for per_class in (1, 1000):
        for shift in (None, 0.0, 9.0):
            for epochs in (None, 1, 100):
                for pretrained in (True, False):
                    situation = Situation(
                        per_class=per_class, shift=shift, epochs_in_time=epochs, pretrained=pretrained
                    )
                    name, _ = choose(situation)
                    assert name in presets
                    assert presets[name].recipe["unfreeze"]["kind"] != "auto"


@pytest.mark.parametrize(
    ("batch", "pretrained", "batch_norms", "norm", "reason"),
    [
        (FEW_IMAGES - 1, True, True, "freeze", "15 images at a time are too few for statistics"),
        (FEW_IMAGES, True, True, "follow", "16 images are enough"),
        (2, False, True, "follow", "without pretrained weights"),
        (2, True, False, "follow", "none of them takes statistics over a batch"),
    ],
)
def test_choose_norm(batch: int, pretrained: bool, batch_norms: bool, norm: str, reason: str) -> None:
    chosen, why = choose_norm(batch, pretrained=pretrained, batch_norms=batch_norms)
    assert chosen == norm
    assert reason in why
