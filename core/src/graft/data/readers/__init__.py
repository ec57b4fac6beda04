"""Core's readers: folders of images, and tables. And what readers of files have in common."""

from __future__ import annotations

from graft.data.readers._files import (
    IMAGE_SUFFIXES,
    SPLIT_WORDS,
    as_text,
    exists,
    is_file,
    is_hidden,
    is_image,
    require_path,
    twin_notes,
    walk,
)

__all__ = [
    "IMAGE_SUFFIXES",
    "SPLIT_WORDS",
    "as_text",
    "exists",
    "is_file",
    "is_hidden",
    "is_image",
    "require_path",
    "twin_notes",
    "walk",
]
