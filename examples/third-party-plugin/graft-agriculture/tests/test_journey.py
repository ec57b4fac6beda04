"""What a user does."""

from __future__ import annotations

import json
from typing import Any


def test_a_survey_is_graded(graft: Any) -> None:
    done = graft("data", "sample", "classification", "fields", "--domain", "agriculture", "--size", "48", "-q")
    assert done.code == 0, done.err
    how = ("strategy=fixed", "train.epochs=8", "--name", "rust")
    done = graft("classify", "train", "fields/source", "--domain", "agriculture", *how)
    assert done.code == 0, done.err
    results = json.loads((graft.folder / "runs" / "rust" / "results.json").read_text())
    assert results["metrics"]["test"]["quadratic_kappa"]["value"] > 0.5
    assert "Fields" in (graft.folder / "runs" / "rust" / "report.html").read_text()


def test_mistakes_are_named_by_field_and_line(graft: Any) -> None:
    graft("data", "sample", "classification", "fields", "--domain", "agriculture", "--size", "16", "-q")
    table = next((graft.folder / "fields" / "target").glob("*train0/plots.csv"))
    table.write_text(table.read_text().replace("plot3.png,", "plot3.png,,", 1))
    done = graft("classify", "train", "fields/target", "--domain", "agriculture")
    assert done.code == 2
    assert "target-train0/plots.csv line 5: 4 cells" in done.err
