from __future__ import annotations

import pytest

from graft.report.text import plain


@pytest.mark.parametrize("text", ["", "tab\there", "日本語 👩‍🔬 é", "a\nb", "<>&\"'$\\"])
def test_plain__what_can_be_shown_stays(text: str) -> None:
    assert plain(text) == text


@pytest.mark.parametrize("hidden", ["\x00", "\x1b", "\x7f", "\x9b", "\u202e", "\u2066", "\udcff", "\ufffe"])
def test_plain__what_cannot_is_spelt_out(hidden: str) -> None:
    assert plain(f"a{hidden}b") == f"a\\u{ord(hidden):04x}b"
