"""For the authors of plugins: a distribution to begin with, and whether one is right."""
