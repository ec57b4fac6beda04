"""The processes that train together, one device each, and what they tell each other.

Each runs the whole loop on its share of every batch; gradients are averaged before each step, so that all of them take
the step of the whole batch. Whatever has to be one decision is the leader's. A process alone is a team, too, of one:
then nothing here does anything.

Control goes through gloo, on the CPU, whose operations the main thread never waits for within: signals are obeyed
meanwhile, and the end of another process is noticed at once. Gradients of GPUs go through NCCL.
"""

from __future__ import annotations

import contextlib
import os
import socket
import stat
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed import TCPStore  # type: ignore[attr-defined]  # public, but not for mypy: `__all__` is missing
from torch.distributed.distributed_c10d import PrefixStore, ProcessGroup, Store

from graft.data.shards import WHOLE, Shard
from graft.engine._place import Place

_STEP = 300.0
"""Seconds that the processes may be apart within an epoch, where all of them do the same.

It is for machines that vanish without a word; the end of a process is noticed at once. So it may be long, and it must
be: one process may wait for a slow disk, or translate the network, while the others are done.
"""

JOIN = 600.0
"""Seconds that a process may take to start."""

_WORK = 3600.0
"""Seconds that one may be ahead where they do not: reading data before the first epoch, measuring after each."""

Value = TypeVar("Value")


class Deserted(Exception):
    """Another process of the team is gone, or does not answer."""


class Team:
    """One process's view of its team.

    Args:
        shard: Its share of the samples; share 0 is the leader's.
    """

    def __init__(self, shard: Shard = WHOLE) -> None:
        self.shard = shard
        self._gradients: ProcessGroup | None = None

    @property
    def alone(self) -> bool:
        """Whether there is no other process."""
        return self.shard.count == 1

    @property
    def leads(self) -> bool:
        """Whether this process decides, measures, writes and speaks."""
        return self.shard.index == 0

    def use(self, device: str) -> None:
        """Be told where gradients will be.

        Raises:
            Deserted: When another process is gone.
        """
        self.meet()
        if device == "cuda" and not self.alone:
            # Only who is no member gets something else, and all are.
            self._gradients = cast(ProcessGroup, dist.new_group(backend="nccl"))

    def meet(self, seconds: float = _WORK) -> None:
        """Wait until every process is here.

        Raises:
            Deserted: When another process is gone, or does not come within `seconds`.
        """
        if not self.alone:
            self._sum(torch.zeros(1), seconds)

    def shared(self, value: Value) -> Value:
        """Return the leader's `value`; that of the others does not matter.

        Raises:
            Deserted: When another process is gone.
        """
        if self.alone:
            return value
        self.meet()
        values = [value]
        _beside(lambda: dist.broadcast_object_list(values, src=0))
        return values[0]

    def gathered(self, value: Value) -> list[Value]:
        """Return the `value` of every process, in order, to the leader; to the others an empty list.

        Raises:
            Deserted: When another process is gone.
        """
        if self.alone:
            return [value]
        self.meet()
        values: list[Any] = [None] * self.shard.count if self.leads else []
        _beside(lambda: dist.gather_object(value, values if self.leads else None, dst=0))
        return values

    def abandon(self) -> None:
        """Give up what a GPU waits for, which else it would do for ever."""
        if self._gradients is not None:
            with contextlib.suppress(RuntimeError):
                self._gradients.abort()

    @torch.no_grad()
    def average(self, parameters: Iterable[nn.Parameter], samples: int) -> None:
        """Make every process's gradients those of the mean loss over the samples of all.

        A parameter that no process has a gradient for keeps none; optimizers pass it over.

        Args:
            parameters: The same ones in every process; those that are frozen are left alone.
            samples: How many this process's gradients are the mean over.

        Raises:
            Deserted: When another process is gone, or behind by more than five minutes.
        """
        if self.alone:
            return
        trained = [parameter for parameter in parameters if parameter.requires_grad]
        counts = torch.tensor([samples, *(parameter.grad is not None for parameter in trained)], dtype=torch.float64)
        self._sum(counts)
        share = samples / float(counts[0])
        found = [parameter for parameter, count in zip(trained, counts[1:].tolist(), strict=True) if count]
        for dtype in {parameter.dtype: None for parameter in found}:
            self._average([parameter for parameter in found if parameter.dtype == dtype], share)

    @torch.no_grad()
    def equalise(self, tensors: Iterable[Tensor]) -> None:
        """Give tensors the values that they have in the leader.

        Raises:
            Deserted: When another process is gone, or behind by more than five minutes.
        """
        if self.alone:
            return
        for tensor in tensors:
            # As bytes, which every backend knows.
            data = tensor.detach().clone(memory_format=torch.contiguous_format).reshape(-1).view(torch.uint8)
            with _noticed():
                work = dist.broadcast(data, src=0, group=self._group(data), async_op=True)
            self._wait(work, data, _STEP)
            tensor.copy_(data.view(tensor.dtype).reshape(tensor.shape))

    def _average(self, parameters: list[nn.Parameter], share: float) -> None:
        own = [
            parameter.grad if parameter.grad is not None else torch.zeros_like(parameter) for parameter in parameters
        ]
        flat = torch.cat([gradient.reshape(-1) for gradient in own]) * share
        self._sum(flat)
        pieces = torch.split(flat, [gradient.numel() for gradient in own])
        for parameter, gradient, piece in zip(parameters, own, pieces, strict=True):
            parameter.grad = gradient.copy_(piece.view(gradient.shape))

    def _sum(self, tensor: Tensor, seconds: float = _STEP) -> None:
        with _noticed():
            work = dist.all_reduce(tensor, group=self._group(tensor), async_op=True)
        self._wait(work, tensor, seconds)

    def _group(self, tensor: Tensor) -> ProcessGroup | None:
        return self._gradients if tensor.is_cuda else None

    def _wait(self, work: Any, tensor: Tensor, seconds: float) -> None:
        with _noticed():
            if tensor.is_cuda:
                work.wait()  # the GPU does; this process goes on
                return
            began = time.monotonic()
            while not work.is_completed():
                waited = time.monotonic() - began
                if waited > seconds:
                    raise Deserted(f"no answer for {seconds:.0f} s")
                time.sleep(min(max(waited / 10, 5e-5), 0.01))
            work.wait()


