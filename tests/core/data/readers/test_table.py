from __future__ import annotations

from pathlib import Path

import pytest

from graft.data.options import TableOptions
from graft.data.readers.table import Table
from graft.errors import PluginError


class Lines(Table):
    """What an author writes who takes `uses` for the columns."""

    reader = "lines"
    uses = ("path", "x1", "y1")


def test_columns__say_which_of_uses_is_no_option(tmp_path: Path) -> None:
    (tmp_path / "lines.csv").write_text("path,x1,y1\na.png,1,2\n", encoding="utf-8")
    with pytest.raises(PluginError, match=r"Lines.uses lists 'x1', 'y1': no option of TableOptions") as raised:
        Lines(tmp_path / "lines.csv", TableOptions()).read()
    assert "`columns`" in str(raised.value.fix)
