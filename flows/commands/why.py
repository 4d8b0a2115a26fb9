"""`den why`: the origin of a measurement, and what has changed since."""

from statistics import median

import click

from den import measures
from den.ledger import Measurement, Origin
from den.ledger.settings import flat
from den.streams import STREAMS
from flows.commands.lookup import Located, locate
from flows.data.own import preparing, versions
from flows.judging import differences
from flows.places import here

WIDTH = 12  # of the column of names


def print_origin(prefix: str) -> None:
    """Print the origin of the measurement whose id begins with `prefix`.

    Raises SettingsError if no measurement matches, or several.
    """
    click.echo(describe(locate(prefix, here())))


def describe(located: Located) -> str:
    """Return the origin and settings of a measurement, and what has changed here since, one fact per line."""
    measurement = located.measurement
    lines = [f"{name:{WIDTH}}{value}" for name, value in _facts(located).items()]
    changes = list(differences.since(measurement)) or ["nothing"]
    settings = [f"  {key}: {value}" for key, value in flat(measurement.settings)]
    return "\n".join([*lines, f"{'since then':{WIDTH}}{'; '.join(changes)}", "settings", *settings])


def _facts(located: Located) -> dict[str, str]:
    """Return what is recorded about a measurement, by name; what is not recorded is left out."""
    measurement = located.measurement
    facts = _cell(located) | _machine(measurement.origin) | _code_and_data(measurement) | _record(measurement.origin)
    return {name: value for name, value in facts.items() if value}


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
    load = "" if origin.load is None else f", load {origin.load:.2f} at the start"
    gpu = f"{machine.gpu}, driver {machine.driver}, CUDA {machine.cuda}, cuDNN {machine.cudnn}"
    return {
        "processor": f"{machine.label}; {machine.system}{size}{load}",
        "GPU": gpu if machine.gpu else "",
        "variables": ", ".join(f"{name}={value}" for name, value in (machine.variables or {}).items()),
    }


def _code_and_data(measurement: Measurement) -> dict[str, str]:
    origin = measurement.origin
    fingerprint = (origin.fingerprint or "not recorded")[:12]
    pin = "dvc.lock" if measurement.stream in STREAMS else versions.pointer_of(here().data / measurement.stream)
    return {
        "versions": f"torch {origin.torch}, numpy {origin.numpy or 'not recorded'}, Python {origin.python}",
        "code": f"commit {origin.commit}{', with uncommitted changes' * bool(origin.dirty)}, fingerprint {fingerprint}",
        "data": measurement.data + (f", in {pin} {origin.data_version}" if origin.data_version else ""),
        "file": preparing.origin_of(here().data / measurement.stream, measurement.data),
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
