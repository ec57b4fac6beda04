"""The name of a calculation changes with everything that its result depends on, and with nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from torch import nn

from graft.features import fingerprint
from graft.features.fingerprint import key_of, space_of, weights_of
from graft.features.store import KEY_BYTES
from graft.preprocess import Preprocess


def network(activation: type[nn.Module] = nn.ReLU, *, eps: float = 1e-5) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, eps=eps), activation())


def name(module: nn.Module | None = None, **changes: object) -> str:
    given: dict[str, object] = {"gives": "embedding", "preprocess": Preprocess(), "device": "cpu", "among": 32}
    return space_of(module or network(), **{**given, **changes})[0]  # type: ignore[arg-type]


def test_space__is_the_same_for_the_same() -> None:
    assert name() == name()
    assert len(name()) == 32


def test_space__one_bit_of_one_weight() -> None:
    other = network()
    with torch.no_grad():
        other[0].weight.view(torch.int32)[0, 0, 0, 0] ^= 1  # type: ignore[index,operator,union-attr]
    assert name(other) != name()


@pytest.mark.parametrize("buffer", ["running_mean", "running_var", "num_batches_tracked"])
def test_space__buffers(buffer: str) -> None:
    other = network()
    getattr(other[1], buffer).add_(1)  # type: ignore[index]
    assert name(other) != name()


def test_space__the_same_tensors_used_in_another_way() -> None:
    assert len({name(network(kind)) for kind in (nn.ReLU, nn.GELU, nn.Identity)}) == 3
    assert name(network(eps=1e-3)) != name()


class Table(nn.Module):
    """A module that does not say what is in it."""

    def __init__(self, tensor: torch.Tensor) -> None:
        super().__init__()
        self.tensor = nn.Parameter(tensor, requires_grad=False)


def test_space__types_and_shapes() -> None:
    tensors = torch.zeros(4, 1), torch.zeros(2, 2), torch.zeros(4, 1, dtype=torch.int32), torch.zeros(8, 1).half()
    assert len({weights_of(Table(tensor)) for tensor in tensors}) == 4
    assert weights_of(Table(tensors[0]), Table(tensors[1])) != weights_of(Table(tensors[1]), Table(tensors[0]))


def changes() -> Iterator[dict[str, object]]:
    yield {"gives": "stage1, pooled by gap"}
    yield {"device": "mps"}
    yield {"precision": "bf16"}
    yield {"among": 16}
    yield {"channels_last": True}
    others = {"size": (96, 96), "resize": "squash", "crop": 0.9, "interpolation": "bicubic", "channel_order": "bgr"}
    for key, value in {**others, "mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}.items():
        yield {"preprocess": replace(Preprocess(), **{key: value})}  # type: ignore[arg-type]


@pytest.mark.parametrize("change", list(changes()), ids=str)
def test_space__all_else_that_changes_a_bit(change: dict[str, object]) -> None:
    assert name(**change) != name()


def test_space__the_graphics_card(monkeypatch: pytest.MonkeyPatch) -> None:
    found = set()
    for card in ("A100", "H100"):
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda card=card: card)
        found.add(name(device="cuda"))
    assert len(found) == 2


def test_space__versions(monkeypatch: pytest.MonkeyPatch) -> None:
    before = name()
    assert {"torch", "timm", "pillow", "graft-core"} <= set(fingerprint._libraries())
    monkeypatch.setattr(fingerprint, "_libraries", lambda: {"torch": "9.9"})
    assert name() != before


def test_key__by_image_and_view() -> None:
    keys = [key_of("ab"), key_of("ac"), key_of("ab", "flip 1"), key_of("ab", "flip 2"), key_of("ab", "pixels")]
    assert len(set(keys)) == len(keys)
    assert {len(key) for key in keys} == {KEY_BYTES}
    assert key_of("ab", "flip 1") == keys[2]
    assert key_of("ab", "\udcff") != keys[0], "a name that is no UTF-8"
