from __future__ import annotations

from pathlib import Path

import pytest
import torch

from graft.backbones.importing import import_weights
from graft.console import Console
from graft.errors import UserError, WeightsError
from graft.features.candidates import here, named
from graft.plugins import core_plugins

PLUGINS = core_plugins()
SHUFFLE = "torchvision:shufflenet_v2_x0_5"


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GRAFT_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path


@pytest.fixture
def mine(own_home: Path) -> str:
    from torchvision.models import shufflenet_v2_x0_5

    state = shufflenet_v2_x0_5().state_dict()
    torch.save({k: v for k, v in state.items() if not k.startswith(("conv5", "fc"))}, own_home / "s.pth")
    import_weights(own_home / "s.pth", name="mine", arch=SHUFFLE, plugins=PLUGINS, upto="stage4")
    return "mine"


def test_named__every_form(mine: str) -> None:
    words = ["tiny", "resnet18", SHUFFLE, f"{SHUFFLE}@{mine}", "resnet18@none", "resnet18@some/file.pth"]
    found = named(words, plugins=PLUGINS)
    assert [(one.name, one.section.weights, one.section.upto) for one in found] == [
        ("graft:tiny", "pretrained", None),
        ("timm:resnet18", "pretrained", None),
        (SHUFFLE, "pretrained", None),
        (f"{SHUFFLE}@mine", "mine", "stage4"),
        ("timm:resnet18@none", "none", None),
        ("timm:resnet18@some/file.pth", "some/file.pth", None),
    ]


def test_named__imported_weights_know_their_architecture(mine: str) -> None:
    (alone,) = named([mine], plugins=PLUGINS, size=64)
    assert alone == named([f"{SHUFFLE}@{mine}"], plugins=PLUGINS, size=64)[0]
    assert alone.overrides == [
        f"backbone.kind={SHUFFLE}",
        "backbone.weights=mine",
        "backbone.upto=stage4",
        "backbone.size=64",
    ]


def test_named__all_mistakes_at_once() -> None:
    with pytest.raises(UserError) as caught:
        named(["reznet18", "tiny", "graft:tiny", "timmy:resnet18"], plugins=PLUGINS)
    assert [problem.where for problem in caught.value.problems] == ["reznet18", "graft:tiny", "timmy:resnet18"]


def test_here__embedded_imported_and_cached(own_home: Path, mine: str) -> None:
    console = Console(quiet=True)
    assert [one.name for one in here(plugins=PLUGINS, console=console)] == ["graft:tiny", f"{SHUFFLE}@mine"]
    hub = own_home / "home" / "hub"
    hub.mkdir()
    (hub / "resnet18-f37072fd.pth").touch()
    snapshot = own_home / "hub" / "models--timm--mobilenetv3_small_050.lamb_in1k"
    (snapshot / "refs").mkdir(parents=True)
    (snapshot / "refs" / "main").write_text("1" * 40)
    (snapshot / "snapshots" / ("1" * 40)).mkdir(parents=True)
    (snapshot / "snapshots" / ("1" * 40) / "model.safetensors").touch()
    found = here(plugins=PLUGINS, console=console, size=96)
    assert [one.name for one in found] == [
        "graft:tiny",
        "timm:mobilenetv3_small_050.lamb_in1k",
        "torchvision:resnet18.IMAGENET1K_V1",
        f"{SHUFFLE}@mine",
    ]
    assert all(one.section.size == 96 for one in found)
    assert console.warnings == []


def test_here__a_source_that_fails_costs_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: object, arch: str) -> object:
        raise WeightsError("no list of weights")

    monkeypatch.setattr("graft.backbones.torchvision_source.TorchvisionSource.tagged", broken)
    console = Console(quiet=True)
    assert [one.name for one in here(plugins=PLUGINS, console=console)] == ["graft:tiny"]
    assert console.warnings == ["backbones of 'torchvision' are left out: no list of weights"]
