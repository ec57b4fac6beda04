"""A backbone whose weights come from generated images: an optional package of data."""
