from __future__ import annotations

import pytest

from graft.cli import wait_briefly


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "600"}),
        ({"GOMP_SPINCOUNT": "7"}, {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "7"}),
        ({"OMP_WAIT_POLICY": "ACTIVE"}, {"OMP_WAIT_POLICY": "ACTIVE"}),
    ],
    ids=["nothing is said", "the spin is said", "the policy is said"],
)
def test_threads_spin_a_little_unless_the_environment_says_how_they_wait(given, expected):
    wait_briefly(given)
    assert given == expected
