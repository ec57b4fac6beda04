"""Trunks against ultralytics' own network, and the files of weights that they are read from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from graft.backbones import architectures, build_backbone
from graft.errors import WeightsError
from graft.plugins import BackboneSpec, Plugins, load_plugins
from graft.recipe.schema import Backbone
from graft_yolo.trunks import YoloSource, cut_of

SMALL = ("yolov8n", "yolo11n", "yolo26n")


@pytest.fixture(scope="module")
def plugins() -> Plugins:
    return load_plugins(names=["detection", "yolo"])


def whole(arch: str) -> Any:
    """Return ultralytics' own network, with norms that have seen something."""
    from ultralytics.nn.tasks import DetectionModel

    import graft_yolo._ultralytics  # noqa: F401  # first, for it is quiet

    torch.manual_seed(0)
    model = DetectionModel(f"{arch}.yaml", nc=3, verbose=False)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    return model


def test_index__is_what_is_built(plugins: Plugins) -> None:
    listed = architectures(plugins.specs(BackboneSpec)["yolo"])
    assert tuple(listed) == YoloSource().names()
    for arch, reductions in listed.items():
        assert tuple(stage.reduction for stage in cut_of(arch).info.stages) == reductions


@pytest.mark.parametrize("arch", SMALL)
def test_build__is_ultralytics_trunk_in_stages(arch: str) -> None:
    model = whole(arch).eval()
    source = YoloSource()
    backbone = source.build(arch).eval()
    state = source.convert(arch, model.state_dict())
    rest = {name: tensor for name, tensor in state.items() if name not in backbone.state_dict()}
    assert all(name.startswith(tuple(f"{layer}." for layer in source.classifier(arch))) for name in rest)
    backbone.load_state_dict({name: tensor for name, tensor in state.items() if name not in rest})
    x = torch.rand(2, 3, 96, 64)
    with torch.no_grad():
        maps, layer = [], x
        for number in range(len(model.yaml["backbone"])):
            layer = model.model[number](layer)
            maps.append(layer)
        ours = backbone.pyramid(x)
        for i in range(1, 5):
            assert torch.equal(backbone.suffix(backbone.prefix(x, i), i), ours[-1])
    assert [tuple(one.shape[2:]) for one in ours] == [(96 // r, 64 // r) for r in (2, 4, 8, 16, 32)]
    assert torch.equal(ours[-1], maps[-1])
    assert torch.equal(ours[2], maps[4])
    assert torch.equal(ours[3], maps[6])


def test_build__stages_share_nothing() -> None:
    """Else the mode of one, which says whether it is frozen, would be that of the others."""
    backbone = YoloSource().build("yolo11n")
    modules = [{id(module) for module in stage.modules()} for stage in backbone.stages]
    assert sum(map(len, modules)) == len(set.union(*modules))
    other = YoloSource().build("yolo11n")
    assert not {id(module) for module in other.modules()} & set.union(*modules)


def test_build__images_as_ultralytics_has_them() -> None:
    preprocess = YoloSource().build("yolo11n", channels=4).preprocess
    assert (preprocess.mean, preprocess.std) == ((0.0,) * 4, (1.0,) * 4)
    assert preprocess.channel_order == "rgb"


@pytest.mark.parametrize("arch", ["yolo12n", "yolo11"])
def test_build__says_which_there_are(arch: str) -> None:
    with pytest.raises(WeightsError, match=rf"no YOLO '{arch}'.*\nFix: graft backbones list --source yolo"):
        YoloSource().build(arch)


@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
def test_weights__plain_tensors_are_read_and_what_was_taken_is_said(
    suffix: str, plugins: Plugins, tmp_path: Path
) -> None:
    model = whole("yolo11n").half()
    path = tmp_path / f"yolo{suffix}"
    if suffix == ".pt":
        torch.save({"epoch": 3, "model": model.state_dict()}, path)
    else:
        save_file(model.state_dict(), path)
    loaded = build_backbone(Backbone(kind="yolo11n", weights=str(path)), plugins=plugins)
    ours = loaded.backbone.state_dict()
    assert torch.equal(ours["stages.0.model.0.conv.weight"], model.model[0].conv.weight.float())
    assert loaded.report is not None
    assert loaded.report.matched == len(ours)
    assert len(loaded.report.reheaded) == len(model.state_dict()) - len(ours)


def test_weights__of_another_size_do_not_fit(plugins: Plugins, tmp_path: Path) -> None:
    save_file(whole("yolov8n").state_dict(), tmp_path / "w.safetensors")
    with pytest.raises(WeightsError, match=r"w\.safetensors for yolo:yolov8s: .* of another shape"):
        build_backbone(Backbone(kind="yolov8s", weights=str(tmp_path / "w.safetensors")), plugins=plugins)


def test_weights__ultralytics_own_file_is_refused_with_the_way_out(plugins: Plugins, tmp_path: Path) -> None:
    """Its own files hold the whole model as an object."""
    torch.save({"epoch": -1, "model": whole("yolo11n"), "ema": None}, tmp_path / "yolo11n.pt")
    with pytest.raises(WeightsError, match="refused: this pickle holds more than tensors") as caught:
        build_backbone(Backbone(kind="yolo11n", weights=str(tmp_path / "yolo11n.pt")), plugins=plugins)
    assert "YOLO('yolo.pt').model.float().state_dict()" in str(caught.value)


class Reduced:
    """Pickled, it is a call that whoever loads it makes."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


def test_weights__hostile_file_is_refused_and_nothing_runs(plugins: Plugins, tmp_path: Path) -> None:
    trace, path = tmp_path / "it-ran", tmp_path / "w.pt"
    torch.save({"model": Reduced(trace)}, path)
    with pytest.raises(WeightsError, match="refused: this pickle holds more than tensors"):
        build_backbone(Backbone(kind="yolo11n", weights=str(path)), plugins=plugins)
    assert not trace.exists()
