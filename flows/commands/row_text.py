"""Rows that other programs read: JSON, or CSV."""

import json

import pandas as pd


def of(frame: pd.DataFrame, form: str) -> str:
    """Return a table as `csv`, or as `json`: a list of objects with null for what is missing."""
    if form == "csv":
        return frame.to_csv(index=False, lineterminator="\n")
    rows = frame.astype(object).where(frame.notna(), None)  # JSON has no nan
    return json.dumps(rows.to_dict("records"), indent=1, ensure_ascii=False) + "\n"
