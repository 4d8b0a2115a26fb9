"""Data on disk: raw data sets, prepared streams and their versions in dvc.lock; `own` has the files of users."""
