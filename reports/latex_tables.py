"""Tables of text as LaTeX, to be put into a document as they are."""

import pandas as pd

from reports import labels

PACKAGE = r"% \usepackage{booktabs}"
"The package that a table needs, as a comment above it."
MATHS = str.maketrans(
    {"±": r"$\pm$", "−": "$-$", "<": "$<$", ">": "$>$", "Δ": r"$\Delta$", "’": "'", "“": "``", "”": "''", "–": "--"}
)
ESCAPED = str.maketrans({character: f"\\{character}" for character in "&%$#_{}"})


def latex(table: pd.DataFrame, caption: str, label: str, best: str = "") -> str:
    """Return a table with its caption and label, methods by their labels, and the row of the best method in bold.

    label: letters, digits, hyphens and colons. The table needs the package in PACKAGE.
    """
    labelled = table.assign(method=table["method"].map(labels.method))
    bold = labelled["method"].where(table["method"] == best, "") != ""
    styled = (
        labelled.style.format(escape="latex")
        .format_index(escape="latex", axis="columns")
        .hide(axis="index")
        .apply(lambda column: ["textbf:--rwrap;" if row else "" for row in bold], subset=list(labelled)[:2])
    )
    text = styled.to_latex(
        caption=caption.translate(ESCAPED),
        label=label,
        column_format="l" + "r" * (len(labelled.columns) - 1),
        hrules=True,
        position="t",
        position_float="centering",
    )
    return f"{PACKAGE}\n{text.translate(MATHS)}"
