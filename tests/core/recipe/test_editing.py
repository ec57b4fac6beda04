from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from graft.plugins import Plugins
from graft.recipe.editing import json_schema


@pytest.fixture(scope="module")
def schema(plugins: Plugins) -> dict[str, Any]:
    return json_schema(plugins)


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(reference := node.get("$ref"), str):
            yield reference
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def test_json_schema__every_reference_has_a_target(schema: dict[str, Any]) -> None:
    found = {reference.removeprefix("#/$defs/") for reference in references(schema)}
    assert found <= set(schema["$defs"])
    assert {"head.deep", "task.sorting", "reader.csv", "head.fragile.Tip"} <= found


def test_json_schema__options_of_parts(schema: dict[str, Any]) -> None:
    deep = schema["$defs"]["head.deep"]
    assert deep["properties"]["kind"] == {"const": "deep"}
    assert deep["properties"]["dropout"]["description"] == "Share that is dropped."
    assert deep["additionalProperties"] is False
    names, *tables = schema["properties"]["head"]["anyOf"]
    assert set(names["enum"]) == {"flat", "deep", "fragile", "lost", "dotted"}
    assert {"$ref": "#/$defs/head.deep"} in tables


def test_json_schema__a_part_that_cannot_be_imported_takes_anything(schema: dict[str, Any]) -> None:
    assert "additionalProperties" not in schema["$defs"]["head.lost"]


def test_json_schema__nothing_is_required(schema: dict[str, Any]) -> None:
    assert all("required" not in table for table in (schema, *schema["$defs"].values()))


def test_json_schema__every_key_is_described(schema: dict[str, Any]) -> None:
    core = ("Data", "Split", "Backbone", "Strategy", "Pace", "Regularise", "Train", "Evaluation")
    for table in (schema, *(schema["$defs"][name] for name in core)):
        for key, node in table["properties"].items():
            target = schema["$defs"].get(node.get("$ref", "").rpartition("/")[2], {})
            assert node.get("description") or target.get("description"), (table["title"], key)
