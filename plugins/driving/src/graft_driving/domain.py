"""The domain itself: what leaks beside groups, and its part of the report."""

from __future__ import annotations

from graft.domains import Domain


class Driving(Domain):
    """Images from the road."""
