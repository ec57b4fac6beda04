"""Options of the satellite decoder, reader and augmentations. Torch-free."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PositiveInt, model_validator

from graft.recipe import Options
from graft.recipe.values import Share

INDICES: dict[str, tuple[str, str]] = {
    "ndvi": ("nir", "red"),
    "ndwi": ("green", "nir"),
    "ndmi": ("nir", "swir"),
    "ndbi": ("swir", "nir"),
    "nbr": ("nir", "swir2"),
}
"""Normalised differences (a - b) / (a + b) by the names of their bands: vegetation (Rouse 1974), water (McFeeters
1996), moisture (Gao 1996), buildings (Zha 2003), burns (García 1991)."""

Index = Literal["ndvi", "ndwi", "ndmi", "ndbi", "nbr"]


class SatelliteOptions(Options):
    """What a GeoTIFF's bands become. Other image files are read as usual."""

    bands: tuple[PositiveInt | str, ...] = ()
    """Which bands, by number from 1 or by name; by default all of a file."""
    names: tuple[str, ...] = ()
    """Names of all of a file's bands in order, as in ["blue", "green", "red", "nir"]; by default the file's own."""
    low: float | tuple[float, ...] = 0.0
    """The value that becomes 0, for all bands or for each."""
    high: float | tuple[float, ...] | None = None
    """The value that becomes 1, for all bands or for each, as in 10000 for reflectance; without it bytes stay bytes."""
    indices: tuple[Index, ...] = ()
    """Spectral indices as further channels, -1 to 1 becoming 0 to 1; they need the bands' names."""
    tile: Annotated[int, Field(ge=0)] = 512
    """About so many pixels on a side are one image: a larger scene is cut into tiles, never read as a whole; 0 cuts
    nothing."""
    block: Annotated[float, Field(gt=0)] | None = None
    """Metres on a side of the blocks on the ground that are never divided between splits; by default as many as 2048
    pixels are, so that images of different resolutions have different blocks."""
    attribute: str | None = None
    """The attribute of vector labels that says the class, as a whole number; without it every shape is 1."""

    @model_validator(mode="after")
    def _limited(self) -> SatelliteOptions:
        low = self.low if isinstance(self.low, tuple) else (self.low,)
        if self.high is None:
            if any(low):
                raise ValueError("`low` needs `high`, the value that becomes 1")
            return self
        high = self.high if isinstance(self.high, tuple) else (self.high,)
        if len(low) > 1 and len(high) > 1 and len(low) != len(high):
            raise ValueError(f"there are {len(low)} values of `low` and {len(high)} of `high`")
        count = max(len(low), len(high))
        pairs = zip(low * (count // len(low)), high * (count // len(high)), strict=True)
        if equal := [f"{one:g} and {other:g}" for one, other in pairs if one >= other]:
            raise ValueError(f"`low` must be less than `high`: {', '.join(equal)}")
        return self

    @model_validator(mode="after")
    def _known(self) -> SatelliteOptions:
        named = self.names or tuple(band for band in self.bands if isinstance(band, str))
        lacking = {need for index in self.indices for need in INDICES[index]} - set(named)
        if lacking:
            raise ValueError(f"indices need bands called {', '.join(sorted(lacking))}: name all bands with `names`")
        unknown = [band for band in self.bands if isinstance(band, str) and self.names and band not in self.names]
        if unknown:
            raise ValueError(f"bands {', '.join(map(str, unknown))} are not among names ({', '.join(self.names)})")
        return self


class VectorBoxOptions(Options):
    """Boxes around the shapes of a GeoJSON or GeoPackage file beside each image."""

    attribute: str = "class"
    """The attribute that says the class."""


class GroundOptions(Options):
    """What is drawn at random for each image; a key that is not given is as the preset has it."""

    scale: Annotated[float, Field(gt=0, le=1)] | None = None
    """Smallest share of the area that a crop keeps; 1 cuts out the centre."""
    haze: Share | None = None
    """Largest share of an even white that is laid over an image, half of the time."""
    noise: Share | None = None
    """Largest standard deviation of a sensor's noise, as a share of the range, half of the time."""
    light: Share | None = None
    """Largest relative change of each band's brightness, either way."""
