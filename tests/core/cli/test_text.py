from __future__ import annotations

from graft.cli.text import columns, indented


def test_columns__are_aligned_without_trailing_blanks() -> None:
    assert columns([("a", "long", "x"), ("bbb", "", "")], indent="  ") == "  a    long  x\n  bbb"


def test_indented__moves_each_line() -> None:
    assert indented("a\nb") == "    a\n    b"
