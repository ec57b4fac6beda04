"""A small plugin with a contribution of each kind, as a stranger would write it: faults are planted in it."""
