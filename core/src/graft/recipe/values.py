"""What single values of a recipe may be, and how the written ones are read. Torch-free."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, PositiveInt

Share = Annotated[float, Field(ge=0, lt=1)]
"""A share of a whole that never takes all of it."""

Seed = Annotated[int, Field(ge=0, lt=2**32)]
"""A seed that every generator takes, NumPy's included."""

Text = Annotated[str, Field(min_length=1)]
"""A text that is not empty."""


def _as_tuple(value: Any) -> Any:
    # Within a section that has a `Shorthand` a strict tuple is none of JSON any more, and refuses a list.
    return tuple(value) if isinstance(value, list) else value


Sides = Annotated[tuple[PositiveInt, PositiveInt], BeforeValidator(_as_tuple)]
"""Height and width in pixels."""

_BUDGET = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")


def budget_seconds(text: str) -> int:
    """Return the seconds in a length of time such as `90s`, `10m` or `1h30m`.

    Raises:
        ValueError: When `text` is none, or nothing.
    """
    found = _BUDGET.fullmatch(text)
    hours, minutes, seconds = (int(number or 0) for number in found.groups()) if found else (0, 0, 0)
    if not (total := 3600 * hours + 60 * minutes + seconds):
        raise ValueError(f"'{text}' is no length of time; write it as in 90s, 10m or 1h30m")
    return total


_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(GB|MB)|0")


def cache_bytes(text: str) -> int:
    """Return the bytes in a size such as `500MB`, `4GB` or `0`.

    Raises:
        ValueError: When `text` is none.
    """
    found = _SIZE.fullmatch(text)
    if found is None:
        raise ValueError(f"'{text}' is no size; write it as in 500MB, 4GB or 0")
    return int(float(found[1] or 0) * {"GB": 10**9, "MB": 10**6, None: 0}[found[2]])


def _checked_size(text: str) -> str:
    cache_bytes(text)
    return text


def _nothing_in_words(value: Any) -> Any:
    return "0" if value == 0 and isinstance(value, int) else value


Size = Annotated[str, BeforeValidator(_nothing_in_words), AfterValidator(_checked_size)]
"""A size on disk, as `cache_bytes` reads it; nothing may be the number 0."""


def _checked_budget(text: str) -> str:
    budget_seconds(text)
    return text


Budget = Annotated[str, AfterValidator(_checked_budget)]
"""A length of time, as `budget_seconds` reads it."""


def _compiled(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"no regular expression: {error}") from error
    return text


Pattern = Annotated[str, AfterValidator(_compiled)]
"""A regular expression, as Python's `re` takes it."""
