"""The domain."""

from graft.domains import Domain


class Meadow(Domain):
    """Adds nothing but its fragments."""
