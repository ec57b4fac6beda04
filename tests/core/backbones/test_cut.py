from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from graft.backbones.contract import Backbone
from graft.backbones.cut import CannotCut, assemble, differs, plan, truncate
from graft.preprocess import Preprocess


def conv(channels: int, out: int, *, stride: int = 1, kernel: int = 3) -> nn.Conv2d:
    return nn.Conv2d(channels, out, kernel, stride=stride, padding=kernel // 2)


class Net(nn.Module):
    """Stem at half the size, one row of blocks, a convolution that belongs to the pooled embedding."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = conv(3, 4, stride=2)
        self.act = nn.ReLU()
        self.blocks = nn.Sequential(conv(4, 6, stride=2), conv(6, 6), conv(6, 8, stride=2), nn.Sequential(conv(8, 8)))
        self.conv_head = conv(8, 16, kernel=1)
        self.pool = nn.AdaptiveAvgPool2d(1)

    def features(self, x: Tensor) -> Tensor:
        return self.blocks(self.act(self.stem(x)))

    def embedding(self, x: Tensor) -> Tensor:
        return self.pool(self.conv_head(self.features(x))).flatten(1)


def cut_net(model: nn.Module, *, end: str = "blocks") -> Backbone:
    return assemble(model, plan(model, end=end, size=64), preprocess=Preprocess()).eval()


def test_plan__cuts_before_each_drop_in_resolution() -> None:
    cut = plan(Net(), end="blocks", size=64)
    assert cut.stages == (("stem", "act"), ("blocks.0", "blocks.1"), ("blocks.2", "blocks.3"))
    assert cut.tail == ("conv_head", "pool")
    assert [(s.name, s.channels, s.reduction) for s in cut.info.stages] == [
        ("stem", 4, 2),
        ("stage1", 6, 4),
        ("stage2", 8, 8),
    ]
    assert cut.info.embed_dim == 16


def test_plan__works_without_memory() -> None:
    with torch.device("meta"):
        model = Net()
    assert plan(model, end="blocks", size=64) == plan(Net(), end="blocks", size=64)


def test_assemble__names_are_the_old_ones_behind_a_prefix() -> None:
    model = Net()
    cut = plan(model, end="blocks", size=64)
    backbone = assemble(model, cut, preprocess=Preprocess())
    assert set(backbone.state_dict()) == set(cut.names.values())
    assert cut.names["blocks.3.0.weight"] == "stages.2.blocks.3.0.weight"
    assert cut.names["conv_head.bias"] == "tail.conv_head.bias"
    for old, new in cut.names.items():
        assert backbone.state_dict()[new].data_ptr() == model.state_dict()[old].data_ptr()


def test_assemble__computes_the_same_in_two_halves() -> None:
    model = Net().eval()
    backbone = cut_net(model)
    assert differs(backbone, features=model.features, embedding=model.embedding, size=64) is None
    x = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        for i in range(len(backbone.stages) + 1):
            assert torch.equal(backbone.suffix(backbone.prefix(x, i), i), model.features(x))
        assert [tuple(h.shape) for h in backbone.pyramid(x)] == [(2, 4, 32, 32), (2, 6, 16, 16), (2, 8, 8, 8)]


def test_plan__unpadded_convolutions_start_no_stage() -> None:
    model = nn.Module()
    model.row = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2), nn.Conv2d(4, 4, 3), nn.Conv2d(4, 4, 3, stride=2))
    model.pool = nn.AdaptiveAvgPool2d(1)
    cut = plan(model, end="row", size=75)
    assert [stage.reduction for stage in cut.info.stages] == [2, 4]


def test_plan__stem_that_reduces_by_four_is_a_stage_of_its_own() -> None:
    model = nn.Module()
    model.stem = nn.Sequential(conv(3, 4, stride=4), nn.BatchNorm2d(4))
    model.stages = nn.Sequential(conv(4, 4), conv(4, 8, stride=2))
    model.pool = nn.AdaptiveAvgPool2d(1)
    cut = plan(model, end="stages", size=64)
    assert cut.stages == (("stem.0", "stem.1"), ("stages.0",), ("stages.1",))
    assert [(s.name, s.reduction) for s in cut.info.stages] == [("stem", 4), ("stage1", 4), ("stage2", 8)]


class TwoInputs(nn.Module):
    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return x + y


class Pair(nn.Module):
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x, x


class Tokens(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(2)


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        (TwoInputs(), "'odd' does not take the output"),
        (Pair(), "'odd' gives tuple, not one tensor"),
        (Tokens(), r"'odd' gives no feature map \(B, C, H, W\), but \(1, 4, 1024\)"),
        (nn.Upsample(scale_factor=2), "'odd' gives no feature map"),
    ],
)
def test_plan__no_chain_of_feature_maps(module: nn.Module, reason: str) -> None:
    model = nn.Module()
    model.stem = conv(3, 4, stride=2)
    model.odd = module
    model.last = conv(4, 4)
    with pytest.raises(CannotCut, match=reason):
        plan(model, end="last", size=64)


def test_plan__parameters_outside_of_the_chain() -> None:
    model = Net()
    model.scale = nn.Parameter(torch.ones(1))
    with pytest.raises(CannotCut, match="'scale' belongs to no module"):
        plan(model, end="blocks", size=64)


def test_plan__end_inside_of_a_module() -> None:
    with pytest.raises(CannotCut, match=r"inside of a module \('blocks.3.0'\)"):
        plan(Net(), end="blocks.3.0", size=64)


def test_differs__forward_that_is_not_its_children_in_order() -> None:
    model = Net().eval()
    said = differs(cut_net(model), features=lambda x: model.features(x) * 2, embedding=model.embedding, size=64)
    assert said == "its modules in order do not give its own feature map"
    said = differs(cut_net(model), features=model.features, embedding=lambda x: model.embedding(x) + 1, size=64)
    assert said == "its modules in order do not give its own embedding"


def test_differs__stage_that_writes_into_its_input() -> None:
    model = Net().eval()
    model.blocks[0] = nn.Sequential(nn.Hardtanh(0.0, 0.1, inplace=True), conv(4, 6, stride=2))
    said = differs(cut_net(model), features=model.features, embedding=model.embedding, size=64)
    assert said == "stage1 writes into its input"


def test_truncate__ends_in_the_average_of_the_stage() -> None:
    whole = cut_net(Net())
    cut = truncate(whole, "stage1").eval()
    assert [stage.name for stage in cut.info.stages] == ["stem", "stage1"]
    assert cut.info.embed_dim == 6
    x = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(cut.suffix(x, 0), whole.prefix(x, 2))
        torch.testing.assert_close(cut.embed(x), whole.prefix(x, 2).mean((2, 3)))
    with pytest.raises(KeyError):
        truncate(whole, "stage3")
