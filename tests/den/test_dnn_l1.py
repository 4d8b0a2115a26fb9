"""DNN-L1 is fine-tuning with an L1 penalty, and says how many units each task uses."""

from small import NETWORK, learn, same_state, stream


def selected(sparsity: float) -> dict[int, list[float]]:
    """Return the selected units of each layer, task by task."""
    rows = learn("dnn_l1", stream(), params={"sparsity": sparsity})[1].measures
    found = [row for row in rows if row["measure"] == "selected units" and row["stage"] == "train"]
    return {layer: [row["value"] for row in found if row["layer"] == layer] for layer in range(3)}


def test_no_penalty_is_finetuning_and_selects_everything() -> None:
    (one, _), (other, _) = learn("finetune", stream()), learn("dnn_l1", stream(), params={"sparsity": 0.0})
    assert same_state(one, other)
    assert selected(0.0) == {0: [48] * 3, 1: [NETWORK.widths[0]] * 3, 2: [NETWORK.widths[1]] * 3}


def test_a_stronger_penalty_selects_fewer_units() -> None:
    weak, strong = selected(0.01), selected(0.03)
    assert all(sum(strong[layer]) < sum(weak[layer]) for layer in range(3))
