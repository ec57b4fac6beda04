"""The contract, as every plugin's author checks it."""

from __future__ import annotations

import json
from pathlib import Path

from graft.testing import AugmentationConformance, DomainConformance, PluginConformance, ReaderConformance
from streets import bdd, cityscapes, colours, image, kitti, label, line, mapping, numbers


class TestPlugin(PluginConformance):
    name = "driving"


class TestDomain(DomainConformance):
    name = "driving"


class TestWeather(AugmentationConformance):
    name = ("road", "signs")
    places = False  # which fog and rain hide


class TestClearWeather(AugmentationConformance):
    name = ("road", "signs")
    options = dict.fromkeys(("rain", "fog", "glare", "night", "motion_blur", "noise"), 0.0)


class TestCityscapes(ReaderConformance):
    name = "cityscapes"

    def good(self, folder: Path) -> Path:
        return cityscapes(folder, ("train", "bonn_000001_000019"), ("val", "ulm_000000_000019"))


class TestCityscapesTrained(TestCityscapes):
    options = {"drive": "sequence"}  # noqa: RUF012

    def good(self, folder: Path) -> Path:
        names = [("train", f"bonn_000001_{frame:06d}") for frame in (0, 17)] + [("val", "bonn_000002_000000")]
        return cityscapes(folder, *names, mask=numbers(0, 13, 255, 11), kind="labelTrainIds")


class TestCamVid(ReaderConformance):
    name = "camvid"

    def good(self, folder: Path) -> Path:
        for name in ("0001TP_006690", "0006R0_f00930", "0006R0_f00960"):
            image(folder / f"701_StillsRaw_full/{name}.jpg")
            image(folder / f"LabeledApproved_full/{name}_L.png", colours("Sky", "Child", "Void", "Archway"))
        return folder


class TestCamVidNumbers(TestCamVid):
    def good(self, folder: Path) -> Path:
        for split, name in (("train", "0006R0_f00930"), ("train", "0016E5_00390"), ("val", "0001TP_006690")):
            image(folder / split / f"{name}.jpg")
            image(folder / f"{split}annot" / f"{name}.png", numbers(3, 11, 10))
        return folder


class TestBdd(ReaderConformance):
    name = "bdd100k"

    def good(self, folder: Path) -> Path:
        first = [label("car", 1, 2, 5, 6), label("trailer", 5, 0, 9, 4), label("person", 0, 0, 3, 4, crowd=True)]
        entries = [{"name": "a-1.jpg", "labels": first}, {"name": "b-1.jpg", "labels": [label("rider", 2, 2, 6, 8)]}]
        return bdd(folder, entries)


class TestBddOf2018(TestBdd):
    def good(self, folder: Path) -> Path:
        for name in ("a-1", "b-1"):
            image(folder / f"images/100k/train/{name}.jpg")
            place = folder / f"labels/100k/train/{name}.json"
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(json.dumps({"name": name, "frames": [{"objects": [label("bike", 1, 2, 5, 6)]}]}))
        return folder


class TestBddMasks(ReaderConformance):
    name = "bdd100k-masks"

    def good(self, folder: Path) -> Path:
        for split, name in (("train", "a-1"), ("train", "b-1"), ("val", "c-1")):
            image(folder / f"images/10k/{split}/{name}.jpg")
            image(folder / f"labels/sem_seg/masks/{split}/{name}.png", numbers(0, 18, 255))
        return folder


class TestKitti(ReaderConformance):
    name = "kitti"

    def good(self, folder: Path) -> Path:
        texts = line("Car", 1.5, 2, 40.5, 42) + line("DontCare", 50, 0, 70, 20), line("Cyclist", 10, 10, 30, 50)
        return mapping(kitti(folder, *texts))


class TestKittiMasks(ReaderConformance):
    name = "kitti-masks"

    def good(self, folder: Path) -> Path:
        for number in range(2):
            image(folder / f"training/image_2/{number:06d}_10.jpg")
            image(folder / f"training/semantic/{number:06d}_10.png", numbers(7, 0, 33))
        return mapping(folder)
