"""Random numbers as a function of what they are for, so that no history matters, a resume least of all."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b

import numpy as np
import torch


def derive(*words: object) -> int:
    """Return a seed in 0 … 2**32 - 1 that `words` name, as in `derive(seed, epoch, batch)`."""
    text = "/".join(map(str, words))
    return int.from_bytes(blake2b(text.encode(), digest_size=4).digest(), "little")


def seed_all(seed: int) -> None:
    """Set the global generators of torch (all devices), numpy and Python."""
    torch.manual_seed(seed)
    np.random.seed(seed)
    random.seed(seed)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Leave the caller's global random state as it was before the block."""
    python, numpy = random.getstate(), np.random.get_state()
    with torch.random.fork_rng():
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)
