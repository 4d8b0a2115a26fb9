"""fit() learns, in as many steps as it was told, and says where it diverged."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as draws
from small import TRAINING, random_layers, stream
from torch import Generator, Tensor

from den.config import SettingsError, Training
from den.networks.layers import Chain, Layer
from den.penalties import L1
from den.tasks import Examples
from den.training import Diverged, Fit, _pace, blocks, device_of, fit, length, logistic, mean_loss, per_pass


@pytest.fixture
def split() -> Examples:
    return stream().tasks[0].train


@pytest.fixture
def chain() -> Chain[Layer]:
    *hidden, head = random_layers(48, 8, 1)
    return Chain(hidden, head)


def trained(chain: Chain[Layer], split: Examples, seed: int = 0, **changes: object) -> Fit:
    training = Training(**TRAINING.model_dump() | changes)
    return fit(chain, split, training, Generator().manual_seed(seed))


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@pytest.mark.parametrize("schedule", ["linear", "constant"])
def test_training_lowers_the_loss(chain: Chain[Layer], split: Examples, optimizer: str, schedule: str) -> None:
    before = mean_loss(chain, split)
    fitted = trained(chain, split, optimizer=optimizer, schedule=schedule, learning_rate=0.03)
    assert fitted.loss < before
    assert mean_loss(chain, split) < before


def test_bits_depend_on_the_generator_alone(split: Examples) -> None:
    weights = []
    for seed in (0, 0, 1):
        *hidden, head = random_layers(48, 8, 1)
        torch.manual_seed(len(weights))
        trained(Chain(hidden, head), split, seed)
        weights.append(head.weight)
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


@pytest.mark.parametrize(
    ("changes", "steps"),
    [
        ({"epochs": 2}, 12),
        ({"epochs": 2, "batch_size": 50}, 4),
        ({"epochs": 2, "batch_size": 1000}, 2),
        ({"epochs": None, "steps": 7}, 7),
    ],
)
def test_a_stage_is_as_long_as_it_was_told(
    chain: Chain[Layer], split: Examples, changes: dict[str, int | None], steps: int
) -> None:
    assert length(Training(**TRAINING.model_dump() | changes), len(split)) == steps
    assert trained(chain, split, **changes).steps == steps


@given(epochs=draws.integers(1, 9), least=draws.integers(0, 99))
def test_a_stage_of_epochs_has_its_least_number_of_steps(epochs: int, least: int) -> None:
    plain, longer = (Training(epochs=epochs, batch_size=8, minimum_steps=steps) for steps in (0, least))
    assert length(longer, 20) == max(length(plain, 20), least)


def test_every_epoch_sees_every_example(split: Examples) -> None:
    seen: list[Tensor] = []

    class Watching(Chain[Layer]):
        def __call__(self, x: Tensor) -> Tensor:
            seen.append(x)
            return super().__call__(x)

    *hidden, head = random_layers(48, 8, 1)
    trained(Watching(hidden, head), split, epochs=2)
    everything = split.inputs(slice(None)).sort(dim=0).values
    for epoch in (seen[:6], seen[6:]):
        assert torch.equal(torch.cat(epoch).sort(dim=0).values, everything)


def test_nothing_is_left_learning(chain: Chain[Layer], split: Examples) -> None:
    trained(chain, split)
    assert not any(tensor.requires_grad or tensor.grad is not None for tensor in chain.parameters())


def test_penalties_make_zeros_as_they_go(chain: Chain[Layer], split: Examples) -> None:
    fit(chain, split, TRAINING, Generator().manual_seed(0), [L1([chain.hidden[0].weight], 0.01)])
    assert 0 < chain.hidden[0].weight.count_nonzero() < chain.hidden[0].weight.numel()


@pytest.mark.parametrize(("batch", "an_epoch"), [(20, 6), (50, 3), (120, 1), (1000, 1)])
def test_decay_takes_a_share_of_the_rate_with_every_pass(batch: int, an_epoch: int) -> None:
    decaying = Training(**TRAINING.model_dump() | {"schedule": "decay", "batch_size": batch})
    shares = [_pace(decaying, step, 10 * an_epoch, 120) for step in (0, an_epoch, 2 * an_epoch)]
    assert shares == pytest.approx([1, 0.95, 0.95**2])


@given(examples=draws.integers(1, 300), batch=draws.integers(1, 1000), passes=draws.integers(0, 5))
def test_decay_counts_passes_over_all_examples(examples: int, batch: int, passes: int) -> None:
    decaying = Training(**TRAINING.model_dump() | {"schedule": "decay", "batch_size": batch, "drop_last": False})
    first = passes * per_pass(decaying, examples)
    for step in (first, first + per_pass(decaying, examples) - 1):
        assert _pace(decaying, step, 10**6, examples) == 0.95**passes


@given(examples=draws.integers(1, 300), batch=draws.integers(1, 1000), step=draws.integers(0, 1000))
def test_decay_takes_no_more_than_a_share_for_as_many_examples(examples: int, batch: int, step: int) -> None:
    decaying = Training(**TRAINING.model_dump() | {"schedule": "decay", "batch_size": batch})
    assert _pace(decaying, step, 10**6, examples) == 0.95 ** (step * min(batch, examples) // examples)


@pytest.mark.parametrize("steps", [2, 120])
@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_divergence_is_told_with_its_step(chain: Chain[Layer], split: Examples, optimizer: str, steps: int) -> None:
    with pytest.raises(Diverged, match=r"at step \d+; lower training.learning_rate"):
        trained(chain, split, optimizer=optimizer, learning_rate=1e30, epochs=None, steps=steps)


def test_a_loss_that_is_no_number_is_told(chain: Chain[Layer], split: Examples) -> None:
    spoilt = replace(split, x=split.x.float().fill_(torch.nan))
    with pytest.raises(Diverged, match="nan at step 1;"):
        trained(chain, spoilt)


def test_mean_loss_is_that_of_the_whole_split(chain: Chain[Layer], split: Examples) -> None:
    many = replace(split, x=split.x.repeat(10, 1), y=split.y.repeat(10, 1))
    expected = logistic(chain(many.inputs(slice(None))), many.targets(slice(None))).item()
    assert mean_loss(chain, many) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("examples", [1, 1000, 2500])
def test_blocks_cover_everything_once(examples: int) -> None:
    assert torch.cat([torch.arange(examples)[rows] for rows in blocks(examples)]).tolist() == list(range(examples))


def test_auto_takes_what_there_is() -> None:
    expected = "cuda" if torch.cuda.is_available() else "cpu"
    assert device_of(Training(epochs=1, device="auto")).type == expected


def test_a_gpu_that_is_not_there_is_refused_by_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SettingsError, match=r"training\.device: cuda is set"):
        device_of(Training(steps=1, device="cuda"))


def test_a_stage_in_epochs_has_its_minimum_of_steps_and_one_in_steps_has_these() -> None:
    training = Training(epochs=2, batch_size=10, minimum_steps=7)
    assert [length(training, count) for count in (10, 30, 40, 90)] == [7, 7, 8, 18]
    assert length(Training(steps=3, batch_size=10, minimum_steps=7), 90) == 3
