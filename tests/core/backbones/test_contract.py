"""Gradient checkpointing: the same training to the last bit, in less memory."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from graft.backbones.contract import Backbone
from graft.backbones.timm_source import TimmSource
from graft.backbones.torchvision_source import TorchvisionSource
from shades import Source

IMAGES = torch.randn(4, 3, 64, 64, generator=torch.Generator().manual_seed(0))

NETWORKS: dict[str, Callable[[], Backbone]] = {
    "norms and dropout": lambda: Source().build("bits"),
    "timm": lambda: TimmSource().build("mobilenetv3_small_050", stochastic_depth=0.5),
    "torchvision": lambda: TorchvisionSource().build("resnet18"),
}


def network(name: str, checkpointing: bool) -> Backbone:
    torch.manual_seed(1)
    backbone = NETWORKS[name]().train()
    backbone.checkpointing = checkpointing
    return backbone


def held(forward: Callable[[], Tensor]) -> tuple[Tensor, int]:
    """Return the outcome and the bytes that are held for its gradient."""
    seen: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        seen[tensor.data_ptr()] = tensor.nbytes
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        outcome = forward()
    return outcome, sum(seen.values())


@pytest.mark.parametrize("use", ["embed", "pyramid"])
@pytest.mark.parametrize("name", NETWORKS)
def test_checkpointing__same_to_the_last_bit_in_less_memory(name: str, use: str) -> None:
    outcomes = []
    for checkpointing in (False, True):
        backbone = network(name, checkpointing)
        torch.manual_seed(2)
        losses, sizes = [], []
        for _ in range(2):
            if use == "embed":
                loss, size = held(lambda: backbone.embed(IMAGES).square().sum())  # noqa: B023
            else:
                loss, size = held(lambda: torch.stack([h.square().mean() for h in backbone.pyramid(IMAGES)]).sum())  # noqa: B023
            loss.backward()
            losses.append(loss)
            sizes.append(size)
        gradients = {n: p.grad for n, p in backbone.named_parameters() if p.grad is not None}
        outcomes.append((losses, gradients, dict(backbone.named_buffers()), torch.rand(3), sizes))
    plain, less = outcomes
    assert plain[0] == less[0]
    for kind in (1, 2):
        assert plain[kind].keys() == less[kind].keys()
        for key, tensor in plain[kind].items():
            assert torch.equal(tensor, less[kind][key]), key
    assert torch.equal(plain[3], less[3]), "the random state goes on as if nothing was calculated again"
    assert max(less[4]) < 0.7 * min(plain[4])


def test_checkpointing__what_is_frozen_is_calculated_once() -> None:
    backbone = network("norms and dropout", True)
    runs = [0, 0]

    def count(index: int) -> Callable[..., None]:
        def hook(*_: object) -> None:
            runs[index] += 1

        return hook

    for index, stage in enumerate(backbone.stages):
        stage[0].register_forward_hook(count(index))
    backbone.stages[0].requires_grad_(False).eval()
    backbone.embed(IMAGES).sum().backward()
    assert runs == [1, 2]
    # A frozen stage behind one that trains passes gradients on.
    backbone.stages[0].requires_grad_(True)
    backbone.stages[1].requires_grad_(False).eval()
    backbone.embed(IMAGES).sum().backward()
    assert runs == [3, 4]


def test_checkpointing__halves_are_the_whole() -> None:
    backbone = network("norms and dropout", True)
    torch.manual_seed(3)
    whole = backbone.suffix(IMAGES, 0)
    torch.manual_seed(3)
    assert torch.equal(backbone.suffix(backbone.prefix(IMAGES, 1), 1), whole)


@pytest.mark.parametrize("quiet", ["eval", "no_grad"])
def test_checkpointing__only_in_training(quiet: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **options: object) -> None:
        raise AssertionError("checkpointed")

    monkeypatch.setattr("graft.backbones.contract.checkpoint", refuse)
    backbone = network("norms and dropout", True)
    with pytest.raises(AssertionError, match="checkpointed"):
        backbone.embed(IMAGES)
    if quiet == "eval":
        backbone.eval().embed(IMAGES)
    else:
        with torch.no_grad():
            backbone.embed(IMAGES)


def test_checkpointing__names_and_copies_stay() -> None:
    backbone = network("timm", True)
    names = list(backbone.state_dict())
    backbone.embed(IMAGES).sum().backward()
    assert list(backbone.state_dict()) == names
    assert copy.deepcopy(backbone).checkpointing
    exported = torch.export.export(_Embedding(backbone.eval()), (IMAGES,))
    torch.testing.assert_close(exported.module()(IMAGES), backbone.embed(IMAGES))


class _Embedding(nn.Module):
    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, x: Tensor) -> Tensor:
        return self.backbone.embed(x)
