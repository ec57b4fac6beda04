from __future__ import annotations

import pytest

from graft.backbones.licences import restriction


@pytest.mark.parametrize(
    "licence",
    [
        "cc-by-nc-4.0",
        "CC-BY-NC-SA-4.0",
        "fair-noncommercial-research-license",
        "non-commercial",
        "https://github.com/facebookresearch/SWAG/blob/main/LICENSE",
    ],
)
def test_restriction__not_for_sale(licence: str) -> None:
    assert "commercially" in str(restriction(licence))


def test_restriction__not_recorded() -> None:
    assert "does not record" in str(restriction(None))


@pytest.mark.parametrize("licence", ["apache-2.0", "mit", "bsd-3-clause", "cc-by-4.0", "ncsa"])
def test_restriction__common_uses_allowed(licence: str) -> None:
    assert restriction(licence) is None
