"""Image classification for Graft: one label per image, or any number of them."""
