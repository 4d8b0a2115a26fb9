"""What follows training: evaluation, exact AUROC and average precision, and the Fisher information of EWC."""

from functools import partial

import torch
from torch import Generator

from benchmarks.speed import timing, training
from den import harness
from den.config import Network, Training
from den.methods.base import Problem
from den.methods.ewc import fisher, surprises
from den.methods.finetune import Finetune, Params
from den.scores import SCORES, auroc, average_precision
from den.tasks import Examples, Task
from den.training import fit

IMAGES, MANY, SAMPLES = 10_000, 50_000, 1_000
EPOCH = "an epoch of 1,000 samples"


def rows(repeats: int) -> list[timing.Row]:
    """Return evaluation in microseconds per image and task, two scores and Fisher in milliseconds."""
    generator = Generator().manual_seed(0)
    return [*_evaluation(generator, repeats), *_sorting(generator, repeats), *_fisher(generator, repeats)]


def _evaluation(generator: Generator, repeats: int) -> list[timing.Row]:
    split, method = training.examples(generator), _method(generator)

    def evaluate() -> None:
        answers = harness.predict(method, split, 0)
        assert answers is not None
        for score in SCORES.values():
            score(answers, split.y)

    times = timing.alternated({"evaluation": evaluate}, repeats)["evaluation"]
    micro = [1e6 * seconds / len(split) for seconds in times]
    return [timing.Row("evaluation, all scores, an image and task", micro, "µs", bar=8.0)]


def _method(generator: Generator) -> Finetune:
    """Return fine-tuning after its first task, of a few steps."""
    split = training.examples(generator)
    learned = Training(steps=2, batch_size=training.BATCH)
    problem = Problem(training.SIZES[:1], training.SIZES[-1], 1, Network(widths=training.SIZES[1:-1]), learned, 0)
    method = Finetune.build(Params(), problem, generator)
    method.train(Task(0, split, split), generator)
    return method


def _sorting(generator: Generator, repeats: int) -> list[timing.Row]:
    scores = torch.rand(MANY, 10, generator=generator)
    y = torch.randint(0, 2, scores.shape, generator=generator, dtype=torch.uint8)
    runs = {"exact AUROC": lambda: auroc(scores, y), "average precision": lambda: average_precision(scores, y)}
    return [
        timing.Row(f"{name}, 50,000 images, 10 outputs", [1000 * seconds for seconds in times], "ms", bar=100.0)
        for name, times in timing.alternated(runs, repeats).items()
    ]


def _fisher(generator: Generator, repeats: int) -> list[timing.Row]:
    whole, chain = training.examples(generator), training.network(generator)
    split = Examples(whole.x[:SAMPLES], whole.y[:SAMPLES])
    epoch = Training(epochs=1, batch_size=SAMPLES // 4)
    x, y = split.inputs(slice(None)), split.targets(slice(None))
    sampled = partial(surprises, labels="sampled", generator=generator)
    runs = {
        EPOCH: lambda: fit(chain, split, epoch, generator),
        "Fisher of 1,000 samples": lambda: fisher(chain, x, y, sampled),
    }
    bars = {"Fisher of 1,000 samples": (EPOCH, 1.0)}
    return timing.beside(timing.alternated(runs, repeats), EPOCH, "ms", 1000.0, bars)
