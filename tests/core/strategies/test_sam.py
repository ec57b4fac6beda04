from __future__ import annotations

import torch
from torch import nn

from graft.strategies.sam import climbed, same_statistics


def test_climbed__moves_uphill_by_the_radius_and_comes_back_to_the_last_bit() -> None:
    parameters = [nn.Parameter(torch.randn(3, 2)), nn.Parameter(torch.randn(5)), nn.Parameter(torch.randn(2))]
    for parameter in parameters[:2]:
        parameter.grad = torch.randn_like(parameter)
    before = [parameter.detach().clone() for parameter in parameters]
    with climbed(parameters, radius=0.3):
        moves = [parameter.detach() - old for parameter, old in zip(parameters, before, strict=True)]
        length = torch.cat([move.flatten() for move in moves]).norm()
        torch.testing.assert_close(length, torch.tensor(0.3))
        gradient = parameters[0].grad
        assert gradient is not None
        cosine = nn.functional.cosine_similarity(moves[0].flatten(), gradient.flatten(), dim=0)
        torch.testing.assert_close(cosine, torch.tensor(1.0))
        assert not moves[2].any(), "without a gradient it stays"
    assert all(torch.equal(parameter, old) for parameter, old in zip(parameters, before, strict=True))


def test_climbed__comes_back_after_an_error() -> None:
    parameter = nn.Parameter(torch.ones(2))
    parameter.grad = torch.ones(2)
    try:
        with climbed([parameter], radius=1.0):
            raise KeyError
    except KeyError:
        pass
    assert torch.equal(parameter, torch.ones(2))


def test_same_statistics__of_batch_norms_stay() -> None:
    norm = nn.BatchNorm1d(3)
    x = torch.randn(8, 3)
    expected = norm(x).detach()
    before = {name: tensor.clone() for name, tensor in norm.state_dict().items()}
    with same_statistics(norm):
        assert torch.equal(norm(x), expected), "it is normalised by the batch as before"
    assert all(torch.equal(tensor, before[name]) for name, tensor in norm.state_dict().items())
    norm(x)
    assert not torch.equal(norm.running_mean, before["running_mean"])
