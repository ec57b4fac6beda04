"""What a frozen network gives for an image is calculated once: cached activations, and features to work on.

`DeepFeatures` is a scikit-learn transformer from images to features.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from graft.features.transformer import DeepFeatures

__all__ = ["DeepFeatures"]


def __getattr__(name: str) -> Any:
    # Importing it imports torch and scikit-learn.
    if name == "DeepFeatures":
        from graft.features.transformer import DeepFeatures

        return DeepFeatures
    raise AttributeError(f"module 'graft.features' has no attribute {name!r}")
