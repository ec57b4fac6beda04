"""Processes tell each other what they should, and notice when one is gone."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from crews import free_port, until
from forks import DIED_OF_AN_ERROR, Child, fork
from graft.data.shards import WHOLE, Shard
from graft.engine import _team
from graft.engine._place import Place
from graft.engine._team import Deserted, Team, meeting_point, met, share_cores

Together = Callable[..., list[Any]]


@pytest.fixture
def begin(tmp_path: Path) -> Callable[..., list[Child]]:
    """Fork processes that each call `work(team)` and write what that returns, as JSON, into a file."""

    def begin(work: Callable[[Team], Any], count: int = 2, **changes: Any) -> list[Child]:
        port = free_port()

        def one(rank: int) -> int:
            place = Place(
                **{"rank": rank, "local_rank": rank, "size": count, "local_size": count, **changes},
                address="127.0.0.1",
                port=port,
            )
            with met(place, meeting_point(place)) as team:
                (tmp_path / f"{rank}.json").write_text(json.dumps(work(team)))
            return 0

        return [fork(lambda rank=rank: one(rank)) for rank in range(count)]

    return begin


@pytest.fixture
def together(begin: Callable[..., list[Child]], tmp_path: Path) -> Together:
    """Return what each of several processes made of `work(team)`."""

    def together(work: Callable[[Team], Any], count: int = 2) -> list[Any]:
        assert [child.wait() for child in begin(work, count)] == [0] * count
        return [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(count)]

    return together


def test_alone__nothing_happens() -> None:
    team = Team()
    assert (team.alone, team.leads, team.shard) == (True, True, WHOLE)
    team.use("cpu")
    team.meet()
    parameter = nn.Parameter(torch.ones(2))
    parameter.grad = torch.tensor([1.0, 2.0])
    team.average([parameter], samples=3)
    team.equalise([parameter])
    assert parameter.grad.tolist() == [1.0, 2.0]
    assert team.shared("a") == "a"
    assert team.gathered("a") == ["a"]


def test_shared__is_the_leaders_and_gathered_is_for_the_leader(together: Together) -> None:
    def work(team: Team) -> Any:
        team.use("cpu")
        rank = team.shard.index
        assert team.shard == Shard(rank, 3)
        return [team.leads, team.alone, team.shared({"rank": rank}), team.gathered([rank] * rank)]

    assert together(work, 3) == [
        [True, False, {"rank": 0}, [[], [1], [2, 2]]],
        [False, False, {"rank": 0}, []],
        [False, False, {"rank": 0}, []],
    ]


def test_gathered__what_cannot_be_sent_is_said(together: Together) -> None:
    def work(team: Team) -> Any:
        with pytest.raises((AttributeError, TypeError), match="pickle"):
            team.gathered(lambda: None)
        return "said"

    assert together(work) == ["said", "said"]


def test_average__is_the_gradient_of_the_whole_batch(together: Together) -> None:
    torch.manual_seed(0)
    images, targets = torch.randn(7, 5), torch.randn(7, 2)
    network = nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 2))

    def work(team: Team) -> Any:
        mine = slice(team.shard.index, None, team.shard.count)  # 3, 2 and 2 samples
        nn.functional.mse_loss(network(images[mine]), targets[mine]).backward()
        team.average(network.parameters(), samples=len(images[mine]))
        return [parameter.grad.tolist() for parameter in network.parameters()]

    found = together(work, 3)
    nn.functional.mse_loss(network(images), targets).backward()
    for gradients in found:
        assert gradients == found[0], "the very same in all"
        for gradient, parameter in zip(gradients, network.parameters(), strict=True):
            assert torch.allclose(torch.tensor(gradient), parameter.grad, rtol=1e-6, atol=1e-7)


def test_average__of_what_not_everybody_has(together: Together) -> None:
    def work(team: Team) -> Any:
        half, nobodys, frozen, double = (nn.Parameter(torch.zeros(2)) for _ in range(4))
        double.data = double.data.double()
        frozen.requires_grad = False
        if team.leads:
            half.grad = torch.tensor([2.0, 4.0])
        double.grad = torch.full((2,), float(team.shard.index + 1), dtype=torch.float64)
        team.average([half, nobodys, frozen, double], samples=1)
        return [None if p.grad is None else [*p.grad.tolist(), str(p.grad.dtype)] for p in (half, nobodys, double)]

    expected = [[1.0, 2.0, "torch.float32"], None, [1.5, 1.5, "torch.float64"]]
    assert together(work) == [expected, expected]


def test_average__keeps_the_layout_and_the_tensor_of_a_gradient(together: Together) -> None:
    def work(team: Team) -> Any:
        parameter = nn.Parameter(torch.zeros(2, 3, 2, 2).contiguous(memory_format=torch.channels_last))
        gradient = torch.arange(24.0).reshape(2, 3, 2, 2).contiguous(memory_format=torch.channels_last)
        parameter.grad = gradient
        team.average([parameter], samples=1)
        same = parameter.grad is gradient
        kept = gradient.is_contiguous(memory_format=torch.channels_last)
        return [same, kept, gradient.flatten().tolist() == list(range(24))]

    assert together(work) == [[True, True, True]] * 2


def test_equalise__gives_all_the_leaders_values(together: Together) -> None:
    def work(team: Team) -> Any:
        rank = team.shard.index
        tensors = [
            torch.full((3,), 0.1 + rank),
            torch.tensor(rank == 0),
            torch.tensor(2**40 + rank),
            torch.full((2, 2), rank, dtype=torch.bfloat16),
            torch.arange(4.0).reshape(2, 2).t() + rank,  # not contiguous
            torch.empty(0),
        ]
        team.equalise(tensors)
        return [tensor.tolist() for tensor in tensors]

    first, second = together(work)
    assert first == second
    assert first[1:] == [True, 2**40, [[0, 0], [0, 0]], [[0, 2], [1, 3]], []]


@pytest.mark.parametrize("phase", ["meet", "average", "shared", "gathered", "equalise"])
def test_desertion__is_noticed_at_once(phase: str, begin: Callable[..., list[Child]], tmp_path: Path) -> None:
    def work(team: Team) -> Any:
        (tmp_path / f"{team.shard.index}.here").touch()
        if not team.leads:
            time.sleep(60)
        parameter = nn.Parameter(torch.zeros(2))
        actions: dict[str, Callable[[], Any]] = {
            "meet": team.meet,
            "average": lambda: team.average([parameter], samples=1),
            "shared": lambda: team.shared(1),
            "gathered": lambda: team.gathered(1),
            "equalise": lambda: team.equalise([parameter.data]),
        }
        with pytest.raises(Deserted):
            actions[phase]()
        return "noticed"

    leader, other = begin(work)
    until(lambda: (tmp_path / "0.here").exists() and (tmp_path / "1.here").exists())
    time.sleep(0.2)
    other.kill()
    began = time.monotonic()
    assert leader.wait() == 0
    assert time.monotonic() - began < 5
    assert json.loads((tmp_path / "0.json").read_text()) == "noticed"
    assert other.wait() == -signal.SIGKILL


def test_desertion__of_one_that_hangs(begin: Any, capfd: pytest.CaptureFixture[str]) -> None:
    def work(team: Team) -> Any:
        if not team.leads:
            time.sleep(60)
        team.meet(seconds=1)

    leader, other = begin(work)
    began = time.monotonic()
    assert leader.wait() == DIED_OF_AN_ERROR
    assert time.monotonic() - began < 10, "what it waits for does not keep it"
    assert "Deserted: no answer for 1 s" in capfd.readouterr().err
    other.kill()
    other.wait()


@pytest.mark.parametrize("phase", ["before", "within"])
@pytest.mark.parametrize("action", ["meet", "gathered"])
def test_waiting__obeys_signals(action: str, phase: str, begin: Any, capfd: pytest.CaptureFixture[str]) -> None:
    class Rung(Exception):
        pass

    def ring(number: int, frame: object) -> None:
        raise Rung

    def work(team: Team) -> Any:
        if not team.leads:
            if phase == "within":  # it comes, and hangs before it hands anything over
                team.meet()
            time.sleep(60)
        signal.signal(signal.SIGALRM, ring)
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        for _ in range(2):
            team.meet() if action == "meet" else team.gathered(1)

    leader, other = begin(work)
    began = time.monotonic()
    assert leader.wait() == DIED_OF_AN_ERROR
    assert time.monotonic() - began < 10, "what it waits for does not keep it"
    assert "Rung" in capfd.readouterr().err
    other.kill()
    other.wait()


def _interface(team: Team) -> Any:
    # One that ends at once may close the other's connection while that is still being made.
    team.gathered(None)
    return os.environ.get("GLOO_SOCKET_IFNAME")


def test_met__processes_of_one_machine_listen_to_it_alone(together: Together) -> None:
    assert together(_interface) == ["lo", "lo"]
    assert "GLOO_SOCKET_IFNAME" not in os.environ


def test_met__those_of_several_machines_do_not(begin: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Two machines, as the places say; both are this one.
    monkeypatch.delenv("GLOO_SOCKET_IFNAME", raising=False)
    children = begin(_interface, local_size=1, local_rank=0)
    assert [child.wait() for child in children] == [0, 0]
    assert json.loads((tmp_path / "1.json").read_text()) is None


def test_meeting_point__nobody_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_team, "JOIN", 0.5)
    place = Place(rank=1, size=2, local_rank=1, local_size=2, address="127.0.0.1", port=free_port())
    with pytest.raises(Deserted, match="timed out"):
        meeting_point(place)


def test_meeting_point__those_of_an_earlier_attempt_are_not_there() -> None:
    place = Place(rank=0, size=2, local_rank=0, local_size=2, address="127.0.0.1", port=free_port())
    first = meeting_point(place)
    again = meeting_point(
        Place(rank=1, size=2, local_rank=1, local_size=2, address="127.0.0.1", port=place.port, attempt=1)
    )
    assert first.check(["here/0"])
    assert not again.check(["here/0"])
    assert again.check(["here/1"])


def test_share_cores__unless_somebody_said_how_many(monkeypatch: pytest.MonkeyPatch) -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(8)
        monkeypatch.setenv("OMP_NUM_THREADS", "8")
        share_cores(4, "cpu")
        assert torch.get_num_threads() == 8
        monkeypatch.delenv("OMP_NUM_THREADS")
        share_cores(4, "cuda")
        assert torch.get_num_threads() == 8
        share_cores(4, "cpu")
        assert torch.get_num_threads() == 2
        share_cores(4, "cpu")
        assert torch.get_num_threads() == 1, "never none"
    finally:
        torch.set_num_threads(before)
