"""Core's readers: folders of images, and tables."""
