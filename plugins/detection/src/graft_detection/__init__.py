"""Object detection for Graft: what is where in an image, as boxes."""
