"""From `[data]` in a recipe to checked and divided samples. Torch-free."""

from __future__ import annotations

from pydantic import BaseModel

from graft.console import Console
from graft.data.samples import Catalogue, PreparedData
from graft.data.store import PixelStore
from graft.plugins import Plugins
from graft.plugins.descriptors import ReaderSpec
from graft.recipe.schema import Data
from graft.tasks.contract import Task


def read(
    data: Data, *, takes: str, reader: ReaderSpec | None, options: BaseModel | None, plugins: Plugins
) -> Catalogue:
    raise NotImplementedError


def prepare(catalogue: Catalogue, data: Data, *, task: Task, store: PixelStore, console: Console) -> PreparedData:
    raise NotImplementedError
