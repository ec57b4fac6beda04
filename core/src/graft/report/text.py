"""Text of unknown origin as it is shown in a page or a figure."""

from __future__ import annotations

import re

# What no page and no SVG may hold, half characters that stand for bytes of file names, and characters that let what
# follows run in another direction: a class name must not turn round the words after it.
_HIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]|[\u202a-\u202e\u2066-\u2069\x7f-\x9f]")


def plain(text: str) -> str:
    r"""Return text in which control characters are spelt out, as in `\u202e`."""
    return _HIDDEN.sub(lambda match: f"\\u{ord(match[0]):04x}", text)
