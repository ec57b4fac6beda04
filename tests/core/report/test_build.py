from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from graft.console import Console
from graft.errors import RunError, TrainingError
from graft.report.build import write_report
from graft.report.material import Material
from graft.report.rebuild import rebuild_report
from graft.report.text import plain
from graft.runs.folder import Run
from tones import HOSTILE, finished_run

_ALLOWED = """
    html head meta title link style body header h1 h2 h3 p div nav a main section details summary table thead tbody tr
    th td data img figure figcaption span pre strong footer
"""
_ATTRIBUTES = "lang charset http-equiv content name rel href class id scope value src alt title aria-label"


class Page(HTMLParser):
    """What is on a page, as a browser would understand it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._style = False
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._style = tag == "style"

    def handle_endtag(self, tag: str) -> None:
        self._style = False

    def handle_data(self, data: str) -> None:
        if not self._style:
            self.words.append(data)

    @property
    def text(self) -> str:
        return "".join(self.words)

    def all(self, tag: str) -> Iterator[dict[str, Any]]:
        return (attributes for found, attributes in self.tags if found == tag)


def page(path: Path) -> Page:
    return Page(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory):
    run, material, plugins = finished_run(tmp_path_factory.mktemp("hostile"))
    return run, material, plugins, page(write_report(run, material))


def test_write_report__says_under_which_licences_it_was_made(hostile) -> None:
    *_, found = hostile
    assert "tones 1.2: MIT" in found.text
    assert f"core {version('graft-core')}: Apache-2.0" in found.text


def test_write_report__nothing_runs_and_nothing_is_loaded(hostile) -> None:
    *_, found = hostile
    assert {tag for tag, _ in found.tags} <= set(_ALLOWED.split())
    assert {name for _, attributes in found.tags for name in attributes} <= set(_ATTRIBUTES.split())
    assert all(re.fullmatch(r"data:image/[a-z+]+;base64,[A-Za-z0-9+/=]+", one["src"]) for one in found.all("img"))
    assert all(one["href"].startswith("#") for one in found.all("a"))
    assert [one["href"] for one in found.all("link")] == ["data:,"]
    policy = next(one["content"] for one in found.all("meta") if one.get("http-equiv"))
    assert "default-src 'none'" in policy
    assert "script" not in policy


def test_write_report__every_name_is_readable(hostile) -> None:
    run, *_, found = hostile
    for name in HOSTILE:
        assert plain(name) in found.text
    assert "\u202e" not in found.text, "a name that turns round the words behind it"
    assert run.path.name in found.text


def test_write_report__numbers_are_those_of_results_json(hostile) -> None:
    run, *_, found = hostile
    shown = {float(one["value"]) for one in found.all("data")}
    metrics = run.results["metrics"]
    values = [number for split in metrics.values() for value in split.values() for number in value.values()]
    values += [value["value"] for split in run.results["baseline"].values() for value in split.values()]
    assert values
    assert {value for value in values if value is not None} <= shown
    test = metrics["test"]["share"]
    assert f": share {test['value']:.3f} (95 % interval {test['low']:.3f} to {test['high']:.3f})" in found.text


@pytest.mark.parametrize(("keep", "said"), [("best", "chose the epoch that was kept"), ("last", "chose nothing")])
def test_write_report__says_what_validation_was_for(keep: str, said: str, tmp_path: Path) -> None:
    run, material, _ = finished_run(tmp_path)
    recipe = run.path / "recipe.toml"
    recipe.write_text(recipe.read_text("utf-8").replace('keep = "best"', f'keep = "{keep}"'), "utf-8")
    run = Run.open(run.path, plugins=run.plugins)
    run.write("results.json", json.dumps({**run.results, "epochs": 2}))
    assert said in page(write_report(run, material)).text


def test_write_report__says_what_was_skipped_and_copied(hostile) -> None:
    *_, found = hostile
    assert "Skipped files: 1" in found.text
    assert f"{HOSTILE[0]}.png" in found.text
    assert "Identical files: 1 sets" in found.text
    assert "of which 1 reach over more than one split" in found.text
    assert "Nearly equal images are not looked for here" in found.text
    assert f"beware of {HOSTILE[0]}" in found.text
    assert "a <note>" in found.text


def test_write_report__says_what_was_chosen_and_why(tmp_path: Path) -> None:
    run, material, _ = finished_run(tmp_path)
    assert "What the recipe left open" not in page(write_report(run, material)).text
    sentence = "strategy fixed: 8 samples per class & <few>"
    run.amend((run.path / "recipe.toml").read_text("utf-8"), [sentence])
    found = page(write_report(run, material)).text
    assert "What the recipe left open" in found
    assert sentence in found


def test_write_report__counts_per_class_and_split(tmp_path: Path) -> None:
    run, material, _ = finished_run(tmp_path, ("a", "b"), shares=(3, 1, 2))
    text = write_report(run, material).read_text("utf-8")
    row = re.search(r"<tr><td>a</td>(.*?)</tr>", text[text.index("Images per class") :])
    assert row is not None
    assert re.findall(r">(\d+)<", row[1]) == ["3", "1", "2", "6"]


def test_write_report__worst_first(tmp_path: Path) -> None:
    run, material, _ = finished_run(tmp_path, ("a", "b"), shares=(1, 1, 15))
    text = write_report(run, material).read_text("utf-8")
    outcome = material.outcomes["test"]
    errors = material.task.errors(outcome.predictions, outcome.targets)
    order = sorted(range(30), key=lambda index: -errors[index])[:24]
    gallery = text[text.index("Largest errors</h2>") : text.index("Data</h2>")]
    assert re.findall(r'class="file">(.*?)<', gallery) == [outcome.samples[index].id for index in order]


@pytest.mark.parametrize(
    ("classes", "shares"),
    [(("a", "b"), (2, 0, 2)), (("a", "b"), (2, 2, 0)), (("a", "b"), (2, 0, 0)), (("one",), (2, 1, 1))],
)
def test_write_report__parts_that_are_missing(
    tmp_path: Path, classes: tuple[str, ...], shares: tuple[int, ...]
) -> None:
    run, material, _ = finished_run(tmp_path, classes, shares=shares)
    found = page(write_report(run, material))
    assert ("Not available." in found.text) == (0 in shares)
    assert ("Not measured" in found.text) == (shares[1:] == (0, 0))


def test_write_report__thousand_classes_stay_small(tmp_path: Path) -> None:
    run, material, _ = finished_run(tmp_path, tuple(f"class {index}" for index in range(1000)), shares=(1, 0, 1))
    assert write_report(run, material).stat().st_size < 15_000_000


def test_write_report__empty_run(tmp_path: Path) -> None:
    run, material, _ = finished_run(tmp_path, ("a", "b"))
    for name in ("metrics.jsonl", "environment.json", "split.csv", "bad_files.csv", "duplicates.csv"):
        (run.path / name).unlink()
    (run.path / "results.json").write_text("{}")
    found = page(write_report(run, Material(task=material.task)))
    assert "Not measured" in found.text
    assert "No epoch was recorded." in found.text


def test_write_report__broken_section_costs_itself_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, material, _ = finished_run(tmp_path, ("a", "b"))

    def broken(*_: object) -> list:
        raise ZeroDivisionError("<b>oops</b>")

    monkeypatch.setattr(material.task, "sections", broken)
    monkeypatch.setattr(material.task, "caption", broken)
    found = page(write_report(run, material))
    assert found.text.count("ZeroDivisionError: <b>oops</b>") == 2
    assert "Images per class" in found.text


def test_write_report__old_one_stays_when_the_disk_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, material, _ = finished_run(tmp_path, ("a", "b"))
    path = write_report(run, material)
    before = path.read_bytes()
    monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(TrainingError, match="No space left"):
        write_report(run, replace(material, prepared=None))
    assert path.read_bytes() == before


def test_rebuild_report__the_same_page(tmp_path: Path) -> None:
    run, material, plugins = finished_run(tmp_path, ("a", "b"))
    first = write_report(run, material).read_text("utf-8")
    rebuild_report(run, plugins=plugins, console=Console(quiet=True), device="cpu")
    second = (run.path / "report.html").read_text("utf-8")

    def comparable(text: str) -> str:
        # Where the data came from is said in the words of whoever read it.
        return re.sub(r"(?s)Divided .*?\. |<h3>Notes</h3>.*?</table>|base64,[^\"]*", "", text)

    assert comparable(second) == comparable(first)


def test_rebuild_report__without_the_data(tmp_path: Path) -> None:
    run, _, plugins = finished_run(tmp_path, ("a", "b"))
    (tmp_path / "data" / "labels.csv").unlink()
    console = Console(quiet=True)
    found = page(rebuild_report(run, plugins=plugins, console=console, device="cpu"))
    assert "labels.csv does not exist" in console.warnings[0]
    assert "pictures and classes are left out" in found.text
    assert f"{run.results['metrics']['test']['share']['value']:.3f}" in found.text


def test_rebuild_report__unfinished_run(tmp_path: Path) -> None:
    run, _, plugins = finished_run(tmp_path, ("a", "b"))
    (run.path / "results.json").unlink()
    with pytest.raises(RunError, match="no results yet"):
        rebuild_report(run, plugins=plugins, console=Console(quiet=True))
