"""Images and labelled folders drawn in code, and a task and plugins that are as small as they can be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from PIL import Image

from graft.data.options import CsvOptions, FolderOptions, SequenceOptions
from graft.data.readers.folder import FolderReader
from graft.data.readers.labels import CsvReader
from graft.data.readers.sequences import SequenceReader
from graft.data.samples import Catalogue, Sample
from graft.errors import Problem
from graft.plugins.descriptors import ReaderSpec


def draw(seed: int, size: tuple[int, int] = (24, 32)) -> np.ndarray:
    """Return `(H, W, 3)` uint8 with gradients and blocks: something that a wrong turn or channel changes."""
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
    image[: size[0] // 2] = rng.integers(0, 256, 3, dtype=np.uint8)
    return image


@pytest.fixture
def picture() -> Callable[..., np.ndarray]:
    return draw


@pytest.fixture
def fill(tmp_path: Path) -> Callable[..., Path]:
    """Write one different image to each of the given paths below a new folder."""

    def write(*names: str, root: Path | None = None, size: tuple[int, int] = (24, 32)) -> Path:
        root = root or tmp_path / "data"
        root.mkdir(parents=True, exist_ok=True)
        for name in names:
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            seed = sum(ord(letter) * 31**place for place, letter in enumerate(str(path))) % 2**32
            Image.fromarray(draw(seed, size)).save(path)
        return root

    return write


class FakeTask:
    """One label per image; remembers what it was asked to check."""

    def __init__(self, problems: Sequence[Problem] = ()) -> None:
        self.problems = list(problems)
        self.checked: Mapping[str, Sequence[int]] | None = None

    def check(self, catalogue: Catalogue, split: Mapping[str, Sequence[int]]) -> list[Problem]:
        self.checked = split
        return self.problems

    def strata(self, catalogue: Catalogue) -> Sequence[str]:
        return ["+".join(sample.target) for sample in catalogue.samples]

    def shows(self, catalogue: Catalogue) -> Sequence[Collection[str]]:
        return [sample.target for sample in catalogue.samples]


@pytest.fixture
def task() -> type[FakeTask]:
    return FakeTask


class FakePlugins:
    """The readers of core, without the plugin system."""

    readers: ClassVar = {
        "folder": (FolderReader, FolderOptions),
        "csv": (CsvReader, CsvOptions),
        "sequences": (SequenceReader, SequenceOptions),
    }

    def specs(self, kind: type) -> dict[str, ReaderSpec]:
        if kind is not ReaderSpec:
            return {}
        return {name: ReaderSpec(name=name, summary=name, target="", gives="labels") for name in self.readers}

    def target(self, spec: ReaderSpec) -> Any:
        return self.readers[spec.name][0]

    def options(self, spec: ReaderSpec) -> Any:
        return self.readers[spec.name][1]


@pytest.fixture
def plugins() -> FakePlugins:
    return FakePlugins()


@pytest.fixture
def labelled() -> Callable[..., list[Sample]]:
    """Return samples without files: `labelled(a=3, b=2)` has three of class a."""

    def make(**counts: int) -> list[Sample]:
        return [
            Sample(id=f"{name}/{number:03}.png", path=Path(f"/{name}/{number}"), target=(name,))
            for name, count in counts.items()
            for number in range(count)
        ]

    return make


@pytest.fixture
def count() -> Callable[..., dict[str, Counter[str]]]:
    """Return how many samples of each class are in each split."""

    def counted(samples: Sequence[Sample], split: Mapping[str, Sequence[int]]) -> dict[str, Counter[str]]:
        return {name: Counter(samples[index].target[0] for index in split[name]) for name in split}

    return counted
