"""Floors of scores: what the most frequent class as the answer to everything scores, by the scores' own functions."""

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as some
from small import PREPARATION

from den.scores import SCORES
from den.streams import STREAMS, blobs, prepared
from den.tasks import Stream
from reports import floors


def measured(stream: Stream) -> dict[str, float]:
    """Return each score of the majority answer, a mean over the tasks of a stream."""
    return floors.of_labels([stream.tests[task].y for task in range(len(stream))])


def test_a_floor_is_what_one_answer_to_everything_scores() -> None:
    preparation = PREPARATION.model_copy(update={"classes": 10})
    arrays = blobs.prepare(preparation, {}, 1)
    params = blobs.Params(tasks=4, training_examples=4, validation_examples=4, test_examples=20)
    stream = blobs.build(params, arrays, 0)
    assert measured(stream) == pytest.approx(floors.of("blobs"))


@pytest.mark.slow
@pytest.mark.parametrize("name", floors.FLOORS)
def test_floors_are_those_of_the_prepared_streams(name: str) -> None:
    folder = Path("data/streams")
    if not (folder / name / prepared.MANIFEST).exists():
        pytest.skip(f"{name} is not prepared here")
    stream = prepared.open_stream(folder, name, STREAMS[name].Params(), 0)
    assert measured(stream) == pytest.approx(floors.of(name), abs=0.0005)


@given(some.lists(some.integers(1, 30), min_size=2, max_size=5))
def test_the_floor_of_accuracy_is_the_share_of_the_most_frequent_class(counts: list[int]) -> None:
    classes = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
    floor = floors.of_labels([torch.nn.functional.one_hot(classes, len(counts)).to(torch.uint8)])
    assert floor["auroc"] == pytest.approx(0.5)
    if sorted(counts)[-1] > sorted(counts)[-2]:
        assert floor["accuracy"] == pytest.approx(max(counts) / sum(counts))


def test_floors_are_of_streams_and_of_all_their_scores() -> None:
    assert set(floors.FLOORS) <= set(STREAMS)
    assert floors.of("mine") == {}
    for floor in floors.FLOORS.values():
        assert set(floor) == set(SCORES)
        assert all(0 < value < 1 for value in floor.values())
