"""The contract, as every plugin's author checks it."""

from __future__ import annotations

import json
from pathlib import Path

from PIL import Image

from graft.testing import HeadConformance, MetricConformance, PluginConformance, ReaderConformance, TaskConformance
from graft_segmentation.sample import segmented_image


class TestPlugin(PluginConformance):
    name = "segmentation"


class TestTask(TaskConformance):
    name = "segmentation"
    exports = False  # other tests do
    words = ("head.width=8",)


class TestHeads(HeadConformance):
    name = ("unet", "unet++", "deeplabv3", "deeplabv3+", "fpn", "pspnet", "upernet", "segformer", "fcn")
    options = {"width": 8}  # noqa: RUF012


class TestMaskReader(ReaderConformance):
    name = "masks"


class TestPairs(ReaderConformance):
    name = "pairs"

    def good(self, folder: Path) -> Path:
        rows = ["image,mask,split"]
        for number, split in enumerate(("train", "train", "val", "test")):
            image, mask = segmented_image("target", size=32, seed=(number,))
            Image.fromarray(image).save(folder / f"{number}.jpg")
            Image.fromarray(mask).save(folder / f"{number}-mask.png")
            rows.append(f"{number}.jpg,{number}-mask.png,{split}")
        (folder / "pairs.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
        return folder / "pairs.csv"


class TestCoco(ReaderConformance):
    name = "coco-masks"

    def good(self, folder: Path) -> Path:
        images, annotations = [], []
        for number in range(3):
            image, _ = segmented_image("target", size=32, seed=(number,))
            Image.fromarray(image).save(folder / f"{number}.png")
            images.append({"id": number, "file_name": f"{number}.png", "width": 32, "height": 32})
            corners = [4, 4, 20 + number, 4, 20, 20, 4, 20]
            annotations.append({"id": number, "image_id": number, "category_id": 1, "segmentation": [corners]})
        document = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "shape"}]}
        (folder / "shapes.json").write_text(json.dumps(document), encoding="utf-8")
        return folder / "shapes.json"


class TestMetrics(MetricConformance):
    name = ("iou", "dice", "pixel_accuracy", "boundary_f1")
