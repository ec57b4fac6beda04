"""Which classes street scenes have in the data sets that are read here, and what stands for each. Torch-free."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

IGNORED = 255
"""The number that stands for what counts nowhere in masks of training numbers."""


@dataclass(frozen=True)
class Kind:
    """What masks of a data set tell apart: a row of its table.

    Args:
        name: As the data set writes it.
        number: In masks of numbers.
        colour: `#rrggbb` in coloured masks.
        counts_as: The class that is learnt, or None for what counts nowhere.
    """

    name: str
    number: int
    colour: str
    counts_as: str | None


@dataclass(frozen=True)
class ClassTable:
    """The kinds of a data set, and the classes that they are brought together to.

    Args:
        kinds: In the data set's own order.
        classes: In the order of their training numbers 0, 1, 2 …
    """

    kinds: tuple[Kind, ...]
    classes: tuple[str, ...]

    @cached_property
    def counts_as(self) -> Mapping[str, str | None]:
        """The class of each kind."""
        return {kind.name: kind.counts_as for kind in self.kinds}


def _rows(text: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.split(",")] for line in text.strip().splitlines()]


def _cityscapes(text: str) -> ClassTable:
    kinds = [Kind(name, int(n), colour, name if learnt else None) for name, n, colour, learnt in _rows(text)]
    return ClassTable(tuple(kinds), tuple(kind.name for kind in kinds if kind.counts_as))


def _camvid(text: str, classes: Sequence[str]) -> ClassTable:
    kinds = [Kind(name, n, colour, into or None) for n, (name, colour, into) in enumerate(_rows(text))]
    return ClassTable(tuple(kinds), tuple(classes))


CITYSCAPES = _cityscapes(
    """
    unlabeled, 0, #000000,
    ego vehicle, 1, #000000,
    rectification border, 2, #000000,
    out of roi, 3, #000000,
    static, 4, #000000,
    dynamic, 5, #6f4a00,
    ground, 6, #510051,
    road, 7, #804080, yes
    sidewalk, 8, #f423e8, yes
    parking, 9, #faaaa0,
    rail track, 10, #e6968c,
    building, 11, #464646, yes
    wall, 12, #66669c, yes
    fence, 13, #be9999, yes
    guard rail, 14, #b4a5b4,
    bridge, 15, #966464,
    tunnel, 16, #96785a,
    pole, 17, #999999, yes
    polegroup, 18, #999999,
    traffic light, 19, #faaa1e, yes
    traffic sign, 20, #dcdc00, yes
    vegetation, 21, #6b8e23, yes
    terrain, 22, #98fb98, yes
    sky, 23, #4682b4, yes
    person, 24, #dc143c, yes
    rider, 25, #ff0000, yes
    car, 26, #00008e, yes
    truck, 27, #000046, yes
    bus, 28, #003c64, yes
    caravan, 29, #00005a,
    trailer, 30, #00006e,
    train, 31, #005064, yes
    motorcycle, 32, #0000e6, yes
    bicycle, 33, #770b20, yes
    """
)
"""Cityscapes' labels (Cordts et al. 2016, cityscapesScripts' `labels.py`): 34 numbers, of which 19 are learnt.
BDD100K's masks and KITTI's have the same classes."""

CAMVID = _camvid(
    """
    Animal, #408040, Pedestrian
    Archway, #c00080, Building
    Bicyclist, #0080c0, Bicyclist
    Bridge, #008040, Building
    Building, #800000, Building
    Car, #400080, Car
    CartLuggagePram, #4000c0, Pedestrian
    Child, #c08040, Pedestrian
    Column_Pole, #c0c080, Pole
    Fence, #404080, Fence
    LaneMkgsDriv, #8000c0, Road
    LaneMkgsNonDriv, #c00040, Road
    Misc_Text, #808040, SignSymbol
    MotorcycleScooter, #c000c0, Bicyclist
    OtherMoving, #804040, Car
    ParkingBlock, #40c080, Pavement
    Pedestrian, #404000, Pedestrian
    Road, #804080, Road
    RoadShoulder, #8080c0, Pavement
    Sidewalk, #0000c0, Pavement
    SignSymbol, #c08080, SignSymbol
    Sky, #808080, Sky
    SUVPickupTruck, #4080c0, Car
    TrafficCone, #000040, Pole
    TrafficLight, #004040, SignSymbol
    Train, #c04080, Car
    Tree, #808000, Tree
    Truck_Bus, #c080c0, Car
    Tunnel, #400040, Building
    VegetationMisc, #c0c000, Tree
    Void, #000000,
    Wall, #40c000, Building
    """,
    ["Sky", "Building", "Pole", "Road", "Pavement", "Tree", "SignSymbol", "Fence", "Car", "Pedestrian", "Bicyclist"],
)
"""CamVid's 32 labels (Brostow et al. 2009) by colour, and the 11 that are usually learnt (Sturgess et al. 2009), in the
order in which SegNet's copy of the data numbers them; 11 is void there."""

BDD_OBJECTS = (
    "pedestrian",
    "rider",
    "car",
    "truck",
    "bus",
    "train",
    "motorcycle",
    "bicycle",
    "traffic light",
    "traffic sign",
)
"""BDD100K's classes of boxes (Yu et al. 2020)."""

BDD_RENAMED = {"person": "pedestrian", "bike": "bicycle", "motor": "motorcycle"}
"""Its classes in the files of 2018, by the names that they have today."""

BDD_OTHER = ("other vehicle", "other person", "trailer")
"""Its classes that are not evaluated: what is found there counts neither for nor against a model."""

KITTI_OBJECTS = ("Car", "Van", "Truck", "Pedestrian", "Person_sitting", "Cyclist", "Tram", "Misc")
"""KITTI's classes of boxes (Geiger et al. 2012)."""

KITTI_IGNORED = "DontCare"
"""Its regions in which objects were not annotated."""

_AT_RISK = (
    ("pedestrian", "person", "person_sitting", "child", "other person"),
    ("bicyclist", "cyclist", "rider", "bicycle", "bike"),
    ("motorcycle", "motorbike", "motorcyclist", "motorcyclescooter", "motor"),
    ("animal",),
    ("traffic light", "trafficlight"),
    ("traffic sign", "signsymbol", "sign", "stop"),
    ("car", "van", "suvpickuptruck"),
    ("bus", "truck", "truck_bus", "trailer", "caravan", "train", "tram", "vehicle"),
    ("road", "lane", "lanemkgsdriv"),
    ("sidewalk", "pavement"),
)


def safety_first(classes: Sequence[str]) -> list[tuple[int, bool]]:
    """Return the index of each class, those whose misjudgement can hurt somebody first, and whether it is one of them.

    People come first, those on two wheels next, then what rules traffic, other vehicles, and where one may drive
    or walk.
    """
    rank = {name: place for place, names in enumerate(_AT_RISK) for name in names}
    order = sorted(range(len(classes)), key=lambda index: rank.get(classes[index].lower(), len(_AT_RISK)))
    return [(index, classes[index].lower() in rank) for index in order]
