"""Labels of hidden layers: by number, or by kind if some are convolutions."""

from reports import labels
from reports.stream_results import StreamResults


def layer(results: StreamResults, number: int) -> str:
    """Return the label of a hidden layer, counted from 1: hidden layer 1; or convolution 1 and dense layer 1."""
    convolutions = results.convolutions
    if not convolutions:
        return f"hidden layer {number}"
    return f"convolution {number}" if number <= convolutions else f"dense layer {number - convolutions}"


def title(results: StreamResults, number: int) -> str:
    """Return a hidden layer's label as a heading."""
    return labels.heading(layer(results, number))


def column(results: StreamResults, number: int) -> str:
    """Return a hidden layer's label as the name of a column: layer 1; number 0 is the inputs."""
    return layer(results, number).removeprefix("hidden ") if number else "inputs"
