from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import typer
from PIL import Image
from typer.testing import CliRunner, Result

from graft.cli import report as report_command
from graft.cli import use
from graft.cli.session import Session, begin
from graft.errors import GraftError, RunError, UserError
from graft.plugins import OutputSpec, Plugins, TaskSpec
from graft.runs.folder import Run
from tones import HOSTILE, finished_run, tones_plugins, write_images

Invoke = Callable[..., Result]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return finished_run(tmp_path_factory.mktemp("run"))[0]


@pytest.fixture
def invoke() -> Invoke:
    """Run a verb of the task `tones`; errors are raised, as the root command would catch them."""

    def call(*arguments: object, stdin: str = "", fails: bool = False, plugins: Plugins | None = None) -> Result:
        session = Session()
        session.__dict__["plugins"] = plugins or tones_plugins()
        begin(session)
        app = typer.Typer()
        use.register(app, "tones")
        app.add_typer(report_command.app)
        result = CliRunner().invoke(app, [str(argument) for argument in arguments], input=stdin)
        if isinstance(result.exception, GraftError):
            raise result.exception
        assert fails or result.exit_code == 0, result.output
        return result

    return call


def test_evaluate__the_numbers_of_the_run(invoke: Invoke, run: Run) -> None:
    document = json.loads(invoke("evaluate", run.path, "--json", "--device", "cpu").stdout)
    assert document["metrics"]["test"].keys() == run.results["metrics"]["test"].keys()
    assert document["metrics"]["test"]["share"] == pytest.approx(run.results["metrics"]["test"]["share"], abs=1e-9)
    lines = invoke("evaluate", run.path, "--split", "val").stdout.splitlines()
    assert lines[0].split() == ["share", f"{run.results['metrics']['val']['share']['value']:.3f}"]


def test_evaluate__other_data(invoke: Invoke, run: Run) -> None:
    data = run.recipe.recipe.data.train
    with pytest.raises(GraftError, match="classes that the model does not know"):
        # By default the table's reader divides a cell at `;`, and one of the names has one.
        invoke("evaluate", run.path, "--data", data)


def test_predict__csv_is_no_formula(invoke: Invoke, run: Run, tmp_path: Path) -> None:
    (image,) = write_images(tmp_path, 1)
    for name in ("=cmd.png", "+1.png", "-1.png", "@x.png", "\tx.png"):
        (tmp_path / name).write_bytes(image.read_bytes())
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        result = invoke("predict", run.path, "--", "=cmd.png", "+1.png", "-1.png", "@x.png", "\tx.png", "00.png")
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert [row["path"] for row in rows] == ["'=cmd.png", "'+1.png", "'-1.png", "'@x.png", "'\tx.png", "00.png"]
    assert list(rows[0]) == ["path", "label", "score", "error"]
    guarded = {name if name[0] != "=" else f"'{name}" for name in HOSTILE}
    assert all(row["label"] in guarded and 0 < float(row["score"]) <= 1 for row in rows)


def test_predict__json_and_stdin(invoke: Invoke, run: Run, tmp_path: Path) -> None:
    paths = write_images(tmp_path, 2)
    listing = "\n".join(map(str, paths)) + "\r\n\n"
    for flag in ("--json", "--format=json"):
        rows = json.loads(invoke("predict", run.path, "-", flag, stdin=listing).stdout)
        assert [row["path"] for row in rows] == [str(path) for path in paths]
        assert all(row["label"] in HOSTILE for row in rows)


def test_predict__bad_file_is_a_row_and_a_warning(invoke: Invoke, run: Run, tmp_path: Path) -> None:
    write_images(tmp_path, 1)
    (tmp_path / "bad.png").write_bytes(b"no")
    result = invoke("predict", run.path, tmp_path)
    rows = {Path(row["path"]).name: row for row in csv.DictReader(io.StringIO(result.stdout))}
    assert "[format]" in rows["bad.png"]["error"]
    assert not rows["00.png"]["error"]
    assert "1 of 2 files could not be read" in result.stderr
    assert invoke("predict", run.path, tmp_path / "bad.png", fails=True).exit_code == 2


