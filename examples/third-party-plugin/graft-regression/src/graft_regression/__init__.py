"""A number for each image, for Graft."""
