from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from graft.cli.session import Session, begin, emit, refine, session


def test_refine__adds_flags_and_takes_none_away() -> None:
    begin(Session(json=True))
    assert refine(quiet=True) is session()
    assert (session().json, session().console.quiet) == (True, True)
    refine()
    assert (session().json, session().console.quiet) == (True, True)


def test_emit__prints_one_valid_document(capsys: pytest.CaptureFixture[str]) -> None:
    emit({"path": Path("a/b"), "nan": math.nan, "deep": [{"inf": math.inf, 1: np.float64(0.5)}], "names": ("ä",)})
    captured = capsys.readouterr()
    assert json.loads(captured.out) == {"path": "a/b", "nan": None, "deep": [{"inf": None, "1": 0.5}], "names": ["ä"]}
    assert captured.err == ""
