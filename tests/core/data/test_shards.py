from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graft.data.sampler import EpochSampler, Key
from graft.data.shards import WHOLE, Shard, ShardedSampler


def order(n: int, *, shuffle: bool = True) -> EpochSampler:
    return EpochSampler(n, seed=3, shuffle=shuffle)


def in_batches(keys: list[Key], size: int) -> list[list[Key]]:
    return [keys[start : start + size] for start in range(0, len(keys), size)]


@given(n=st.integers(0, 40), count=st.integers(1, 5))
def test_shard__sizes(n: int, count: int) -> None:
    sizes = [Shard(index, count).of(n) for index in range(count)]
    assert sum(sizes) == n
    assert max(sizes) - min(sizes) <= 1
    assert sizes == sorted(sizes, reverse=True), "the leader's is never the smaller one"
    assert WHOLE.of(n) == n


@given(n=st.integers(1, 60), count=st.integers(1, 4), batch=st.integers(1, 7), epoch=st.integers(0, 3))
def test_sampler__batches_of_all_are_the_batches_of_one(n: int, count: int, batch: int, epoch: int) -> None:
    whole = order(n)
    whole.set_epoch(epoch)
    expected = in_batches(list(whole), count * batch)
    shares = [ShardedSampler(order(n), Shard(index, count), batch=None) for index in range(count)]
    for share in shares:
        share.set_epoch(epoch)
    parts = [in_batches(list(share), batch) for share in shares]
    for number, keys in enumerate(expected):
        own = [part[number] if number < len(part) else [] for part in parts]
        assert sorted(key for part in own for key in part) == sorted(keys)
        assert max(map(len, own)) - min(map(len, own)) <= 1
    assert [len(share) for share in shares] == [len(list(share)) for share in shares]


@given(n=st.integers(1, 60), count=st.integers(1, 4), batch=st.integers(1, 7))
def test_sampler__a_batch_that_is_not_full_everywhere_is_left_out_everywhere(n: int, count: int, batch: int) -> None:
    shares = [list(ShardedSampler(order(n), Shard(index, count), batch=batch)) for index in range(count)]
    full = n // (batch * count)
    assert [len(share) for share in shares] == [full * batch] * count
    assert sorted(key for share in shares for key in share) == sorted(list(order(n))[: full * batch * count])


@pytest.mark.parametrize(("n", "count"), [(7, 2), (8, 3), (2, 4)])
def test_sampler__every_validation_sample_once(n: int, count: int) -> None:
    shares = [list(ShardedSampler(order(n, shuffle=False), Shard(i, count), batch=None)) for i in range(count)]
    assert sorted(index for share in shares for _, index, _ in share) == list(range(n))
    # What `graft.engine._tally.together` puts into order again.
    assert [index for _, index, _ in shares[0]] == list(range(0, n, count))


def test_sampler__a_sample_that_comes_twice_keeps_its_number() -> None:
    repeats = np.array([3.0, 1.0, 2.0])
    keys = list(EpochSampler(3, seed=0, shuffle=True, repeats=repeats))
    shares = [
        list(ShardedSampler(EpochSampler(3, seed=0, shuffle=True, repeats=repeats), Shard(index, 2), batch=None))
        for index in range(2)
    ]
    assert shares == [keys[0::2], keys[1::2]]
