"""What the guide tells people to type about a trained model, and about weights of their own, works as it stands."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from pathlib import Path

import pytest

from graft.testing.commands import Graft
from graft_classification.options import RecurrentOptions
from moves import write_moves
from photos import write_photos

GUIDE = Path(__file__).parents[2] / "docs" / "guide"
SHORT = ("train.epochs=1", "train.batch=8", "backbone.size=32", "backbone.weights=none", "evaluation.bootstrap=20")


def section(page: str, title: str) -> str:
    text = (GUIDE / page).read_text(encoding="utf-8")
    return text.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def commands(text: str, language: str) -> list[list[str]]:
    """The words of every line that calls graft, without what feeds it."""
    lines = [line for block in re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL) for line in block.splitlines()]
    return [shlex.split(line[line.index("graft ") + 6 :], comments=True) for line in lines if "graft " in line]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("guide")
    write_photos(folder / "photos", per_class=6)
    write_photos(folder / "other-photos", per_class=2, seed=1)
    new = write_photos(folder / "new-photos", per_class=2, seed=2)
    rows = [f"{path.relative_to(folder)},{path.parent.name}" for path in sorted(new.rglob("*.png"))]
    (folder / "labels.csv").write_text("path,label\n" + "\n".join(rows) + "\n")
    result = Graft(folder)("classify", "train", "photos", "data.split.test=0.3", "--name", "first", *SHORT)
    assert result.code == 0, result.err
    return folder


EVALUATE = commands(section("classification.md", "Evaluate"), "sh")
PREDICT = commands(section("classification.md", "Predict"), "sh")


CLASSICAL = section("classification.md", "Classical heads")


def test_classification__has_both() -> None:
    assert len(EVALUATE) == 3
    assert len(PREDICT) == 4


@pytest.mark.parametrize("words", EVALUATE, ids=" ".join)
def test_classification__evaluate(words: Sequence[str], trained: Path) -> None:
    result = Graft(trained)(*words)
    assert result.code == 0, result.err
    accuracy = result.out.splitlines()[0].split()
    assert accuracy[0] == "accuracy"
    assert len(accuracy) == (2 if "val" in words else 5), "a value with its interval"


@pytest.mark.parametrize("words", PREDICT, ids=" ".join)
def test_classification__predict(words: Sequence[str], trained: Path) -> None:
    stdin = "".join(f"{path}\n" for path in sorted((trained / "new-photos").rglob("*.png")))
    result = Graft(trained)(*words, stdin=stdin)
    assert result.code == 0, result.err
    rows = ((trained / words[-1]).read_text() if "-o" in words else result.out).splitlines()
    assert rows[0].startswith("path,label,score,score.apple")
    assert len(rows) == 1 + 6


def test_classification__classical_heads(trained: Path) -> None:
    lines = commands(CLASSICAL, "sh")
    assert len(lines) == 4
    for number, words in enumerate(lines):
        short = [one for one in SHORT if "epochs" not in one]
        result = Graft(trained)(*words, *short, "--name", f"classical-{number}")
        assert result.code == 0, result.err


def test_classification__an_ensemble_of_ones_own(trained: Path) -> None:
    (text,) = re.findall(r"```toml\n(.*?)```", CLASSICAL, re.DOTALL)
    (trained / "recipe.toml").write_text(text)
    result = Graft(trained)("recipe", "check", "recipe.toml")
    assert result.code == 0, result.err


def test_classification__what_a_classical_head_refuses(trained: Path) -> None:
    (shown,) = re.findall(r"```console\n\$ graft (.*?)```", CLASSICAL, re.DOTALL)
    command, _, expected = shown.partition("\n")
    result = Graft(trained)(*shlex.split(command))
    assert (result.code, result.err) == (2, expected)


def test_classification__every_classical_head_is_in_the_table() -> None:
    from graft.plugins import HeadSpec, load_plugins

    plugins = load_plugins(names=["classification"])
    rows = dict(re.findall(r"^\| `([\w-]+)` \|(.*)$", CLASSICAL, re.MULTILINE))
    specs = {name: spec for name, spec in plugins.specs(HeadSpec).items() if spec.fitted}
    assert set(rows) == set(specs)
    for name, spec in specs.items():
        own = set(plugins.options(spec).model_fields) - {"scale", "pca", "folds"}
        assert set(re.findall(r"`(\w+)`", rows[name])) >= own, name


def test_backbones__weights_of_ones_own(tmp_path: Path) -> None:
    import torch
    from torchvision.models import mobilenet_v2

    torch.save(mobilenet_v2().state_dict(), tmp_path / "mobilenet_v2.pth")
    text = section("backbones.md", "Without a network")
    seen = [words for words in commands(text, "console") if words[0] == "backbones"]
    assert [words[1] for words in seen] == ["import", "list", "info", "remove"]
    for words in seen:
        result = Graft(tmp_path)(*words)
        assert result.code == 0, result.err
        if words[1] == "list":
            assert result.out in text
    assert Graft(tmp_path)("backbones", "info", "mnv2").code == 2


RANK = commands(section("backbones.md", "Which one?"), "console")


def test_backbones__rank(tmp_path: Path) -> None:
    import torch
    from torchvision.models import mobilenet_v2

    write_photos(tmp_path / "photos", per_class=6)
    torch.save(mobilenet_v2().state_dict(), tmp_path / "mobilenet_v2.pth")
    graft = Graft(tmp_path)
    options = ("--name", "mnv2", "--arch", "torchvision:mobilenet_v2")
    assert graft("backbones", "import", "mobilenet_v2.pth", *options).code == 0
    assert len(RANK) == 3
    results = [graft(*words, "--size", "32") for words in RANK]
    assert [result.code for result in results] == [0, 0, 0], [result.err for result in results]
    head = results[0].out.splitlines()[0]
    for column in (
        "PROBE",
        "LOGME",
        "LEEP",
        "N-LEEP",
        "H-SCORE",
        "PARAMS",
        "GFLOPS",
        "MS",
        "MB",
        "BY PARAMS",
        "BY TOP-1",
    ):
        assert column in head
        assert f"`{column}`" in section("backbones.md", "Which one?")


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    write_moves(folder / "clips", 9)
    write_moves(folder / "other-clips", 2, seed=1)
    write_moves(folder / "new-clips", 2, seed=2)
    header = next(line for line in section("data.md", "Sequences").splitlines() if line.startswith("sequence,frame"))
    frames = [
        f"{path.parent.parent.name} {path.parent.name},{path},{path.parent.parent.name},,,{path.parent.name[-2:]}"
        for path in sorted((folder / "clips").rglob("*.png"))
    ]
    (folder / "clips.csv").write_text("\n".join([header, *frames]) + "\n")
    (folder / "frames.csv").write_text("sequence,frame\n" + "".join(f"one,{path}\n" for path in folder.rglob("*.png")))
    return folder


SEQUENCES = commands(section("data.md", "Sequences"), "sh")
BY_TIME = [words for words in commands(section("data.md", "Splits"), "sh") if "data.split=time" in words]
HEADS = [words for words in commands(section("classification.md", "Sequences"), "sh") if words[1] == "train"]
USES = [words for words in commands(section("classification.md", "Sequences"), "sh") if words[1] != "train"]


def test_sequences__there_are_commands() -> None:
    assert [len(some) for some in (SEQUENCES, BY_TIME, HEADS, USES)] == [3, 1, 2, 4]


@pytest.mark.parametrize("words", [*SEQUENCES, *BY_TIME, *HEADS], ids=" ".join)
def test_sequences__train(words: Sequence[str], clips: Path) -> None:
    result = Graft(clips)(*words, *SHORT)
    assert result.code == 0, result.err
    assert "read as 'sequences'" in result.err
    assert ("by time (numbers)" in result.err) is (words in BY_TIME)


@pytest.fixture(scope="module")
def of_clips(clips: Path) -> Path:
    assert Graft(clips)(*HEADS[0], "--name", "clips", *SHORT).code == 0
    return clips


@pytest.mark.parametrize("words", USES, ids=" ".join)
def test_sequences__use(words: Sequence[str], of_clips: Path) -> None:
    result = Graft(of_clips)(*words)
    assert result.code == 0, result.err
    if words[1] == "predict":
        rows = 1 if "frames.csv" in words else 4
        assert len(result.out.splitlines()) == 1 + rows


@pytest.mark.parametrize("head", ["lstm", "gru"])
def test_sequences__defaults(head: str) -> None:
    options = RecurrentOptions()
    text = section("classification.md", "Sequences")
    assert f"| `{head}` |" in text
    for name, shown in (("hidden", "128"), ("layers", "1"), ("bidirectional", "false"), ("dropout", "0.2")):
        assert f"`{name}` = {shown}" in text
        assert str(getattr(options, name)).lower() == shown
    assert f'`pooling` = `"{options.pooling}"`' in text


def test_data__the_preview(trained: Path) -> None:
    page = (GUIDE / "data.md").read_text(encoding="utf-8")
    (words,) = [words for words in commands(page, "sh") if words[:2] == ["data", "preview"]]
    result = Graft(trained)(*words, "--count", "2")
    assert result.code == 0, result.err
    assert (trained / "preview.png").stat().st_size > 1000
