from __future__ import annotations

import os

import pytest

from graft.cli import main, wait_briefly


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "600"}),
        ({"GOMP_SPINCOUNT": "7"}, {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "7"}),
        ({"OMP_WAIT_POLICY": "ACTIVE"}, {"OMP_WAIT_POLICY": "ACTIVE"}),
    ],
    ids=["nothing is said", "the spin is said", "the policy is said"],
)
def test_threads_spin_a_little_unless_the_environment_says_how_they_wait(
    given: dict[str, str], expected: dict[str, str]
) -> None:
    wait_briefly(given)
    assert given == expected


def test_main__says_so_before_anything_is_run(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[dict[str, str]] = []
    monkeypatch.setattr("os.environ", {})
    monkeypatch.setattr("graft.cli._run", lambda: seen.append(dict(os.environ)) or 0)
    with pytest.raises(SystemExit) as done:
        main()
    assert done.value.code == 0
    assert seen == [{"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "600"}]
