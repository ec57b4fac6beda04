from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from distributions import BROKEN, install, reader
from graft.plugins import HOOKS
from graft.testing.commands import Graft


def test_list__shows_state_and_cause(graft: Graft, site: Path, work: Path) -> None:
    install(site, "faulty", "import surely_not_installed", version="2.1")
    install(site, "idle", reader("idle", module="idle"))
    (work / "plugins.toml").write_text('disable = ["idle"]', encoding="utf-8")
    result = graft("plugins", "list")
    assert result.code == 0
    lines = {line.split()[0]: line for line in result.out.splitlines() if line}
    assert "on" in lines["core"].split()
    assert "3 readers" in lines["core"]
    assert "broken  it needs the module 'surely_not_installed', which is not installed" in lines["faulty"]
    assert "off" in lines["idle"]
    assert result.err.count("\n") == 1
    assert "plugin faulty 2.1 is broken" in result.err


def test_list__json_is_one_document(graft: Graft, site: Path) -> None:
    install(site, "graft-a", reader("tiles", module="graft_a"), entry="a")
    install(site, "graft-b", reader("tiles", module="graft_b"), entry="b")
    document = json.loads(graft("plugins", "list", "--json").out)
    assert {"core", "a", "b"} <= {plugin["name"] for plugin in document["plugins"]}
    assert "a:tiles or b:tiles" in document["clashes"][0]
    assert json.loads(graft("--json", "plugins", "list").out) == document


METRICS = """
from graft.plugins import MetricSpec, hookimpl

HOOK_API = 1


@hookimpl
def graft_metrics():
    return [
        MetricSpec(name="wide", summary="Width.", target="a:B", tasks=("digging", "boring")),
        MetricSpec(name="deep", summary="Depth.", target="a:B", tasks=()),
    ]
"""


def test_list__of_a_kind_has_every_name_with_its_plugin_and_tasks(graft: Graft, site: Path, work: Path) -> None:
    install(site, "holes", METRICS)
    (work / "plugins.toml").write_text('enable = ["holes"]', encoding="utf-8")
    lines = [re.split(r"  +", line) for line in graft("plugins", "list", "--kind", "metric").out.splitlines()]
    assert lines == [
        ["NAME", "PLUGIN", "TASKS", "SUMMARY"],
        ["deep", "holes", "all", "Depth."],
        ["wide", "holes", "digging, boring", "Width."],
    ]
    document = json.loads(graft("plugins", "list", "--kind", "metric", "--json").out)
    assert document["kind"] == "metric"
    assert document["offers"][1] == {
        "name": "wide",
        "plugin": "holes",
        "tasks": ["digging", "boring"],
        "summary": "Width.",
    }


def test_list__of_a_kind_names_both_of_a_clash(graft: Graft, site: Path) -> None:
    install(site, "graft-a", reader("tiles", module="graft_a"), entry="a")
    install(site, "graft-b", reader("tiles", module="graft_b"), entry="b")
    names = [line.split()[0] for line in graft("plugins", "list", "--kind", "reader").out.splitlines()]
    assert {"a:tiles", "b:tiles", "folder"} <= set(names)
    assert "tiles" not in names


@pytest.mark.parametrize("kind", [spec.kind for spec in HOOKS.values()])
def test_list__of_each_kind(graft: Graft, work: Path, kind: str) -> None:
    done = graft("plugins", "list", "--kind", kind)
    assert done.code == 0, done.err
    assert done.out.startswith("NAME ")
    (work / "plugins.toml").write_text("enable = []", encoding="utf-8")
    done = graft("plugins", "list", "--kind", kind)
    assert done.out == f"No plugin offers a {kind}.\n" or " core " in done.out.splitlines()[1]


def test_list__of_a_kind_that_there_is_not(graft: Graft) -> None:
    done = graft("plugins", "list", "--kind", "metrics")
    assert done.code == 2
    assert "did you mean 'metric'?" in done.err
    assert "Fix: --kind task|domain|" in done.err


def test_list__ends_with_how_to_see_the_names(graft: Graft) -> None:
    *_, last = graft("plugins", "list").out.splitlines()
    done = graft(*last.partition(": graft ")[2].split())
    assert done.code == 0
    assert "flip" in done.out


def test_info__shows_where_it_comes_from_and_what_it_offers(graft: Graft, site: Path, work: Path) -> None:
    install(site, "graft-zoo", reader("zebra", module="graft_zoo"), entry="zoo", version="2.5")
    (work / "plugins.toml").write_text("[plugins.zoo]\ncages = 3\n", encoding="utf-8")
    out = graft("plugins", "info", "zoo").out
    for word in ("zoo 2.5", "graft-zoo", "MIT", "graft_zoo", "{'cages': 3}", "reader", "zebra", "Reads it."):
        assert word in out


def test_info__of_a_broken_plugin_has_the_trace(graft: Graft, site: Path) -> None:
    install(site, "faulty", "1 / 0")
    result = graft("plugins", "info", "faulty")
    assert result.code == 0
    assert "ZeroDivisionError" in result.out
    assert "Traceback" in result.out
    assert json.loads(graft("plugins", "info", "faulty", "--json").out)["state"] == "broken"


def test_info__of_an_unknown_plugin_has_a_hint(graft: Graft) -> None:
    result = graft("plugins", "info", "coree")
    assert result.code == 2
    assert "did you mean 'core'?" in result.err


