from __future__ import annotations

import pytest

from graft.engine._place import Place, check_machines, launched
from graft.errors import UserError

TORCHRUN = {
    "RANK": "5",
    "WORLD_SIZE": "8",
    "LOCAL_RANK": "1",
    "LOCAL_WORLD_SIZE": "4",
    "MASTER_ADDR": "gpu03",
    "MASTER_PORT": "29400",
    "TORCHELASTIC_USE_AGENT_STORE": "True",
    "TORCHELASTIC_RESTART_COUNT": "2",
}
SLURM = {
    "SLURM_JOB_ID": "1234567",
    "SLURM_PROCID": "5",
    "SLURM_LOCALID": "1",
    "SLURM_STEP_NUM_TASKS": "8",
    "SLURM_STEP_NUM_NODES": "2",
    "SLURM_STEP_TASKS_PER_NODE": "4(x2)",
    "SLURM_STEP_NODELIST": "gpu[03-04]",
}


def test_launched__alone() -> None:
    assert launched({}) is None
    assert launched({**TORCHRUN, "WORLD_SIZE": "1"}) is None, "torchrun with one process"
    assert launched({**SLURM, "SLURM_STEP_NUM_TASKS": "1"}) is None, "one srun task"
    job = {"SLURM_JOB_ID": "1", "SLURM_NTASKS": "8", "SLURM_NNODES": "2", "SLURM_PROCID": "0"}
    assert launched(job) is None, "a batch script that calls graft without srun"


def test_launched__by_torchrun() -> None:
    place = launched(TORCHRUN)
    assert place == Place(
        rank=5, size=8, local_rank=1, local_size=4, address="gpu03", port=29400, hosted=True, attempt=2
    )
    assert place.machines == 2


def test_launched__by_slurm() -> None:
    place = launched(SLURM)
    assert place == Place(rank=5, size=8, local_rank=1, local_size=4, address="gpu03", port=15000 + 4567)
    assert place.machines == 2
    given = launched({**SLURM, "MASTER_ADDR": "10.0.0.1", "MASTER_PORT": "999"})
    assert given is not None
    assert (given.address, given.port) == ("10.0.0.1", 999)


def test_launched__torchrun_within_slurm_counts() -> None:
    # `srun torchrun …`: SLURM started one torchrun per machine, and torchrun started us.
    assert launched({**SLURM, **TORCHRUN}) == launched(TORCHRUN)


@pytest.mark.parametrize(
    ("nodes", "first"),
    [
        ("localhost", "localhost"),
        ("gpu[03-05,9],cpu1", "gpu03"),
        ("gpu[7,9]", "gpu7"),
        ("cpu1,gpu[03-05]", "cpu1"),
        ("rack2-gpu[001-004].site.org", "rack2-gpu001.site.org"),
    ],
)
def test_launched__slurms_first_machine_is_the_leaders(nodes: str, first: str) -> None:
    place = launched({**SLURM, "SLURM_STEP_NODELIST": nodes})
    assert place is not None
    assert place.address == first


@pytest.mark.parametrize(
    "environment",
    [
        {**TORCHRUN, "LOCAL_WORLD_SIZE": "3"},
        {**SLURM, "SLURM_STEP_NUM_TASKS": "7", "SLURM_STEP_TASKS_PER_NODE": "4,3"},
        {**SLURM, "SLURM_STEP_TASKS_PER_NODE": "5,3"},
        {**SLURM, "SLURM_STEP_NUM_NODES": "4", "SLURM_STEP_TASKS_PER_NODE": "2(x2),3,1"},
    ],
)
def test_launched__each_machine_must_have_as_many(environment: dict[str, str]) -> None:
    with pytest.raises(UserError, match=r"[78] processes were started"):
        launched(environment)


def test_variables__tell_another_process_its_place() -> None:
    place = Place(rank=1, size=2, local_rank=1, local_size=2, address="127.0.0.1", port=1234)
    assert launched(place.variables()) == place
    # The leader itself may be the only process of a torchrun: what that told it is not for those that it starts.
    assert launched({**TORCHRUN, **place.variables()}) == place


def test_check_machines__as_asked() -> None:
    place = launched(SLURM)
    for asked, where in ((None, None), (1, None), (None, place), (2, place)):
        check_machines(asked, where, devices=4, command="graft x")


@pytest.mark.parametrize(("asked", "where"), [(2, {}), (1, SLURM), (3, TORCHRUN)])
def test_check_machines__refuses_other_numbers(asked: int, where: dict[str, str]) -> None:
    with pytest.raises(UserError, match=f"--nodes {asked}, and ") as caught:
        check_machines(asked, launched(where), devices=4, command="graft x")
    assert caught.value.fix
