from __future__ import annotations

from pathlib import Path

import pytest

from graft.errors import PluginError
from graft.plugins import load_plugins


def test_load_plugins__a_team_says_which_versions_must_be_there(site: Path) -> None:
    manifest = Path.cwd() / "plugins.toml"
    manifest.write_text('requires = {"graft-core" = ">=0.0.1", "pluggy" = ""}', encoding="utf-8")
    assert load_plugins().broken == ()
    wrong = '{"graft-core" = "<0.0.1", "graft-nowhere" = ">=2", "pluggy" = "=>1"}'
    manifest.write_text(f"requires = {wrong}", encoding="utf-8")
    with pytest.raises(PluginError) as raised:
        load_plugins()
    first, second, third = map(str, raised.value.problems)
    assert first.startswith("requires.graft-core: <0.0.1 is required, and 0.")
    assert second == "requires.graft-nowhere: is not installed"
    assert third.startswith("requires.pluggy: '=>1' is no version specifier")
    assert raised.value.fix == "pip install 'graft-core<0.0.1' 'graft-nowhere>=2' 'pluggy=>1'"
