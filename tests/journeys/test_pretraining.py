"""Two epochs on generated images, and a classifier that starts from them; a run that is cut gives the same weights."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from graft.testing.commands import Graft

LEAVES = 'kind = "dead-leaves"\ncount = 40\nsize = 32\nseed = 3\n'
WORDS = (
    *("pretrain", "train", "leaves.toml", "data.decoder=generated", "backbone.weights=none"),
    *("backbone.size=32", "train.epochs=2", "train.batch=8", "head.hidden=32"),
)


@pytest.fixture(scope="module")
def cli(tmp_path_factory: pytest.TempPathFactory) -> Graft:
    folder = tmp_path_factory.mktemp("pretraining")
    (folder / "leaves.toml").write_text(LEAVES)
    cli = Graft(folder)
    trained = cli(*WORDS, "--name", "whole")
    assert trained.code == 0, trained.err
    assert "28 train, 6 val, 6 test" in trained.err
    (folder / "said.txt").write_text(trained.err)
    return cli


def _results(cli: Graft, run: str) -> dict[str, object]:
    found: dict[str, object] = json.loads((cli.folder / "runs" / run / "results.json").read_text())
    return found


def test_a_classifier_starts_from_it(cli: Graft) -> None:
    assert cli("data", "sample", "classify", "labelled", "--size", "32", "--per-class", "2").code == 0
    (says,) = [line for line in (cli.folder / "said.txt").read_text().splitlines() if line.startswith("Next")]
    graft, *words = says.replace("LABELLED", "labelled/target").split()[1:]
    assert graft == "graft"
    assert words[-1] == "backbone.weights=runs/whole/bundle/model.safetensors"
    after = cli(*words, "backbone.size=32", "train.epochs=1", "evaluation.bootstrap=0", "--name", "after")
    assert after.code == 0, after.err
    taken = "90 tensors loaded, 7 of the old classifier replaced (head.projector"
    assert taken in after.err
    assert taken in str(_results(cli, "after")["loaded"])
    assert taken in (cli.folder / "runs/after/report.html").read_text(encoding="utf-8")


def test_its_report_speaks_of_unusual_images_not_of_errors(cli: Graft) -> None:
    page = (cli.folder / "runs/whole/report.html").read_text(encoding="utf-8")
    assert "Most unusual images" in page
    assert "Largest errors" not in page


def test_it_gives_embeddings_also_of_photographs(cli: Graft) -> None:
    (photo,) = list(Path(cli.folder).glob("labelled/target/test/*/*.png"))[:1]
    predicted = cli("pretrain", "predict", "runs/whole", photo, "--format", "json")
    assert predicted.code == 0, predicted.err
    assert '"embedding"' in predicted.out


def test_it_is_measured_on_other_images(cli: Graft) -> None:
    done = cli("pretrain", "evaluate", "runs/whole", "--data", "labelled/target/test", "--json")
    assert done.code == 0, done.err
    rankme = json.loads(done.out)["metrics"]["labelled/target/test"]["rankme"]
    assert rankme["value"] > 1
    assert rankme["low"] is None, "resampling lowers a rank"


def test_an_image_that_cannot_be_read_is_named_once(cli: Graft) -> None:
    photos = cli.folder / "photos"
    photos.mkdir()
    for number in range(8):
        Image.fromarray(np.full((32, 32, 3), number, np.uint8)).save(photos / f"{number}.png")
    (photos / "7.png").write_bytes(b"no image")
    refused = cli("pretrain", "train", "photos", "--name", "refused")
    assert refused.code == 2
    assert "1 of 8 images cannot be read" in refused.err
    assert refused.err.count("7.png") == 1


def test_an_interrupted_run_ends_with_the_same_weights(cli: Graft, monkeypatch: pytest.MonkeyPatch) -> None:
    from graft.engine import _record
    from graft.engine._signals import Stopped

    real = _record.Recorder.finish_epoch

    def stop_after_one(self: _record.Recorder, epoch: object, learner: object) -> bool:
        real(self, epoch, learner)
        raise Stopped(terminated=True)

    with monkeypatch.context() as patched:
        patched.setattr(_record.Recorder, "finish_epoch", stop_after_one)
        assert cli(*WORDS, "--name", "cut").code == 143
    resumed = cli("resume", "runs/cut")
    assert resumed.code == 0, resumed.err
    assert _results(cli, "whole")["weights_sha256"] == _results(cli, "cut")["weights_sha256"]
