"""Remote sensing for Graft: GeoTIFFs of any bands, tiles of scenes, vector labels, spatial splits, maps."""
