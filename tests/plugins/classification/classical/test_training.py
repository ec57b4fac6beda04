"""Each classical head through the command line: trained, reported, exported, evaluated and predicted with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from clouds import KINDS
from graft.testing.commands import Graft
from photos import write_photos

ALL = [*KINDS, "ensemble"]
SMALL = ("backbone.size=32", "evaluation.bootstrap=20")
QUICK = {
    "forest": ("head.trees=10",),
    "boosting": ("head.iterations=5",),
    "fitted-mlp": ("head.hidden=[32]",),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("classical")
    write_photos(folder / "photos", per_class=10)
    write_photos(folder / "new", per_class=2, seed=1)
    return folder


@pytest.fixture(scope="module")
def runs(folder: Path) -> dict[str, Path]:
    made: dict[str, Path] = {}
    for kind in ALL:
        result = Graft(folder)(
            "classify", "train", "photos", f"head.kind={kind}", *QUICK.get(kind, ()), *SMALL, "--name", kind
        )
        assert result.code == 0, (kind, result.err)
        made[kind] = folder / "runs" / kind
    return made


@pytest.mark.parametrize("kind", ALL)
def test_train__all_that_a_run_has(kind: str, runs: dict[str, Path]) -> None:
    run = runs[kind]
    results = json.loads((run / "results.json").read_text())
    assert results["metrics"]["test"]["accuracy"]["value"] == 1.0, "three colours are no riddle"
    assert results["epochs"] == 1
    (row,) = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert 0 <= row["val.loss"] < 1.1
    (choice,) = json.loads((run / "choices.json").read_text())
    assert choice.startswith(f"head {kind}: ")
    assert "cross-validated balanced accuracy" in choice
    page = (run / "report.html").read_text()
    assert "Confusion matrix" in page
    assert f"head {kind}: " in page
    assert sorted(path.name for path in (run / "bundle").iterdir()) == ["bundle.json", "model.safetensors"]


@pytest.mark.parametrize("kind", ALL)
def test_evaluate__gives_the_runs_own_values(kind: str, runs: dict[str, Path], folder: Path) -> None:
    result = Graft(folder)("classify", "evaluate", f"runs/{kind}", "--json")
    assert result.code == 0, result.err
    again = json.loads(result.out)["metrics"]["test"]["accuracy"]["value"]
    assert again == json.loads((runs[kind] / "results.json").read_text())["metrics"]["test"]["accuracy"]["value"]


@pytest.mark.parametrize("kind", ALL)
def test_predict__names_new_images(kind: str, runs: dict[str, Path], folder: Path) -> None:
    result = Graft(folder)("classify", "predict", str(runs[kind]), "new")
    assert result.code == 0, result.err
    rows = [line.split(",") for line in result.out.splitlines()[1:]]
    assert len(rows) == 6
    assert all(Path(path).parent.name == label for path, label, *_ in rows)


@pytest.mark.parametrize("kind", ALL)
def test_export__answers_as_torch_does(kind: str, runs: dict[str, Path], folder: Path) -> None:
    pytest.importorskip("onnxruntime")
    result = Graft(folder)("classify", "export", str(runs[kind]), "--format", "onnx", "--json")
    assert result.code == 0, result.err
    assert json.loads(result.out)["max_abs_difference"] < 1e-4


@pytest.mark.parametrize("kind", ALL)
def test_dry_run__sees_one_class_alone_and_writes_nothing(kind: str, folder: Path) -> None:
    before = sorted(folder.rglob("*"))
    words = ("classify", "train", "photos", f"head.kind={kind}", *QUICK.get(kind, ()), *SMALL, "train.batch=3")
    result = Graft(folder)(*words, "--dry-run")
    assert result.code == 0, result.err
    assert sorted(folder.rglob("*")) == before


def test_recipe__of_a_run_trains_the_same_again(runs: dict[str, Path], folder: Path) -> None:
    result = Graft(folder)("classify", "train", "--recipe", str(runs["svm"] / "recipe.toml"), "--name", "again")
    assert result.code == 0, result.err
    digests = {
        json.loads((folder / "runs" / name / "results.json").read_text())["weights_sha256"] for name in ("svm", "again")
    }
    assert len(digests) == 1


def test_train__several_labels(folder: Path) -> None:
    rows = [f"{path.relative_to(folder)},{path.parent.name};any" for path in sorted((folder / "photos").rglob("*.png"))]
    (folder / "labels.csv").write_text("path,label\n" + "\n".join(rows[:-3]) + f"\n{rows[-1].removesuffix(';any')}\n")
    result = Graft(folder)("classify", "train", "labels.csv", "task.labels=multi", "head.kind=logistic", *SMALL)
    assert result.code == 0, result.err


def test_train__what_a_fitted_head_cannot_be_asked(folder: Path) -> None:
    result = Graft(folder)("classify", "train", "photos", "head.kind=knn", "strategy=gradual", "train.epochs=3")
    assert result.code == 2
    assert "preset gradual: strategy.unfreeze.kind: head 'knn' is fitted at once" in result.err
    assert "set strategy.unfreeze.kind=none" in result.err
    assert "command line: train.epochs" in result.err
