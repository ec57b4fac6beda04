from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from graft.backbones import build_backbone
from graft.console import Console
from graft.errors import DataError, OfflineError, UserError
from graft.features.candidates import Candidate, named
from graft.features.extract import Extractor
from graft.features.images import Images
from graft.features.probe import cross_validate
from graft.features.rank import rank
from graft.features.transferability import hscore, leep, logme, nleep
from graft.plugins import core_plugins
from photos import write_photos

PLUGINS = core_plugins()
SHUFFLE = "torchvision:shufflenet_v2_x0_5"


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GRAFT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("GRAFT_OFFLINE", "1")
    return tmp_path


@pytest.fixture
def images(tmp_path: Path) -> Images:
    paths = tuple(sorted(write_photos(tmp_path / "photos", per_class=8).rglob("*.png")))
    return Images(paths, np.repeat(np.arange(3), 8), None, ("apple", "leaf", "sky"), 0)


def candidates(*words: str) -> list[Candidate]:
    return named(words, plugins=PLUGINS, size=32)


def test_rank__scores_are_of_the_features(images: Images, tmp_path: Path) -> None:
    from torchvision.models import shufflenet_v2_x0_5

    torch.manual_seed(5)
    whole = shufflenet_v2_x0_5().eval()
    file = tmp_path / "s.safetensors"
    save_file(whole.state_dict(), file)
    (candidate,) = candidates(f"{SHUFFLE}@{file}")
    console = Console(quiet=True)
    extractor = Extractor(build_backbone(candidate.section, plugins=PLUGINS))
    features = extractor(images.paths, console=console)["embedding"]
    with torch.no_grad():  # a classifier that tells these images apart, in which the bias matters
        whole.fc.weight.normal_().div_(float(features.std()))
        whole.fc.bias.copy_(-whole.fc.weight @ torch.from_numpy(features.mean(axis=0)))
    save_file(whole.state_dict(), file)
    ranking = rank([candidate], images, plugins=PLUGINS, console=console)
    (row,) = ranking.rows
    assert row.dimensions == features.shape[1] == 1024
    assert row.size == (32, 32)
    assert row.scores.logme == pytest.approx(logme(features, images.labels))
    assert row.scores.nleep == pytest.approx(nleep(features, images.labels))
    assert row.scores.hscore == pytest.approx(hscore(features, images.labels, shrinkage=True))
    with torch.no_grad():
        guesses = whole.fc(torch.from_numpy(features)).softmax(dim=1).numpy()
    assert row.scores.leep == pytest.approx(leep(guesses, images.labels), abs=1e-4)
    assert row.scores.leep > np.log(1 / 3) + 0.1, "they say something"
    probe = cross_validate(features, images.labels)
    assert (row.probe.probabilities == probe.probabilities).all()
    assert ranking.baseline == pytest.approx(1 / 3)


def test_rank__the_best_probe_first_and_random_weights_the_same_each_time(images: Images) -> None:
    chosen = candidates(f"{SHUFFLE}@none", "tiny")
    torch.manual_seed(1)
    first = rank(chosen, images, plugins=PLUGINS, console=Console(quiet=True))
    accuracies = [row.probe.accuracy.value for row in first.rows]
    assert accuracies == sorted(accuracies, reverse=True)
    torch.manual_seed(2)
    again = rank(chosen[::-1], images, plugins=PLUGINS, console=Console(quiet=True))
    by_name = {row.candidate.name: row.scores for row in again.rows}
    assert {row.candidate.name: row.scores for row in first.rows} == by_name
    assert all(row.scores.leep is None for row in first.rows)


def test_rank__no_image_is_read_before_every_candidate_is_built(images: Images) -> None:
    nowhere = images.without(set(images.paths[:-6]))
    for path in nowhere.paths:
        path.unlink()
    words = ("tiny", "tiny@nothing", "timm:no_such_net", SHUFFLE)
    with pytest.raises(UserError) as caught:
        rank(candidates(*words), nowhere, plugins=PLUGINS, console=Console(quiet=True))
    assert not isinstance(caught.value, (OfflineError, DataError))
    assert [problem.where for problem in caught.value.problems] == ["graft:tiny@nothing", "timm:no_such_net", SHUFFLE]
    with pytest.raises(OfflineError):
        rank(candidates("tiny", SHUFFLE), nowhere, plugins=PLUGINS, console=Console(quiet=True))


def test_rank__what_nobody_named_may_fail(images: Images) -> None:
    console = Console(quiet=True)
    ranking = rank(candidates("tiny@nothing", "tiny"), images, plugins=PLUGINS, console=console, strict=False)
    assert [row.candidate.name for row in ranking.rows] == ["graft:tiny"]
    assert console.warnings == ["graft:tiny@nothing is left out: no weights 'nothing'"]
    with pytest.raises(UserError, match="cannot be built"):
        rank(candidates("tiny@nothing"), images, plugins=PLUGINS, console=console, strict=False)


def test_rank__files_that_cannot_be_read_are_left_out_for_all(images: Images) -> None:
    for path in images.paths[:2]:
        path.write_bytes(b"no picture")
    console = Console(quiet=True)
    ranking = rank(candidates("tiny", f"{SHUFFLE}@none"), images, plugins=PLUGINS, console=console)
    assert len(ranking.images.paths) == 22
    assert [problem.where for problem in ranking.bad] == [str(path) for path in images.paths[:2]]
    assert all(len(row.probe.predicted) == 22 for row in ranking.rows)
    (warning,) = console.warnings
    assert warning.startswith("left out 2 of 24 images that cannot be read: ")


def test_rank__nothing_can_be_read(images: Images) -> None:
    for path in images.paths:
        path.write_bytes(b"no picture")
    with pytest.raises(DataError, match="24 of 24 images cannot be read"):
        rank(candidates("tiny"), images, plugins=PLUGINS, console=Console(quiet=True))


def test_rank__groups_are_kept_together(images: Images) -> None:
    grouped = Images(images.paths, images.labels, tuple(f"g{i // 8}" for i in range(24)), images.classes, 0)
    (row,) = rank(candidates("tiny"), grouped, plugins=PLUGINS, console=Console(quiet=True)).rows
    assert row.probe.accuracy.value == 0, "a group for each class: no class is ever seen in training"