def _beside(operation: Callable[[], object]) -> None:
    """Let another thread do what gloo offers in one piece alone, and obey signals meanwhile.

    Raises:
        Deserted: When another process is gone, or does not answer.
    """
    failed: list[Exception] = []

    def work() -> None:
        try:
            operation()
        except Exception as error:
            failed.append(error)

    # A daemon: what it waits for, when nobody answers, must not keep this process.
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(_STEP)
    if thread.is_alive():
        raise Deserted(f"no answer for {_STEP:.0f} s")
    with _noticed():
        if failed:
            raise failed[0]


@contextmanager
def _noticed() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        raise Deserted(str(error).partition(". ")[0]) from error


def meeting_point(place: Place, listener: socket.socket | None = None) -> Store:
    """Return what the processes leave word with, where this one has left that it is here.

    Args:
        place: Of this process.
        listener: What the leader listens to; None for its own choice, and for the others.

    Raises:
        Deserted: When the leader does not come, or cannot listen there.
    """
    hosts = place.rank == 0 and not place.hosted
    with _noticed():
        kept = TCPStore(
            place.address,
            place.port,
            is_master=hosts,
            wait_for_workers=False,
            timeout=timedelta(seconds=JOIN),
            master_listen_fd=listener.detach() if listener is not None else None,
        )
        kept.set_timeout(timedelta(seconds=_WORK))
        store = PrefixStore(f"graft/{place.attempt}", kept)
        store.set(f"here/{place.rank}", f"{os.getpid()} {socket.gethostname()}")
    return store


@contextmanager
def met(place: Place, store: Store) -> Iterator[Team]:
    """Be one of the processes that have come to `store`, for the block.

    Raises:
        Deserted: When one of them went again.
    """
    with _interface(place):
        others = _sockets()
        with _noticed():
            dist.init_process_group(
                "gloo",
                store=PrefixStore("team", store),
                rank=place.rank,
                world_size=place.size,
                timeout=timedelta(seconds=2 * _WORK),
            )
        own = _sockets() - others
        team = Team(Shard(place.rank, place.size))
        try:
            yield team
        except BaseException:
            team.abandon()
            _hang_up(own)
            raise
        finally:
            dist.destroy_process_group()


def _sockets() -> set[tuple[int, int]]:
    """Return the sockets of this process: the number of each, and its inode, as numbers are used again.

    There are none where the system does not list them.
    """
    found = set()
    folder = Path("/proc/self/fd" if sys.platform == "linux" else "/dev/fd")
    for entry in folder.iterdir() if folder.is_dir() else ():
        with contextlib.suppress(OSError, ValueError):
            state = os.fstat(number := int(entry.name))
            if stat.S_ISSOCK(state.st_mode):
                found.add((number, state.st_ino))
    return found


def _hang_up(sockets: set[tuple[int, int]]) -> None:
    """Close connections under gloo, which knows no other way to give up what it waits for.

    Else the end of the group would be that of its last operation: when an hour is over, or the other process.
    """
    for number, _ in sockets & _sockets():
        with contextlib.suppress(OSError), socket.socket(fileno=os.dup(number)) as connection:
            # Not those that it listens to: of these it does not expect it.
            if not connection.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                connection.shutdown(socket.SHUT_RDWR)


@contextmanager
def _interface(place: Place) -> Iterator[None]:
    """Let processes of one machine listen to that machine alone."""
    loopback = "lo0" if sys.platform == "darwin" else "lo"
    known = [name for _, name in socket.if_nameindex()] if hasattr(socket, "if_nameindex") else []
    if place.machines > 1 or loopback not in known or "GLOO_SOCKET_IFNAME" in os.environ:
        yield
        return
    os.environ["GLOO_SOCKET_IFNAME"] = loopback
    try:
        yield
    finally:
        os.environ.pop("GLOO_SOCKET_IFNAME", None)


def share_cores(count: int, device: str) -> None:
    """Calculate with a `count`-th of the cores, unless somebody said with how many."""
    if device == "cpu" and "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(max(1, torch.get_num_threads() // count))
