"""What rain, fog, night and bad cameras cost a model, and how long it takes for an image.

After ImageNet-C (Hendrycks and Dietterich 2019): the metric on the test split under each of a fixed set of corruptions,
each at five levels. Files stay as they are; what the model sees of them is changed behind the decoder.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

import graft
from graft.console import Console
from graft.data import Decoder, prepare_image
from graft.data.decode import MAX_PIXELS
from graft.errors import RunError
from graft_driving.effects import EFFECTS, applies_to

LEVELS = (1, 2, 3, 4, 5)
"""Of an effect: a fifth of its full strength each."""

_LOOKED_AT = 5
"""Images that the time is measured with."""


class Corrupted(Decoder):
    """What another decoder gives, after an effect. The same file gives the same pixels, on every machine.

    Args:
        inner: Reads the files.
        effect: A name in `EFFECTS`; None changes nothing.
        level: One of `LEVELS`.
    """

    def __init__(self, inner: Decoder, effect: str | None, level: int = 0) -> None:
        super().__init__(options=inner.options)
        self.inner = inner
        self.effect = effect
        self.level = level
        self.seen: list[Path] = []
        self.left = 0

    @property
    def channels(self) -> tuple[int, ...]:
        """Those of the other decoder."""
        return self.inner.channels

    def reads(self, path: Path) -> bool:
        """As the other decoder."""
        return self.inner.reads(path)

    def size(self, path: Path) -> tuple[int, int]:
        """As the other decoder: no effect changes it."""
        return self.inner.size(path)

    def decode(self, path: Path, *, channels: int, max_pixels: int = MAX_PIXELS) -> NDArray[Any]:
        """Return the other decoder's pixels after the effect; what is not colours of 8 bits stays as it is, counted."""
        image = self.inner.decode(path, channels=channels, max_pixels=max_pixels)
        self.seen.append(path)
        if self.effect is None:
            return image
        if not applies_to(image):
            self.left += 1
            return image
        seed = int.from_bytes(blake2b(f"{self.effect} {path.name}".encode("utf-8", "surrogateescape")).digest()[:4])
        return EFFECTS[self.effect](image, self.level / LEVELS[-1], seed)


@dataclass(frozen=True, kw_only=True)
class Latency:
    """How long one image takes, in milliseconds, from prepared pixels to a prediction.

    Args:
        median, slowest: Over all repeats.
        size: (H, W) in pixels of what the network is given.
        device: Where.
        threads: That torch used on the CPU.
    """

    median: float
    slowest: float
    size: tuple[int, int]
    device: str
    threads: int


@dataclass(frozen=True, kw_only=True)
class Robustness:
    """A model's metric under corruptions.

    Args:
        metric: Its name: the one that the run was chosen by.
        clean: Its value without any.
        values: By effect and level.
        latency: How long one image takes.
        warnings: What the user should know.
    """

    metric: str
    clean: float
    values: dict[str, dict[int, float]]
    latency: Latency
    warnings: list[str] = field(default_factory=list)

    def kept(self, effect: str) -> float:
        """Return which share of the clean value is kept under an effect, on average over levels; NaN of nothing."""
        known = [value for value in self.values[effect].values() if not math.isnan(value)]
        return statistics.mean(known) / self.clean if known and self.clean else math.nan

    @property
    def mean(self) -> float:
        """The mean of the metric over all effects and levels."""
        known = [v for levels in self.values.values() for v in levels.values() if not math.isnan(v)]
        return statistics.mean(known) if known else math.nan


def robustness(
    path: Path, *, effects: Sequence[str], levels: Sequence[int], split: str, repeats: int, console: Console
) -> Robustness:
    """Measure a finished run.

    Args:
        path: Its folder.
        effects: Names in `EFFECTS`.
        levels: Some of `LEVELS`.
        split: Of its data, `test` or `val`.
        repeats: How often the time of one image is measured.
        console: Says how far it is.

    Raises:
        RunError: When there is no run, or no such split, or nothing was changed.
        DataError: When its data is not there any more.
    """
    metric = str(graft.Run.open(path).results["monitor"])
    decoders: list[Corrupted] = []

    def measured(effect: str | None, level: int = 0, said: Console | None = None) -> float:
        def corrupt(decoder: Decoder) -> Decoder:
            decoders.append(Corrupted(decoder, effect, level))
            return decoders[-1]

        quiet = said or Console(quiet=True)
        return graft.evaluate(path, split=split, console=quiet, decoder=corrupt, intervals=False)[metric].value

    values: dict[str, dict[int, float]] = {}
    with console.progress("Measure", 1 + len(effects) * len(levels)) as progress:
        # What is wrong with the data is said once.
        clean = measured(None, said=console)
        progress.advance()
        files = sorted(decoders[0].seen)[:_LOOKED_AT]
        for effect in effects:
            values[effect] = {}
            for level in levels:
                values[effect][level] = measured(effect, level)
                progress.advance(note=f"{effect} {level}")
    left, every = sum(one.left for one in decoders), sum(len(one.seen) for one in decoders if one.effect)
    if every and left == every:
        raise RunError(f"{path}: its images are no colours of 8 bits, for which alone the effects are defined")
    warnings = [f"{left} of {every} images were left as they are: they are no colours of 8 bits"] if left else []
    return Robustness(
        metric=metric, clean=clean, values=values, latency=latency(path, files, repeats), warnings=warnings
    )


def latency(
    path: Path, files: Sequence[Path], repeats: int, *, clock: Callable[[], float] = time.perf_counter
) -> Latency:
    """Measure how long a run's model takes for one image alone, without reading its file.

    Args:
        path: The run's folder.
        files: Images that are predicted in turn.
        repeats: How often; a first round does not count.
        clock: Gives seconds.
    """
    import torch

    predictor = graft.load(path)
    bundle = predictor.bundle
    images = [prepare_image(file, bundle.preprocess, decoder=bundle.decoder) for file in files]
    for image in images:
        predictor.predict_images([image])
    taken = []
    for number in range(repeats):
        began = clock()
        # Predictions are on the CPU: whatever a GPU still has to do is waited for.
        predictor.predict_images([images[number % len(images)]])
        taken.append((clock() - began) * 1000)
    return Latency(
        median=statistics.median(taken),
        slowest=max(taken),
        size=(images[0].shape[0], images[0].shape[1]),
        device=str(predictor.device),
        threads=torch.get_num_threads(),
    )
