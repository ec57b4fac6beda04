"""Fields: noise spectra and the distances that shapes are cut from."""

from __future__ import annotations

import numpy as np
import pytest

from graft.data.generate.fields import box, coverage, disc, grating, plane, polygon, power_noise


@pytest.mark.parametrize("alpha", [0.0, 1.0, 2.0])
def test_power_noise__amplitude_falls_as_asked(alpha: float) -> None:
    noise = power_noise(np.random.default_rng(0), 64, alpha=alpha, count=50)
    assert noise.shape == (50, 64, 64)
    assert noise.mean(axis=(1, 2)) == pytest.approx(np.zeros(50), abs=1e-5)
    assert noise.std(axis=(1, 2)) == pytest.approx(np.ones(50), abs=1e-3)
    amplitude = np.abs(np.fft.rfft2(noise)).mean(axis=0)[0, 1:32]  # along one axis, up to half the sampling rate
    slope = np.polyfit(np.log(np.arange(1, 32)), np.log(amplitude), 1)[0]
    assert slope == pytest.approx(-alpha, abs=0.1)


@pytest.mark.parametrize(
    ("shape", "area"),
    [
        (lambda y, x: disc(y, x, 0.5), np.pi * 0.25),
        (lambda y, x: box(y, x, 0.25, 0.5), 0.5),
        (lambda y, x: polygon(y, x, 0.5, corners=3), 3 * np.sqrt(3) / 4 * 0.25),
        (lambda y, x: polygon(y, x, 0.5, corners=4), 0.5),
    ],
)
def test_coverage__area_of_shapes(shape: object, area: float) -> None:
    covered = coverage(shape(*plane(128)))  # type: ignore[operator]
    assert covered.min() == 0
    assert covered.max() == 1
    assert covered.mean() * 4 == pytest.approx(area, rel=0.01)  # the plane is 2 × 2


def test_grating__waves_are_counted_over_the_plane() -> None:
    _, x = plane(200)
    sharp = grating(x + 1, waves=5, sharp=True)[0]
    assert np.count_nonzero(np.diff(sharp)) == 9  # ten half waves
