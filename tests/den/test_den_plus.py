"""DEN+ starts with the units that the first task needs, and answers as the whole network did."""

import torch
from small import Source, build, learn, on_either, run_stages, stream

from den.methods.den import Den
from den.methods.den_plus import SmallStart
from den.networks.layers import active
from den.networks.reach import read

SPARSE = {"sparsity": 3e-2}


def after_first(kind: type[Den], source: Source, **params: float) -> Den:
    """Return a method that has learned the first task."""
    on = source()
    method = build(kind, on, params=SPARSE | params)
    assert isinstance(method, Den)
    run_stages(method, on.tasks[0])
    return method


@on_either
def test_units_that_the_first_task_leaves_silent_or_unread_are_dropped(source: Source) -> None:
    whole, small = after_first(Den, source), after_first(SmallStart, source)
    x = source().tasks[0].train.inputs(slice(None))
    assert torch.allclose(small.predict(x, 0), whole.predict(x, 0), atol=1e-5)
    assert sum(small.network.widths) < sum(whole.network.widths)
    assert small.network.stamps == [small.network.widths]
    chain = small.network.slice(0)
    assert all(bool(layer.all()) for layer in active(chain.activations(x)))
    assert all(len(read(layer.weight)) == layer.inputs for layer in chain.layers[1:])


def test_a_network_that_answers_with_its_biases_alone_keeps_units_in_every_layer() -> None:
    method = after_first(SmallStart, stream, sparsity=10.0)
    assert not method.head.weight.any()
    assert all(method.network.widths)
    run_stages(method, stream().tasks[1])


@on_either
def test_later_tasks_grow_from_the_small_start_and_change_no_old_answer_by_surgery(source: Source) -> None:
    method, result = learn(SmallStart, source(), params=SPARSE)
    assert isinstance(method, Den)
    widths = [sum(stamp) for stamp in method.network.stamps]
    assert widths == sorted(widths)
    capacities = [row["value"] for row in result.measures if row["measure"] == "capacity"]
    assert capacities[0] < 1
