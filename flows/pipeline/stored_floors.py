"""The floors of scores by the stored labels, for streams whose labels no definition gives: own data and other data."""

from collections.abc import Iterable, Mapping

import pandas as pd

from den import suites
from den.cells import cell_of, data_of, open_stream
from den.config import SettingsError
from den.ledger import CellResult, Measurement, Places, Run
from den.streams.prepared import DataError
from flows.data import stream_files
from reports import floors

Floors = Mapping[str, Mapping[str, float]]
"The floor of each score, by stream."


def of_results(results: Iterable[CellResult], places: Places, other_data: bool = False) -> Floors:
    """Return the floors of the streams that need them, means over seeds; none for a stream whose data are not here.

    places: those that hold the data. other_data: the data were prepared for one request, not as params.yaml has them.
    """
    seeds: dict[str, dict[int, Measurement]] = {}
    for measurement in (result.measurement for result in results):
        if other_data or not floors.of(measurement.stream):
            seeds.setdefault(measurement.stream, {})[measurement.seed] = measurement
    return {stream: _mean(_of(measurement, places) for measurement in of.values()) for stream, of in seeds.items()}


def of_run(run: Run, results: Iterable[CellResult], places: Places) -> Floors:
    """Return the floors for the results of a run, which may have changed what is prepared."""
    if not any(override.startswith("data.") for override in run.begun.asked.overrides):
        return of_results(results, places)
    plan = suites.load(overrides=run.begun.asked.overrides)
    return of_results(results, stream_files.places_of(plan, places), plan.other_data)


def _of(measurement: Measurement, places: Places) -> dict[str, float]:
    """Return the floor on the data of a measurement; empty if they are not here."""
    try:
        cell = cell_of(measurement.settings)
        if data_of(cell, places) != measurement.data:
            return {}
        stream = open_stream(cell, places)
    except (DataError, SettingsError):
        return {}
    return floors.of_labels([stream.tests[task].y for task in range(len(stream))])


def _mean(of_seeds: Iterable[dict[str, float]]) -> dict[str, float]:
    frame = pd.DataFrame([floor for floor in of_seeds if floor])
    return {str(score): float(mean) for score, mean in frame.mean().items()}
