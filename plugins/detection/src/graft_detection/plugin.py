"""What this plugin contributes. Imports nothing heavy: every target is a string."""

from __future__ import annotations

from collections.abc import Iterable

from graft.plugins import ReaderSpec, hookimpl

HOOK_API = 1

TAKES = "boxes"
"""The kind of target: `graft_detection.objects.Objects`."""


@hookimpl
def graft_readers() -> Iterable[ReaderSpec]:
    """Return the formats of boxes."""
    formats = {
        "coco": ("coco:CocoReader", "CocoOptions", "COCO's JSON: one file, or one for each split."),
        "voc": ("voc:VocReader", "VocOptions", "Pascal VOC: an XML file per image, and lists for the splits."),
        "yolo": ("yolo:YoloReader", "YoloOptions", "YOLO: a text file per image, and a YAML file with the classes."),
        "csv-boxes": ("table:BoxTableReader", "BoxTableOptions", "A table with a row per object."),
    }
    return [
        ReaderSpec(
            name=name,
            summary=summary,
            target=f"graft_detection.formats.{target}",
            options=f"graft_detection.options:{options}",
            gives=TAKES,
        )
        for name, (target, options, summary) in formats.items()
    ]