def test_list__twenty_broken_plugins(graft: Graft, site: Path) -> None:
    for name, (code, _) in BROKEN.items():
        install(site, name, code)
    result = graft("plugins", "list")
    assert result.code == 0
    assert result.err.count(" is broken: ") == result.err.count("\n") == len(BROKEN)
    for name, (_, cause) in BROKEN.items():
        assert f"plugin {name} 1.0 is broken: " in result.err
        assert cause in result.out


def test_info__says_which_backbones_suit_a_domain(graft: Graft, site: Path) -> None:
    code = """
from graft.plugins import DomainSpec, hookimpl

HOOK_API = 1


@hookimpl
def graft_domains():
    backbones = {"resnet18": "small, and as good here"}
    return [DomainSpec(name="sea", summary="The sea.", target="a:B", backbones=backbones)]
"""
    install(site, "sea", code)
    assert "The sea. Backbones that suit it: resnet18: small, and as good here." in graft("plugins", "info", "sea").out


def test_check__finds_what_an_import_does(graft: Graft, site: Path) -> None:
    install(site, "graft-tidy", reader("tidy", module="graft_tidy"), entry="tidy")
    install(
        site,
        "messy",
        "from pathlib import Path\nPath('left-behind.txt').write_text('x')\n" + reader("messy", module="messy"),
    )
    tidy = graft("plugins", "check", "tidy")
    assert tidy.code == 1  # its target is not there
    assert "ok  its hooks are light, and do nothing on import" in tidy.out
    assert "NO  all that it names is there" in tidy.out
    messy = graft("plugins", "check", "messy")
    assert messy.code == 1
    assert "writes the file left-behind.txt" in messy.out
    assert "messy.py:" in messy.out
    (found,) = json.loads(graft("plugins", "check", "messy", "--json").out)["plugins"]
    assert "writes the file left-behind.txt" in " ".join(one["what"] for one in found["findings"])


def test_check__what_is_not_installed_with_it_and_extras_that_there_are_not(graft: Graft, site: Path) -> None:
    code = """
from typing import TYPE_CHECKING

from graft.plugins import DecoderSpec, hookimpl

if TYPE_CHECKING:
    import hypothesis

HOOK_API = 1


@hookimpl
def graft_decoders():
    needs = {"astropy": "pip install graft-sky[fits]"}
    return [DecoderSpec(name="sky", summary="The sky.", target="graft_sky:Decoder", requires=needs)]


class Decoder:
    def __init__(self):
        import numpy
        import pytest
"""
    install(site, "graft-sky", code, entry="sky")
    out = graft("plugins", "check", "sky").out
    assert "NO  what it imports is installed with it" in out
    assert "it imports pytest, and pytest is not installed with graft-sky" in out
    assert "graft_sky.py:21" in out
    assert "decoder 'sky' tells users of the extra 'fits', which there is not" in out
    assert "hypothesis" not in out
    assert "imports numpy" not in out
    assert "--  decoder 'sky' needs astropy, which is not installed: pip install graft-sky[fits]" in out


def test_check__options_that_take_anything(graft: Graft, site: Path) -> None:
    code = """
from pydantic import BaseModel

from graft.plugins import MetricSpec, hookimpl

HOOK_API = 1


@hookimpl
def graft_metrics():
    return [MetricSpec(name="lax", summary="Lax.", target="lax:Metric", options="lax:LaxOptions", tasks=("x",))]


class Metric: ...


class LaxOptions(BaseModel):
    much: int = 1
"""
    install(site, "lax", code)
    out = graft("plugins", "check", "lax").out
    assert "NO  its options are checked, and say what they are" in out
    assert "metric 'lax': its options take the unknown key 'surely_no_such_key'" in out
    assert "metric 'lax': its options much have no text under them" in out
    assert "lax.py:17" in out


def test_check__one_that_is_off(graft: Graft, site: Path, work: Path) -> None:
    install(site, "idle", "raise AssertionError('imported')")
    (work / "plugins.toml").write_text('disable = ["idle"]', encoding="utf-8")
    done = graft("plugins", "check", "idle")
    assert done.code == 2
    assert "plugin 'idle' is off, in `disable` of" in done.err
    assert "Fix: GRAFT_PLUGINS=idle graft plugins check idle" in done.err


def test_check__a_broken_plugin_and_one_that_there_is_not(graft: Graft, site: Path) -> None:
    install(site, "faulty", "1 / 0")
    done = graft("plugins", "check", "faulty")
    assert done.code == 1
    assert "NO  loads" in done.out
    assert "did you mean 'faulty'?" in graft("plugins", "check", "faultyy").err


def test_check__the_bundled_ones_keep_the_contract(graft: Graft) -> None:
    done = graft("plugins", "check", "classification")
    assert done.code == 0, done.out
    assert "NO" not in done.out


def test_new__says_what_comes_next(graft: Graft, work: Path) -> None:
    done = graft("plugins", "new", "leaf-rust", "--kind", "metric")
    assert done.code == 0, done.err
    assert "cd graft-leaf-rust && pytest" in done.out
    assert (work / "graft-leaf-rust" / "src" / "graft_leaf_rust" / "metric.py").is_file()
    again = graft("plugins", "new", "leaf-rust", "--kind", "metric")
    assert again.code == 2
    assert "is there already" in again.err
