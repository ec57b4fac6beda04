"""What this plugin contributes. Imports nothing heavy: every target is a string."""

from __future__ import annotations

from collections.abc import Iterable

from graft.plugins import BackboneSpec, HeadSpec, hookimpl
from graft_yolo.resave import RESAVE

HOOK_API = 1


@hookimpl
def graft_backbones() -> Iterable[BackboneSpec]:
    """Return the trunks."""
    return [
        BackboneSpec(
            name="yolo",
            summary="Trunks of YOLOv8, YOLO11 and YOLO26, from ultralytics (AGPL-3.0).",
            target="graft_yolo.trunks:YoloSource",
            index="graft_yolo:yolo.txt",
            resave=RESAVE,
        )
    ]


@hookimpl
def graft_heads() -> Iterable[HeadSpec]:
    """Return the detector."""
    return [
        HeadSpec(
            name="yolo",
            summary="YOLO's neck, predictions, loss and decoding, from ultralytics (AGPL-3.0).",
            target="graft_yolo.head:YoloHead",
            options="graft_yolo.options:YoloHeadOptions",
            tasks=("detection",),
            needs="pyramid",
            fits="graft_yolo.needs:three_levels",
        )
    ]
