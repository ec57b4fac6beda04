"""A small member of each family of torchvision's, against torchvision's own forward."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torchvision.models
from torch import Tensor
from torchvision.models import get_model, list_models

from graft.backbones.cut import differs
from graft.backbones.torchvision_source import FAMILIES, TorchvisionSource, family_of
from graft.errors import WeightsError

REDUCTIONS = {
    "resnet18": [2, 4, 8, 16, 32],
    "vgg11": [1, 2, 4, 8, 16, 32],
    "densenet121": [2, 4, 8, 16, 32],
    "mobilenet_v2": [2, 4, 8, 16, 32],
    "mobilenet_v3_small": [2, 4, 8, 16, 32],
    "efficientnet_b0": [2, 4, 8, 16, 32],
    "convnext_tiny": [4, 4, 8, 16, 32],
    "regnet_y_400mf": [2, 4, 8, 16, 32],
    "shufflenet_v2_x0_5": [2, 4, 8, 16, 32],
    "mnasnet0_5": [2, 4, 8, 16, 32],
}


@pytest.fixture(scope="module")
def source() -> TorchvisionSource:
    return TorchvisionSource()


def tapped(model: Any, module: str) -> dict[str, Tensor]:
    """Keep what goes into and comes out of a module."""
    seen: dict[str, Tensor] = {}
    model.get_submodule(module).register_forward_hook(
        lambda _, args, out: seen.update(given=args[0].clone(), out=out.clone())
    )
    return seen


@pytest.mark.parametrize("arch", REDUCTIONS)
def test_build__same_network_as_torchvisions(arch: str, source: TorchvisionSource) -> None:
    torch.manual_seed(0)
    whole = get_model(arch, weights=None).eval()
    backbone = source.build(arch).eval()
    state = source.convert(arch, whole.state_dict())
    ours = backbone.state_dict()
    (classifier,) = source.classifier(arch)
    assert {name for name in state if name not in ours} == {f"{classifier}.weight", f"{classifier}.bias"}
    backbone.load_state_dict({name: tensor for name, tensor in state.items() if name in ours})

    last = list(backbone.stages[-1].named_modules())[1:]
    row = next(name for name, _ in last)
    inner = list(dict(backbone.stages[-1].get_submodule(row).named_children()))[-1]
    end = tapped(whole, f"{row}.{inner}" if arch != "resnet18" else "layer4")
    seen = tapped(whole, classifier)

    def run(x: Tensor) -> None:
        whole(x)

    said = differs(
        backbone,
        features=lambda x: (run(x), end["out"])[1],
        embedding=lambda x: (run(x), seen["given"])[1],
        size=64,
    )
    assert said is None
    assert [stage.reduction for stage in backbone.info.stages] == REDUCTIONS[arch]
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        maps = backbone.pyramid(x)
        assert [h.shape[1] for h in maps] == [stage.channels for stage in backbone.info.stages]
        for i in range(len(maps) + 1):
            assert torch.equal(backbone.suffix(backbone.prefix(x, i), i), maps[-1])


def test_family_of__every_family_is_tested() -> None:
    assert {family_of(arch) for arch in REDUCTIONS} == set(FAMILIES)


def test_names__is_every_architecture_of_the_families(source: TorchvisionSource) -> None:
    assert list(source.names()) == sorted(a for a in list_models(module=torchvision.models) if family_of(a))


def test_build__shufflenet_stages_are_called_as_torchvision_calls_them(source: TorchvisionSource) -> None:
    backbone = source.build("shufflenet_v2_x0_5")
    for stage, module in zip(backbone.info.stages, backbone.stages, strict=True):
        if stage.name in ("stage2", "stage3", "stage4"):
            assert [name for name, _ in module.named_children()] == [stage.name]
    assert backbone.info.embed_dim == 1024


@pytest.mark.parametrize("channels", [1, 5])
@pytest.mark.parametrize("arch", ["shufflenet_v2_x0_5", "mobilenet_v3_small"])
def test_build__other_channels(arch: str, channels: int, source: TorchvisionSource) -> None:
    backbone = source.build(arch, channels=channels).eval()
    assert backbone.preprocess.channels == channels
    assert backbone.embed(torch.randn(1, channels, 64, 64)).shape == (1, backbone.info.embed_dim)


def test_build__refusals_say_why(source: TorchvisionSource) -> None:
    with pytest.raises(WeightsError, match="'googlenet' cannot be cut into stages"):
        source.build("googlenet")
    with pytest.raises(WeightsError, match="no architecture 'mobilenetv2': did you mean 'mobilenet_v2'"):
        source.build("mobilenetv2")
    with pytest.raises(WeightsError, match=r"resnet50\.IMAGENET1K_V1, resnet50\.IMAGENET1K_V2"):
        source.pretrained("resnet50.V3")


def test_pretrained__what_torchvision_records(source: TorchvisionSource) -> None:
    info = source.pretrained("resnet50.IMAGENET1K_V1")
    assert info is not None
    assert info.top1 == pytest.approx(0.7613)
    assert info.name == "resnet50.IMAGENET1K_V1"
    assert info.origin == "https://download.pytorch.org/models/resnet50-0676ba61.pth"
    assert info.licence is None
    assert info.preprocess.size == (224, 224)
    assert info.preprocess.crop == 0.875
    assert source.tagged("resnet50") == ("resnet50.IMAGENET1K_V1", "resnet50.IMAGENET1K_V2")