@pytest.mark.parametrize("name", ["out.csv", "out.json"])
def test_predict__output_file_is_whole_or_not_there(invoke: Invoke, run: Run, tmp_path: Path, name: str) -> None:
    write_images(tmp_path / "images", 3)
    target = tmp_path / name
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="no image in this folder"):
        invoke("predict", run.path, tmp_path / "images", tmp_path / "empty", "--output", target)
    assert not target.exists()
    assert invoke("predict", run.path, tmp_path / "images", "-o", target).stdout == ""
    text = target.read_text("utf-8")
    rows = json.loads(text) if name.endswith("json") else list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == 3


def test_predict__no_path_on_stdin(invoke: Invoke, run: Run) -> None:
    with pytest.raises(UserError, match="no path was given"):
        invoke("predict", run.path, "-")


def test_verbs__another_task(run: Run) -> None:
    app = typer.Typer()
    session = Session()
    scents = replace(tones_plugins().find(TaskSpec, "tones"), name="scents", verb="smell")
    session.__dict__["plugins"] = tones_plugins(scents)
    begin(session)
    use.register(app, "scents")
    result = CliRunner().invoke(app, ["predict", str(run.path), "x.png"])
    assert isinstance(result.exception, RunError)
    assert "is a model for the task 'tones', not for 'scents'" in str(result.exception)
    assert result.exception.fix == f"graft tone … {run.path}"


def test_export__beside_the_run_or_elsewhere(invoke: Invoke, run: Run, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    with pytest.raises(UserError, match="does not exist"):
        invoke("export", run.path, "--output", tmp_path / "nowhere" / "m.onnx")
    document = json.loads(invoke("export", run.path, "--output", tmp_path / "m.onnx", "--json").stdout)
    assert document["path"] == str(tmp_path / "m.onnx")
    assert (tmp_path / "m.onnx").stat().st_size == document["bytes"]


def test_report__writes_it_again(invoke: Invoke, run: Run) -> None:
    assert "report.html" in invoke("report", run.path, "--device", "cpu").stderr
    assert (run.path / "report.html").is_file()
    with pytest.raises(RunError, match="not a run folder"):
        invoke("report", run.bundle)


WRITER = """
from graft.outputs import Output


class Lines(Output):
    def write(self, predictor, paths, out):
        for number, path in enumerate(paths):
            try:
                size = predictor.bundle.decoder.size(path)
            except Exception as error:
                yield path, str(error)
                continue
            (file,) = predictor.predict([path])
            (out / f"{number}.txt").write_text(f"{size} {file.prediction.shape}")
            yield out / f"{number}.txt", None
"""


def test_predict__a_form_that_a_plugin_offers(
    invoke: Invoke, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lines_for_a_test.py").write_text(WRITER)
    monkeypatch.syspath_prepend(str(tmp_path))
    lines = OutputSpec(name="lines", summary="A line", target="lines_for_a_test:Lines", tasks=("tones",))
    other = OutputSpec(name="others", summary="Not ours", target="lines_for_a_test:Lines", tasks=("counting",))
    plugins = tones_plugins(lines, other)
    image = tmp_path / "a.png"
    Image.new("RGB", (40, 30), "red").save(image)
    invoked = invoke(
        "predict",
        run.path,
        image,
        tmp_path / "gone.png",
        "--format",
        "lines",
        "--out",
        tmp_path / "out",
        "--json",
        plugins=plugins,
    )
    document = json.loads(invoked.stdout)
    assert [Path(path).name for path in document["files"]] == ["0.txt"]
    assert "no such file" in document["errors"][0]["error"]
    assert (tmp_path / "out" / "0.txt").read_text() == "(30, 40) (6,)"
    with pytest.raises(UserError, match="there is no 'others'"):
        invoke("predict", run.path, image, "--format", "others", "--out", tmp_path / "out", plugins=plugins)
    with pytest.raises(UserError, match="written into a folder, and none is named"):
        invoke("predict", run.path, image, "--format", "lines", plugins=plugins)
