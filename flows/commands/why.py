"""`den why`: the origin of a measurement, and what has changed since. It needs nothing but the record."""

from collections.abc import Iterable
from statistics import median

from den import measures
from den.config import SettingsError
from den.ledger import CellResult, Ledger, Measurement, Origin, Places
from den.ledger.settings import flat
from den.streams import STREAMS
from flows.commands import words
from flows.commands.lookup import Located, locate, newest
from flows.data.own import preparing, versions
from flows.judging import differences, evidence
from flows.judging.differences import Change
from flows.places import of_project
from reports import accepted_results

WIDTH = 16  # of the column of names


def print_origin(prefix: str | None) -> None:
    """Print the origin of the measurement whose id begins with `prefix`, by default of the newest.

    Raises SettingsError if no measurement matches, or several.
    """
    places = of_project()
    print(describe(locate(prefix, places) if prefix else newest(places), places))


def describe(located: Located, places: Places) -> str:
    """Return the origin of a measurement, what differs before and since, one fact per line, and its settings."""
    facts = _facts(located, places) | _before(located, places) | _since(located.measurement, places)
    lines = [f"{name:{WIDTH}}{value}" for name, value in facts.items() if value]
    return "\n".join([*lines, "settings", *_table(located.measurement)])


def _before(located: Located, places: Places) -> dict[str, str]:
    """Return how a measurement of a run here differs from the accepted one, and from the last one before it."""
    measurement, ledger = located.measurement, Ledger.of(places)
    runs = ledger.runs(id=measurement.origin.run) if measurement.origin.run else []
    names = ((run, cell.name) for run in runs for cell in run.begun.cells if cell.key == measurement.key)
    if (named := next(names, None)) is None:
        return {}
    run, name = named
    accepted = accepted_results.on_streams({measurement.stream})
    groups = evidence.gather(run.begun, [CellResult(name, measurement)], ledger, accepted)
    changes = {
        "since accepted": evidence.since_accepted(groups), "since the last": evidence.since_last(groups, ledger),
    }  # fmt: skip
    return {since: _lines(cell.changes) for since, differing in changes.items() for cell in differing}


def _since(measurement: Measurement, places: Places) -> dict[str, str]:
    """Return what differs here and now, and what cannot be compared here."""
    try:
        now = differences.present(measurement, places)
    except SettingsError as error:
        return {"since then": f"this version of the code cannot run it: {error}"}
    changes = differences.changes(measurement, now)
    uncompared = f"the data: {measurement.stream} is not prepared here" if now.data is None else ""
    return {"since then": _lines(changes) or "nothing", "not compared": uncompared}


def _lines(changes: Iterable[Change]) -> str:
    """Return changes one below the other, in the column of values."""
    return f"\n{'':{WIDTH}}".join(change.text for change in changes)


def _table(measurement: Measurement) -> list[str]:
    """Return the settings, one per line, with values as params.yaml has them."""
    settings = dict(flat(measurement.settings))
    width = max(map(len, settings))
    return [f"  {key:{width}}  {words.value(value)}" for key, value in settings.items()]


def _facts(located: Located, places: Places) -> dict[str, str]:
    """Return what is recorded about a measurement, by name; empty if it is not recorded."""
    measurement = located.measurement
    return (
        _cell(located)
        | _machine(measurement.origin)
        | _code_and_data(measurement, places)
        | _record(measurement.origin)
    )


def _cell(located: Located) -> dict[str, str]:
    measurement, origin = located.measurement, located.measurement.origin
    averages = {name: values["average"] for name, values in measurement.values().items() if "average" in values}
    return {
        "measurement": f"{measurement.id}, in the {located.source}",
        "cell": f"{measurement.stream} · {measurement.method} · seed {measurement.seed}, "
        f"on {measurement.settings['evaluation']} data",
        "key": measurement.key,
        "scores": ", ".join(f"{score} {average:.4f}" for score, average in averages.items()),
        "certificate": _certificate(measurement),
        "measured": f"{origin.started:%Y-%m-%d %H:%M:%S} to {origin.ended:%H:%M:%S} UTC, "
        f"{measurement.train_seconds:.1f} s of training",
        "run": (origin.run or "none, the cell ran alone")
        + (f", Prefect flow run {origin.flow_run}" if origin.flow_run else ""),
    }


def _machine(origin: Origin) -> dict[str, str]:
    machine = origin.machine
    size = f", {machine.cores} cores, {(machine.memory or 0) / 2**30:.0f} GiB" if machine.cores else ""
    processor = machine.model_copy(update={"gpu": None}).label
    load = "" if origin.load is None else f", load {origin.load:.2f} at the start"
    software = {"driver": machine.driver, "CUDA": machine.cuda, "cuDNN": machine.cudnn}
    gpu = ", ".join([str(machine.gpu), *(f"{name} {version}" for name, version in software.items() if version)])
    return {
        "processor": f"{processor}; {machine.system}{size}{load}",
        "GPU": gpu if machine.gpu else "",
        "variables": ", ".join(f"{name}={value}" for name, value in (machine.variables or {}).items()),
    }


def _code_and_data(measurement: Measurement, places: Places) -> dict[str, str]:
    origin, folder = measurement.origin, places.data / measurement.stream
    fingerprint = (origin.fingerprint or "not recorded")[:12]
    commit = f"commit {origin.commit or 'not recorded'}{', with uncommitted changes' * bool(origin.dirty)}"
    pin = "dvc.lock" if measurement.stream in STREAMS else versions.pointer_of(folder)
    return {
        "versions": f"torch {origin.torch}, numpy {origin.numpy or 'not recorded'}, Python {origin.python}",
        "code": f"{commit}, fingerprint {fingerprint}",
        "data": measurement.data + (f", in {pin} {origin.data_version}" if origin.data_version else ""),
        "file": preparing.origin_of(folder, measurement.data),
        "lock file": origin.lock or "",
    }


def _record(origin: Origin) -> dict[str, str]:
    """Return the record of version 0.5.0 that the measurement comes from, and the commits it was carried to."""
    if origin.record is None:
        return {}
    record = f"{origin.record.identity} of version 0.5.0, its stream {origin.record.stream_hash[:12]}"
    steps = {
        f"  {step.identity[:8]}": f"carried to commit {step.commit}: {step.compared} cells compared bit by bit"
        for step in origin.record.carried
    }
    return {"record": record} | steps


def _certificate(measurement: Measurement) -> str:
    """Return how far from optimal training stopped, in words; empty for a measurement without certificates."""
    rows = [row for row in measurement.measures.rows() if row.measure == measures.RESIDUAL]
    residuals = {row: row.value for row in rows if row.value is not None}
    if not residuals:
        return ""
    worst = max(residuals, key=residuals.__getitem__)
    return (
        f"residual {median(residuals.values()):.3f} in the median of {len(residuals)} stages, at most "
        f"{residuals[worst]:.3f} (task {worst.task} · {worst.stage})"
    )
