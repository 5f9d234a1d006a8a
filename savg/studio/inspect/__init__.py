"""The Inspect tab: one clip with its annotation."""
