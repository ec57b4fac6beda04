"""Core's readers: folders of images, and tables."""

from __future__ import annotations

from graft.data.readers._files import IMAGE_SUFFIXES, as_text, is_image

__all__ = ["IMAGE_SUFFIXES", "as_text", "is_image"]
