"""Where this process stands among those that train together, as `torchrun`, `srun` or we ourselves told it. Torch-free.

We start processes with the variables that `torchrun` sets, so there is one way to be told.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

from graft.errors import UserError

_PORT = 15000


@dataclass(frozen=True, kw_only=True)
class Place:
    """A process's place among those that train together.

    Args:
        rank: From 0; rank 0 leads.
        size: Number of processes, on all machines.
        local_rank: From 0, on this machine: the device to take.
        local_size: Number of processes on each machine.
        address: Of the leader's machine.
        port: Where they meet.
        hosted: Whether somebody else, as `torchrun` does, keeps the place where they meet; else the leader does.
        attempt: How often the launcher has started all of them again, from 0: those of before left word there, too.
    """

    rank: int
    size: int
    local_rank: int
    local_size: int
    address: str
    port: int
    hosted: bool = False
    attempt: int = 0

    @property
    def machines(self) -> int:
        """Number of machines."""
        return self.size // self.local_size

    def variables(self) -> dict[str, str]:
        """Return what tells another process that this is its place, by `launched`."""
        return {
            "RANK": str(self.rank),
            "WORLD_SIZE": str(self.size),
            "LOCAL_RANK": str(self.local_rank),
            "LOCAL_WORLD_SIZE": str(self.local_size),
            "MASTER_ADDR": self.address,
            "MASTER_PORT": str(self.port),
            "TORCHELASTIC_USE_AGENT_STORE": str(self.hosted),
            "TORCHELASTIC_RESTART_COUNT": str(self.attempt),
        }


def launched(environment: Mapping[str, str] = os.environ) -> Place | None:
    """Return the place that a launcher gave to this process; None when it was started alone.

    Raises:
        UserError: When the machines have not the same number of processes, as far as this one was told.
    """
    if int(environment.get("WORLD_SIZE", 1)) > 1 and "RANK" in environment:
        place = _by_torchrun(environment)
    elif int(environment.get("SLURM_STEP_NUM_TASKS", 1)) > 1 and "SLURM_PROCID" in environment:
        # Of the step, not of the job: a script that runs `graft` without `srun` is one process, whatever it reserved.
        place = _by_slurm(environment)
    else:
        return None
    if place.size % place.local_size:
        raise UserError(
            f"{place.size} processes were started, {place.local_size} of them on this machine",
            fix="start as many on each machine",
        )
    return place


def check_machines(asked: int | None, place: Place | None, *, devices: int, command: str) -> None:
    """Raise unless as many machines train together as was asked for. Starting them is a launcher's work, not ours.

    Args:
        asked: How many; None where nobody asked.
        place: Of this process; None when no launcher started it.
        devices: Of each machine.
        command: What was typed.

    Raises:
        UserError: When there are more or fewer; with what to type on each machine, when nobody started them.
    """
    if asked is None or asked == (1 if place is None else place.machines):
        return
    if place is not None:
        started = "1 machine" if place.machines == 1 else f"{place.machines} machines"
        raise UserError(
            f"--nodes {asked}, and the processes were started on {started}",
            fix=f"start them on {asked}, or give --nodes {place.machines}",
        )
    rendezvous = "--rdzv-backend c10d --rdzv-endpoint FIRST_MACHINE:29400"
    raise UserError(
        f"--nodes {asked}, and this process was started alone: Graft starts processes on its own machine only",
        fix="type on each machine, with the name of the first one:\n"
        f"  torchrun --nnodes {asked} --nproc-per-node {devices} {rendezvous} --no-python {command}\n"
        "or once, in a job of SLURM:\n"
        f"  srun --nodes {asked} --ntasks-per-node {devices} {command}",
    )


def _by_torchrun(environment: Mapping[str, str]) -> Place:
    size = int(environment["WORLD_SIZE"])
    return Place(
        rank=int(environment["RANK"]),
        size=size,
        local_rank=int(environment.get("LOCAL_RANK", environment["RANK"])),
        local_size=int(environment.get("LOCAL_WORLD_SIZE", size)),
        address=environment.get("MASTER_ADDR", "127.0.0.1"),
        port=int(environment.get("MASTER_PORT", _PORT)),
        hosted=environment.get("TORCHELASTIC_USE_AGENT_STORE") == "True",
        attempt=int(environment.get("TORCHELASTIC_RESTART_COUNT", 0)),
    )


def _by_slurm(environment: Mapping[str, str]) -> Place:
    size = int(environment["SLURM_STEP_NUM_TASKS"])
    machines = int(environment.get("SLURM_STEP_NUM_NODES", 1))
    on_each = _repeated(environment.get("SLURM_STEP_TASKS_PER_NODE", ""))
    if size % machines or len(set(on_each)) > 1:
        raise UserError(
            f"{size} processes were started on {machines} machines: not as many on each",
            fix="give `srun --ntasks-per-node` the number of devices of a machine",
        )
    # One of the job's, so that two jobs on a machine do not meet.
    port = _PORT + int(environment.get("SLURM_JOB_ID", 0)) % 10_000
    return Place(
        rank=int(environment["SLURM_PROCID"]),
        size=size,
        local_rank=int(environment.get("SLURM_LOCALID", 0)),
        local_size=size // machines,
        address=environment.get("MASTER_ADDR") or _first(environment.get("SLURM_STEP_NODELIST", "127.0.0.1")),
        port=int(environment.get("MASTER_PORT", port)),
    )


def _repeated(counts: str) -> list[int]:
    """Return SLURM's list of numbers in full: `2(x3),1` is 2, 2, 2, 1."""
    found = re.findall(r"(\d+)(?:\(x(\d+)\))?", counts)
    return [int(count) for count, times in found for _ in range(int(times or 1))]


def _first(nodes: str) -> str:
    """Return the first of SLURM's list of hosts: `gpu[03-05,9],cpu1` begins with `gpu03`."""
    found = re.match(r"([^\[,\s]+)(?:\[(\w+)[^\]]*\])?([^\[,\s]*)", nodes)
    return "".join(part or "" for part in found.groups()) if found else nodes
