"""`graft data sample` and `graft data preview`: what they write, and what they refuse."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from graft.cli.data import write_sample
from graft.data.generate import labelled
from graft.errors import DataError, PluginError, UserError
from graft.plugins import DomainSpec, PluginInfo, Plugins, TaskSpec, load_plugins
from graft.plugins.loading import LoadedPlugin
from graft.testing.commands import Graft


@pytest.fixture(scope="module")
def plugins() -> Plugins:
    return load_plugins()


@pytest.fixture(scope="module")
def task(plugins: Plugins) -> str:
    return next(name for name, spec in plugins.specs(TaskSpec).items() if spec.takes == "labels")


def _write(kind: str, out: Path, plugins: Plugins) -> int:
    return write_sample(kind, out, seed=0, size=16, per_class=2, plugins=plugins)


def test_write_sample__by_target_kind_or_by_task(tmp_path: Path, plugins: Plugins, task: str) -> None:
    by_kind = _write("labels", tmp_path / "new" / "a", plugins)
    (tmp_path / "b").mkdir()
    by_task = _write(task, tmp_path / "b", plugins)
    files = [sorted(p.relative_to(root) for p in root.rglob("*")) for root in (tmp_path / "new" / "a", tmp_path / "b")]
    assert by_kind == by_task == len([path for path in files[0] if path.suffix == ".png"])
    assert files[0] == files[1]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b", "new"]  # no temporary folder is left


def test_write_sample__unknown_kind(tmp_path: Path, plugins: Plugins) -> None:
    with pytest.raises(PluginError, match="did you mean 'labels'"):
        _write("label", tmp_path / "a", plugins)
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("kind", ["full", "file"])
def test_write_sample__out_is_taken(kind: str, tmp_path: Path, plugins: Plugins) -> None:
    out = tmp_path / "out"
    if kind == "full":
        out.mkdir()
        (out / "mine.txt").write_text("keep me")
    else:
        out.write_text("keep me")
    with pytest.raises(DataError, match="is not empty" if kind == "full" else "is a file"):
        _write("labels", out, plugins)
    assert "keep me" in ((out / "mine.txt") if kind == "full" else out).read_text()


def test_write_sample__half_a_set_never_has_the_name(
    tmp_path: Path, plugins: Plugins, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_disk(*args: object, **options: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(labelled.Image.Image, "save", full_disk)
    with pytest.raises(UserError, match="No space left"):
        _write("labels", tmp_path / "out", plugins)
    assert list(tmp_path.iterdir()) == []


SCENES = """
from pathlib import Path


def write(folder, *, seed, size, per_class):
    (folder / "source").mkdir()
    (folder / "README.txt").write_text(f"{seed} {size} {per_class}")
    return 7
"""


def test_write_sample__of_a_domain(
    tmp_path: Path, plugins: Plugins, task: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "scenes_for_a_test.py").write_text(SCENES)
    monkeypatch.syspath_prepend(str(tmp_path))
    sea = DomainSpec(name="sea", summary="Sea", target="x:D", samples={"labels": "scenes_for_a_test:write"})
    info = PluginInfo(name="sea", version="1", distribution=None, licence=None, source="sea", hooks=())
    there = [LoadedPlugin(info=p, contributions=plugins.contributions(p)) for p in plugins.loaded]
    more = Plugins([*there, LoadedPlugin(info=info, contributions=(sea,))])
    for kind in ("labels", task):
        out = tmp_path / f"out-{kind}"
        assert write_sample(kind, out, domain="sea", seed=1, size=16, per_class=2, plugins=more) == 7
        assert (out / "README.txt").read_text() == "1 16 2"
    with pytest.raises(PluginError, match="the domain 'sea' has no sample data for 'boxes'"):
        write_sample("boxes", tmp_path / "a", domain="sea", seed=1, size=16, per_class=2, plugins=more)
    with pytest.raises(PluginError, match="there is no domain 'see'"):
        write_sample("labels", tmp_path / "a", domain="see", seed=1, size=16, per_class=2, plugins=more)


def test_preview__a_row_of_draws_for_each_image(graft: Graft, work: Path, plugins: Plugins, task: str) -> None:
    write_sample("labels", work / "images", seed=0, size=24, per_class=2, plugins=plugins)
    (work / "images" / "target" / "train" / "bricks" / "broken.png").write_bytes(b"no image")
    verb = plugins.specs(TaskSpec)[task].verb
    words = ["data", "preview", verb, "images/target", "--count", "50", "--views", "2", "augment=strong"]
    first, again, other = (
        graft(*words, "--seed", seed, "--out", name, "--json")
        for seed, name in (("0", "a.png"), ("0", "b.png"), ("1", "c.png"))
    )
    document = json.loads(first.out)
    assert "train/bricks/broken.png" not in document["images"]
    with Image.open(work / "a.png") as picture:
        assert picture.width == 6 + 3 * (160 + 6)
        assert picture.height == 6 + len(document["images"]) * (160 + 14 + 6)
    assert (again.code, other.code) == (0, 0)
    assert (work / "a.png").read_bytes() == (work / "b.png").read_bytes() != (work / "c.png").read_bytes()


def test_preview__says_what_does_not_fit(graft: Graft, work: Path) -> None:
    refused = graft("data", "preview", "clasify", "images")
    assert refused.code != 0
    assert "there is no task 'clasify'" in refused.err
    (work / "images").mkdir()
    assert "end it in .png" in graft("data", "preview", "classify", "images", "--out", "a.gif").err


def test_preview__says_why_no_image_can_be_read(graft: Graft, work: Path) -> None:
    for label in ("a", "b"):
        (work / "images" / label).mkdir(parents=True)
        (work / "images" / label / "1.png").write_bytes(b"no image")
    refused = graft("data", "preview", "classify", "images")
    assert refused.code == 2
    assert "none of the images can be read; a/1.png: " in refused.err
