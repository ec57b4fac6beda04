"""What the head needs of a backbone."""

from graft.errors import Problem


def two_stages(reductions, options):
    if len(reductions) >= 2:
        return None
    return Problem("head.kind", "needs two feature maps", "take a deeper backbone")
