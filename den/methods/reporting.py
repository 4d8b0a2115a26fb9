"""The measures that each training stage reports of its training runs."""

from collections.abc import Iterable, Sequence

from torch import Generator, Tensor

from den import measures
from den.certificates import Scale, Solution, scale_of, solve
from den.config import Training
from den.methods.base import Measure, Measures
from den.penalties import Penalty
from den.tasks import Examples
from den.training import Learner, Loss, Moments


def learn(
    network: Learner,
    examples: Examples,
    training: Training,
    generator: Generator,
    penalties: Sequence[Penalty],
    loss: Loss,
    moments: Moments | None = None,
) -> Measures:
    """Train the network's parameters in place, as a stage of one training run; return its measures. Raises Diverged."""
    scale = scale_of(network, examples, loss)
    return report(scale, solve(network, examples, training, generator, penalties, loss, moments))


def report(scale: Scale, *solutions: Solution, aside: Sequence[Solution] = ()) -> Measures:
    """Return the steps of all training runs of a stage, and the loss, certificate and dead units of the last one.

    scale: of the task, for the residual. aside: further runs of the stage; of these, only the seconds of the
    certificates are reported.
    """
    last = solutions[-1]
    certificates = [solution.certificate for solution in (*solutions, *aside) if solution.certificate]
    measured = [
        Measure(measures.STEPS, sum(solution.fit.steps for solution in solutions)),
        Measure(measures.LOSS, last.fit.loss),
        Measure(measures.CERTIFICATE_SECONDS, scale.seconds + sum(certificate.seconds for certificate in certificates)),
    ]
    if last.certificate:
        measured += [
            *residual(measures.RESIDUAL, scale, last),
            Measure(measures.PROXIMAL_GRADIENT, last.certificate.norm),
            *by_layer(measures.DEAD_UNITS, last.certificate.dead),
        ]
    return measured


def residual(measure: str, scale: Scale, solution: Solution) -> Measures:
    """Return the residual of a training run as the given measure; none if the run has no certificate."""
    certificate = solution.certificate
    return [Measure(measure, certificate.residual(scale.norm))] if certificate else []


def by_layer(measure: str, values: Iterable[float], first: int = 1) -> Measures:
    """Return one measure per layer. first: the number of the first layer."""
    return [Measure(measure, value, layer) for layer, value in enumerate(values, start=first)]


def relative_change(before: Tensor, after: Tensor) -> float:
    """Return the root mean square of the change, relative to that of `before`."""
    return ((after - before).square().mean() / before.square().mean()).sqrt().item()
