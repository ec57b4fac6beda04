"""The report in a real browser: it complains about nothing, asks for nothing, and shows all of its pictures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from browser import CHROMIUM, Tab, tab
from graft.report.build import write_report
from graft.report.text import plain
from tones import HOSTILE, finished_run

pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason=f"there is no {CHROMIUM}: apt-get install chromium")


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    with tab(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


def test_browser__would_notice(browser: Tab, tmp_path: Path) -> None:
    page = tmp_path / "bad.html"
    page.write_text("<img src='http://127.0.0.1:9/x.png'><script>console.error('oops'); alert(1)</script>")
    browser.open(page)
    assert "http://127.0.0.1:9/x.png" in browser.requests
    assert any("oops" in problem for problem in browser.problems)
    assert "dialog: 1" in browser.problems


def test_report__names_that_attack_it(browser: Tab, tmp_path: Path) -> None:
    run, material, _ = finished_run(tmp_path)
    path = write_report(run, material)
    browser.requests.clear()
    browser.problems.clear()
    browser.open(path)
    browser.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert browser.problems == []
    assert [request for request in browser.requests if not request.startswith("file:")] == []
    assert browser.requests == [path.absolute().as_uri()]
    assert browser.evaluate("[...document.images].filter(i => !(i.complete && i.naturalWidth > 0)).length") == 0
    assert browser.evaluate("document.images.length") > 10
    assert browser.evaluate("document.scripts.length") == 0
    text = browser.evaluate("document.body.textContent")
    assert all(plain(name) in text for name in HOSTILE)
    assert browser.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), "nothing sticks out"
