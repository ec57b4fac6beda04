from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from graft.backbones.contract import Backbone, BackboneInfo, StageInfo
from graft.backbones.matching import LoadReport, load_into, unwrapped
from graft.errors import WeightsError
from graft.preprocess import Preprocess


def backbone(*, channels: int = 3, stages: int = 2) -> Backbone:
    grey = Preprocess(mean=(0.5,) * channels, std=(0.5,) * channels)
    rows = [
        nn.Sequential(nn.Conv2d(channels, 4, 3), nn.BatchNorm2d(4)),
        nn.Sequential(nn.Conv2d(4, 8, 3)),
    ]
    info = tuple(StageInfo(name=name, channels=c, reduction=1) for name, c in [("stem", 4), ("stage1", 8)])
    return Backbone(
        stages=rows[:stages],
        tail=nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(1), nn.Linear(8, 5))
        if stages == 2
        else nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(1)),
        info=BackboneInfo(stages=info[:stages], embed_dim=5 if stages == 2 else 4),
        preprocess=grey,
    )


WHOLE = list(backbone().state_dict())


def load(into: Backbone, state: dict[str, Tensor], **changes: Any) -> LoadReport:
    options: dict[str, Any] = {"whole": WHOLE, "classifier": ("fc",), "trained": Preprocess(), "what": "w for toy:net"}
    return load_into(into, state, **(options | changes))


def full() -> dict[str, Tensor]:
    torch.manual_seed(1)
    return {k: torch.randn(v.shape) if v.is_floating_point() else v.clone() for k, v in backbone().state_dict().items()}


def test_load_into__everything_matches() -> None:
    ours, state = backbone(), full()
    report = load(ours, {**state, "fc.weight": torch.ones(3, 5), "fc.bias": torch.ones(3)})
    assert report == LoadReport(matched=len(WHOLE), reheaded=("fc.weight", "fc.bias"))
    assert str(report) == f"{len(WHOLE)} tensors loaded, 2 of the old classifier replaced (fc.weight, fc.bias)"
    for name, tensor in ours.state_dict().items():
        assert torch.equal(tensor, state[name])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_load_into__is_float32_whatever_the_file_has(dtype: torch.dtype) -> None:
    ours, state = backbone(), full()
    load(ours, {k: v.to(dtype) if v.is_floating_point() else v for k, v in state.items()})
    for name, tensor in ours.state_dict().items():
        assert tensor.dtype == state[name].dtype
        torch.testing.assert_close(tensor, state[name].to(dtype).to(tensor.dtype))


def test_load_into__mismatch_is_a_table_and_loads_nothing() -> None:
    ours, state = backbone(), full()
    before = {name: tensor.clone() for name, tensor in ours.state_dict().items()}
    del state["stages.0.0.bias"]
    state["stages.1.0.weight"] = torch.ones(8, 4, 5, 5)
    state["layer9.weight"] = torch.ones(2)
    with pytest.raises(WeightsError) as caught:
        load(ours, state)
    assert str(caught.value).splitlines() == [
        "w for toy:net: 1 tensors missing, 1 tensors of another shape, 1 tensors without a place; "
        f"{len(WHOLE) - 2} of {len(WHOLE)} fit",
        "  stages.1.0.weight: is 8 × 4 × 5 × 5 in the file, not 8 × 4 × 3 × 3",
        "  stages.0.0.bias: missing, 4",
        "  layer9.weight: no place for it, 2",
        "Fix: are they for another architecture? graft backbones info NAME shows its stages",
    ]
    assert all(torch.equal(tensor, before[name]) for name, tensor in ours.state_dict().items())


def test_load_into__name_that_only_begins_like_the_classifier() -> None:
    with pytest.raises(WeightsError, match=r"fcx.weight: no place for it"):
        load(backbone(), {**full(), "fcx.weight": torch.ones(1)})


def test_load_into__file_that_ends_early_says_where() -> None:
    state = {name: tensor for name, tensor in full().items() if name.startswith("stages.0.")}
    with pytest.raises(WeightsError, match=r'write backbone.upto = "stem"'):
        load(backbone(), state)


def test_load_into__cut_backbone_leaves_the_rest() -> None:
    report = load(backbone(stages=1), full())
    assert report.left == tuple(name for name in WHOLE if not name.startswith("stages.0."))
    assert report.matched + len(report.left) == len(WHOLE)
    assert str(report).endswith(f"{len(report.left)} cut off")


def test_load_into__counters_of_old_files_may_be_missing() -> None:
    state = full()
    del state["stages.0.1.num_batches_tracked"]
    assert load(backbone(), state).matched == len(WHOLE) - 1


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_load_into__not_finite(value: float) -> None:
    state = full()
    state["stages.1.0.bias"][3] = value
    with pytest.raises(WeightsError, match=r"NaN or infinity in 1 tensors\n  stages.1.0.bias"):
        load(backbone(), state)


@pytest.mark.parametrize("channels", [1, 5])
def test_load_into__first_convolution_is_adapted(channels: int) -> None:
    ours, state = backbone(channels=channels), full()
    load(ours, state)
    weight = ours.state_dict()["stages.0.0.weight"]
    assert weight.shape[1] == channels
    torch.testing.assert_close(
        weight.sum(1) if channels == 1 else weight[:, 0] * channels / 3,
        state["stages.0.0.weight"].sum(1) if channels == 1 else state["stages.0.0.weight"][:, 0],
    )


def test_load_into__other_layers_are_never_adapted() -> None:
    state = full()
    state["stages.1.0.weight"] = torch.ones(8, 12, 3, 3)  # three times the channels that it should have
    with pytest.raises(WeightsError, match=r"stages.1.0.weight: is 8 × 12 × 3 × 3"):
        load(backbone(channels=1), state)


@pytest.mark.parametrize("prefix", ["module.", "model.", "backbone.", "module.model.", "_orig_mod.module."])
def test_unwrapped__prefix_of_all_names(prefix: str) -> None:
    assert unwrapped({prefix + "a.w": torch.ones(1), prefix + "b": torch.ones(1)}).keys() == {"a.w", "b"}


def test_unwrapped__prefix_of_some_names_stays() -> None:
    names = {"backbone.a", "decoder.b"}
    assert unwrapped(dict.fromkeys(names, torch.ones(1))).keys() == names


def test_unwrapped__own_bundle() -> None:
    names = {"backbone.stages.0.w", "backbone.tail.w", "head.w"}
    assert unwrapped(dict.fromkeys(names, torch.ones(1))).keys() == {"stages.0.w", "tail.w", "head.w"}
