"""Data on disk: raw sets and their sources, prepared streams, and what DVC has recorded of them."""
