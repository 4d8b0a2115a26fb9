"""Data on disk: raw data sets and their sources, prepared streams, and their versions in dvc.lock."""
