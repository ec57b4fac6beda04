"""Images of leaves in fields."""
