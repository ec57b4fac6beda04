"""The JSON schema of recipes, with which an editor completes and checks them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from graft.errors import PluginError
from graft.plugins.descriptors import (
    AugmentationSpec,
    DecoderSpec,
    Descriptor,
    DomainSpec,
    HeadSpec,
    ReaderSpec,
    TaskSpec,
)
from graft.recipe.schema import Options, Recipe
from graft.strategies.options import OPTIMIZERS, SCHEDULES, UNFREEZE

if TYPE_CHECKING:
    from graft.plugins import Plugins

Parts = Mapping[str, tuple[str, type[BaseModel] | None]]
"""The summary of each part and the model of its options, None where that cannot be imported."""


def json_schema(plugins: Plugins) -> dict[str, Any]:
    """Return the JSON schema (2020-12) of a recipe, with the options of every part that `plugins` offer.

    Nothing is required: what a file leaves out may come from the command line.
    """
    schema = Recipe.model_json_schema()
    definitions = schema["$defs"]
    slots = {
        "task": (schema, _offered(TaskSpec, plugins)),
        "domain": (schema, _offered(DomainSpec, plugins)),
        "head": (schema, _offered(HeadSpec, plugins)),
        "augment": (schema, _offered(AugmentationSpec, plugins)),
        "reader": (definitions["Data"], {"auto": ("", Options), **_offered(ReaderSpec, plugins)}),
        "decoder": (definitions["Data"], _offered(DecoderSpec, plugins)),
        "unfreeze": (definitions["Strategy"], _own(UNFREEZE)),
        "optimizer": (definitions["Pace"], _own(OPTIMIZERS)),
        "schedule": (definitions["Pace"], _own(SCHEDULES)),
    }
    for name, (section, parts) in slots.items():
        definitions.update(_definitions(name, parts))
        given = section["properties"][name]
        tables = [{"$ref": f"#/$defs/{name}.{part}"} for part in parts]
        section["properties"][name] = {"anyOf": [{"enum": list(parts)}, *tables]}
        section["properties"][name] |= {key: given[key] for key in ("description", "default") if given.get(key)}
    del definitions["Part"]
    for table in (schema, *definitions.values()):
        table.pop("required", None)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _own(kinds: Mapping[str, type[Options]]) -> Parts:
    return {name: ("", model) for name, model in kinds.items()}


def _offered(kind: type[Descriptor], plugins: Plugins) -> Parts:
    return {name: (spec.summary, _options(spec, plugins)) for name, spec in plugins.specs(kind).items()}


def _options(spec: Descriptor, plugins: Plugins) -> type[BaseModel] | None:
    try:
        return plugins.options(spec)
    except PluginError:
        return None


def _definitions(slot: str, parts: Parts) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield a definition per part, and those that its options refer to, under names that no other part has."""
    for part, (summary, model) in parts.items():
        name = f"{slot}.{part}"
        if model is None:
            yield name, {"type": "object", "properties": {"kind": {"const": part}}, "description": summary}
            continue
        table = model.model_json_schema(ref_template=f"#/$defs/{name}.{{model}}")
        for inner, definition in table.pop("$defs", {}).items():
            yield f"{name}.{inner}", definition
        table["properties"] = {"kind": {"const": part}, **table.get("properties", {})}
        yield name, {**table, "title": part} | ({"description": summary} if summary else {})
