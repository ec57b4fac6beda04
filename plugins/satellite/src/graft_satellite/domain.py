"""The domain itself: what leaks beside groups, and its part of the report."""

from __future__ import annotations

from graft.domains import Domain


class Satellite(Domain):
    """Images of the earth."""
