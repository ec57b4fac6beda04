"""What a run's results say, in one sentence. Torch-free."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Tone = Literal["good", "unsure", "bad", "none"]


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The first thing that a reader of the report sees.

    Args:
        headline: The value, with its interval.
        judgement: How that compares with guessing, and what weakens it.
        tone: Whether the model is better than guessing.
    """

    headline: str
    judgement: str
    tone: Tone


def verdict(results: Mapping[str, Any], *, images: Mapping[str, int]) -> Verdict:
    """Return what `results.json` says about the monitored value on test, or where there is none on validation.

    Args:
        results: The content of `results.json`.
        images: Number of images per split.
    """
    metrics = results.get("metrics", {})
    split = next((name for name in ("test", "val") if metrics.get(name)), None)
    if split is None:
        return Verdict(
            headline="Not measured",
            judgement="There were no test and no validation images: nothing can be said about new images.",
            tone="none",
        )
    monitor = results.get("monitor")
    name = str(monitor) if monitor in metrics[split] else next(iter(metrics[split]))
    found = metrics[split][name]
    count = f"{images[split]} " if images.get(split) else ""
    where = f"On {count}{'test' if split == 'test' else 'validation'} images"
    caveat = "" if split == "test" else (
        " These images also chose the epoch that was kept: expect somewhat less on new ones."
    )  # fmt: skip
    words = name.replace("_", " ")
    if found["value"] is None:
        return Verdict(headline=f"{where}: {words} is undefined", judgement=caveat.strip(), tone="none")
    interval = f" (95 % interval {found['low']:.3f} to {found['high']:.3f})" if found["low"] is not None else ""
    headline = f"{where}: {words} {found['value']:.3f}{interval}"
    guess = results.get("baseline", {}).get(split, {}).get(name, {}).get("value")
    if guess is None:
        return Verdict(headline=headline, judgement=f"There is no baseline to compare with.{caveat}", tone="none")
    tone, judgement = _compared(found, guess, images.get(split, 0))
    return Verdict(headline=headline, judgement=f"{judgement}{caveat}", tone=tone)


def _compared(found: Mapping[str, Any], guess: float, images: int) -> tuple[Tone, str]:
    baseline = f"Guessing without looking at the images reaches {guess:.3f}"
    if found["value"] <= guess:
        return "bad", f"{baseline}: the model is no better than that."
    gain = f"{baseline}; the model is {found['value'] - guess:.3f} above that"
    if found["low"] is None:
        return "unsure", f"{gain}. How much of that is luck is not known: no interval was calculated."
    if found["low"] == found["high"] == 1 and images:
        return "good", (
            f"{gain}. Resampling images that are all alike cannot show how uncertain that is: "
            f"after {images} without an error, an error rate of {min(3 / images, 1):.0%} would still fit."
        )
    if found["low"] > guess:
        return "good", f"{gain}, and so is the whole interval."
    return "unsure", f"{gain}, but the interval reaches down to it: on so few images that may be luck."
