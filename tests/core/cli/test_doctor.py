from __future__ import annotations

import json
from pathlib import Path

import pytest

from distributions import BROKEN, install, reader
from graft.cli import checkup
from graft.cli.checkup import Check
from graft.testing.commands import Graft


def test_doctor__names_each_culprit_and_tells_the_whole_story(graft: Graft, site: Path) -> None:
    for name, (code, _) in BROKEN.items():
        install(site, name, code)
    result = graft("doctor", "--fast")
    assert result.code == 0
    for name, (_, cause) in BROKEN.items():
        (line,) = [line for line in result.out.splitlines() if f"{name} 1.0 is broken:" in line]
        assert line.startswith("✗ Plugin")
        assert cause in line
        assert f'disable = ["{name}"]' in result.out
    assert "Traceback" in result.out


def test_doctor__shows_clashes_and_notices(graft: Graft, site: Path, work: Path) -> None:
    install(site, "graft-a", reader("tiles", module="graft_a"), entry="a")
    install(site, "graft-b", reader("tiles", module="graft_b"), entry="b")
    (work / "plugins.toml").write_text('disable = ["absent"]', encoding="utf-8")
    out = graft("doctor", "--fast").out
    assert "! Clash" in out
    assert "a:tiles or b:tiles" in out
    assert "there is no plugin 'absent'" in out


def test_doctor__shows_what_is_loaded_and_why(graft: Graft, site: Path, work: Path) -> None:
    install(site, "graft-a", reader("tiles", module="graft_a"), entry="a", version="2.5")
    install(site, "graft-b", "raise AssertionError('imported')", entry="b")
    (work / "plugins.toml").write_text('enable = ["a"]\nrequires = {"graft-a" = ">=2"}\n', encoding="utf-8")
    out = graft("doctor", "--fast").out
    assert f"✓ Plugin            a 2.5 (MIT) is on: installed, and in `enable` of {work}/plugins.toml\n" in out
    assert f"✓ Plugin            b is off, not in `enable` of {work}/plugins.toml\n" in out
    assert f"✓ Plugin            {work}/plugins.toml requires graft-a>=2: 2.5 is here\n" in out
    assert "imported" not in out


def test_doctor__strict_is_1_when_something_will_fail(graft: Graft, site: Path) -> None:
    install(site, "faulty", "1 / 0")
    assert graft("doctor", "--fast").code == 0
    assert graft("doctor", "--fast", "--strict").code == 1


def test_doctor__json_is_one_document(graft: Graft, site: Path) -> None:
    install(site, "faulty", "1 / 0")
    document = json.loads(graft("doctor", "--fast", "--json").out)
    assert document["sound"] is False
    assert document["broken"][0]["trace"]
    assert {"Python", "torch", "torchvision", "CPU"} <= {check["name"] for check in document["checks"]}


def test_doctor__imports_torch_elsewhere_unless_fast(graft: Graft, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = Check(name="Import", state="bad", value="asked", fix="nothing")
    monkeypatch.setattr(checkup, "devices", lambda: iter([asked]))
    assert "Import" not in graft("doctor", "--fast").out
    assert "✗ Import            asked\n                    Fix: nothing" in graft("doctor").out
