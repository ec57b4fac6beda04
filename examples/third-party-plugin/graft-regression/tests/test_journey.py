"""What a user does."""

from __future__ import annotations

import json
from typing import Any


def test_it_learns_how_much_is_covered(graft: Any, graft_data: Any) -> None:
    data = graft_data("regression", size=48, per_class=15) / "source"
    done = graft("regression", "train", data, "strategy=fixed", "train.epochs=12", "--name", "cover", "--json")
    assert done.code == 0, done.err
    results = json.loads((graft.folder / "runs" / "cover" / "results.json").read_text())
    assert results["metrics"]["test"]["regression_r2"]["value"] > 0.5
    assert "Predicted and true values" in (graft.folder / "runs" / "cover" / "report.html").read_text()


def test_a_table_with_mistakes_names_every_line(graft: Any, graft_data: Any) -> None:
    data = graft_data("regression", size=32, per_class=2) / "target"
    text = (data / "values.csv").read_text().splitlines()
    text[1] = text[1].replace(text[1].split(",")[1], "much")
    text[3] = text[3].replace(text[3].split(",")[1], "nan")
    (data / "values.csv").write_text("\n".join(text) + "\n")
    done = graft("regression", "train", data)
    assert done.code == 2
    assert "values.csv line 2: 'much' is no number" in done.err
    assert "values.csv line 4: 'nan' is no number" in done.err
