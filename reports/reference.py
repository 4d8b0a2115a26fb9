"""Pages of the documentation that are generated: python -m reports.reference > docs/measures.md"""

from den import measures


def measures_page() -> str:
    """Return stages and measures as a page of the documentation."""
    stages = (f"| `{name}` | {meaning} |" for name, meaning in measures.STAGES.items())
    rows = (
        f"| `{name}` | {definition.unit} | {'layer' if definition.per_layer else 'network'} | {definition.meaning} |"
        for name, definition in measures.MEASURES.items()
    )
    return "\n".join(
        [
            "# Stages and measures",
            "",
            "What methods report, in measurements, in `measures.csv` and in MLflow. Generated from `den/measures.py`.",
            "",
            "| stage | what it does |",
            "| --- | --- |",
            *stages,
            "",
            "| measure | unit | of a | meaning |",
            "| --- | --- | --- | --- |",
            *rows,
            "",
        ]
    )


if __name__ == "__main__":
    print(measures_page(), end="")
