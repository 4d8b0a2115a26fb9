"""What a hidden layer is called: by its number, or by its form where some are convolutions."""

from reports import labels
from reports.tables import KERNEL, Tables


def convolutions(tables: Tables) -> int:
    """Return how many hidden layers are convolutions, the lowest ones."""
    rows = tables.measures[tables.measures["measure"] == KERNEL]
    return 0 if rows.empty else int(rows["layer"].max())


def layer(tables: Tables, number: int) -> str:
    """Return what a hidden layer, counted from 1, is called: hidden layer 1; or convolution 1 and dense layer 1."""
    below = convolutions(tables)
    if not below:
        return f"hidden layer {number}"
    return f"convolution {number}" if number <= below else f"dense layer {number - below}"


def title(tables: Tables, number: int) -> str:
    """Return a hidden layer's name as a heading."""
    return labels.heading(layer(tables, number))


def column(tables: Tables, number: int) -> str:
    """Return a hidden layer's name as a column has it: layer 1; number 0 are the inputs."""
    return layer(tables, number).removeprefix("hidden ") if number else "inputs"
