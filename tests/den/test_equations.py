"""The equations are solved: training comes to the minima that other solvers come to, and stays near with more steps."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from small import build, permuted, random_layers, run_stages, stream
from torch import Generator, Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from den.config import Network, Training
from den.methods.den import Den
from den.networks.layers import Chain
from den.penalties import L1, GroupLasso
from den.tasks import Examples
from den.training import fit, mean_loss

WHOLE = Training(batch_size=10_000, steps=3000, epochs=None, learning_rate=0.03)


def features_of(split: Examples) -> tuple[Tensor, Tensor]:
    return split.inputs(slice(None)).double(), split.targets(slice(None)).double()


def sparse_loss(x: Tensor, y: Tensor, weight: Tensor, bias: Tensor, sparsity: float) -> float:
    """Return the objective of Eq. 3, in float64."""
    loss = binary_cross_entropy_with_logits(x @ weight.double().T + bias.double(), y)
    return (loss + sparsity * weight.abs().sum()).item()


def logistic(x: Tensor, y: Tensor, sparsity: float) -> tuple[Tensor, Tensor]:
    """Return weights and biases of scikit-learn's sparse logistic regressions, one an output."""
    strength = 1 / (y.numel() * sparsity)
    found = [
        LogisticRegression(l1_ratio=1.0, C=strength, solver="saga", tol=1e-9, max_iter=100_000).fit(x.numpy(), one)
        for one in y.T.numpy()
    ]
    weights = torch.cat([torch.from_numpy(one.coef_) for one in found])
    return weights, torch.cat([torch.from_numpy(one.intercept_) for one in found])


@pytest.mark.slow
@pytest.mark.parametrize("sparsity", [1e-3, 5e-3, 2e-2])
@pytest.mark.parametrize("source", [stream, permuted], ids=["one output", "four outputs"])
def test_eq_3_is_the_sparse_logistic_regression_of_scikit_learn(source: type, sparsity: float) -> None:
    on = source()
    method = build("den", on, params={"sparsity": 1e-4, "head_sparsity": sparsity}, training=WHOLE)
    assert isinstance(method, Den)
    run_stages(method, on.tasks[0])
    chain, solution = method.sparse_head(on.tasks[1], Generator().manual_seed(0))
    x, y = features_of(method.features(on.tasks[1].train))
    weight, bias = logistic(x, y, sparsity)
    least = sparse_loss(x, y, weight, bias, sparsity)
    assert sparse_loss(x, y, chain.head.weight, chain.head.bias, sparsity) == pytest.approx(least, rel=1e-3)
    slopes = slopes_at(x, y, weight, bias)
    clear = (weight != 0) | (
        slopes.abs() < 0.98 * sparsity
    )  # others tie: the slope of the loss is all but the threshold
    assert torch.equal((chain.head.weight == 0)[clear], (weight == 0)[clear])
    assert solution.certificate is not None


def slopes_at(x: Tensor, y: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Return the gradient of the loss in the weights."""
    return (torch.sigmoid(x @ weight.T + bias) - y).T @ x / y.numel()


@pytest.mark.slow
@pytest.mark.parametrize(("sparsity", "group"), [(1e-4, 1e-3), (1e-3, 3e-3), (2e-3, 1e-2), (1e-3, 0.13)])
def test_eq_5_on_a_layer_that_the_loss_reads_directly_is_its_minimum(sparsity: float, group: float) -> None:
    split = permuted().tasks[0].train
    (head,) = random_layers(48, 4)
    penalties = L1([head.weight], sparsity), GroupLasso([head.weight], group)
    far = WHOLE.model_copy(update={"steps": 5000, "learning_rate": 0.1})  # weak penalties leave weights far from zero
    fit(Chain([], head), split, far, Generator().manual_seed(0), penalties)
    x, y = features_of(split)
    weight, bias = by_scipy(x, y, sparsity, group)
    least = grouped_loss(x, y, weight, bias, sparsity, group)
    reached = grouped_loss(x, y, head.weight, head.bias, sparsity, group)
    assert least * (1 - 1e-5) <= reached <= least * (1 + 1e-6)  # SciPy may stop a little above the minimum
    assert torch.equal(head.weight.any(dim=1), weight.norm(dim=1) > 1e-6)


def grouped_loss(x: Tensor, y: Tensor, weight: Tensor, bias: Tensor, sparsity: float, group: float) -> float:
    """Return the objective of Eq. 5, in float64."""
    return sparse_loss(x, y, weight, bias, sparsity) + group * weight.double().norm(dim=1).sum().item()


RESTARTS = 8


def by_scipy(x: Tensor, y: Tensor, sparsity: float, group: float) -> tuple[Tensor, Tensor]:
    """Return what SciPy's L-BFGS-B comes to, in float64, on a smooth form of the same problem.

    w = p - n with p, n >= 0, so that |w| is p + n; and ||w|| is the least of (||w||^2 / s + s) / 2 over s > 0.
    """
    features, labels = x.numpy(), y.numpy()
    shape = (labels.shape[1], features.shape[1])
    size, outputs = shape[0] * shape[1], shape[0]

    def parts(v: np.ndarray) -> tuple[np.ndarray, ...]:
        return v[:size].reshape(shape), v[size : 2 * size].reshape(shape), v[2 * size : -outputs], v[-outputs:]

    def objective(v: np.ndarray) -> tuple[float, np.ndarray]:
        p, n, bias, s = parts(v)
        w, logits = p - n, features @ (p - n).T + bias
        squares, error = (w**2).sum(axis=1), (expit(logits) - labels) / labels.size
        value = np.logaddexp(0, logits).mean() - (labels * logits).mean()
        value += sparsity * (p + n).sum() + group / 2 * (squares / s + s).sum()
        slope = error.T @ features + group * w / s[:, None]
        slopes = [slope + sparsity, sparsity - slope, error.sum(axis=0), group / 2 * (1 - squares / s**2)]
        return value, np.concatenate([part.ravel() for part in slopes])

    bounds = [(0, None)] * (2 * size) + [(None, None)] * outputs + [(1e-8, None)] * outputs
    start = np.concatenate([np.zeros(2 * size + outputs), np.ones(outputs)])
    options = {"maxiter": 50_000, "maxfun": 100_000, "ftol": 1e-15, "gtol": 1e-10}
    for _ in range(RESTARTS):  # each forgets the curvature that the one before has gathered, and gets further
        start = minimize(objective, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options).x
    p, n, bias, _ = parts(start)
    return torch.from_numpy(p - n), torch.from_numpy(bias)


SHORT, LONG = (Training(epochs=epochs, batch_size=20, learning_rate=0.01) for epochs in (8, 400))
BY_SGD = Training(optimizer="sgd", epochs=400, batch_size=20, learning_rate=0.2)


@pytest.mark.slow
@pytest.mark.parametrize("drift", [0.01, 0.1, 3.0])
def test_eq_6_is_solved_by_adam_as_by_sgd_and_better_with_more_steps(drift: float) -> None:
    method = before_eq_6(drift)
    start = [tensor.clone() for tensor in method.network.whole(method.head).parameters()]
    brief, long, by_sgd = (objective_after(method, start, training) for training in (SHORT, LONG, BY_SGD))
    assert long <= by_sgd * 1.001
    assert long <= brief


def before_eq_6(drift: float) -> Den:
    """Return DEN that is about to solve Eq. 6 for its second task, without decay."""
    params = {"sparsity": 1e-4, "head_sparsity": 1e-3, "weight_decay": 0.0, "drift": drift}
    method = build("den", stream(), params=params, network=Network(widths=(16, 8)), training=SHORT)
    assert isinstance(method, Den)
    run_stages(method, stream().tasks[0])
    run_stages(method, stream().tasks[1], "selective retraining")
    return method


def objective_after(method: Den, start: Sequence[Tensor], training: Training) -> float:
    """Return the objective of Eq. 6 after training from a start."""
    chain, split = method.network.whole(method.head), stream().tasks[1].train
    for tensor, old in zip(chain.parameters(), start, strict=True):
        tensor.copy_(old)
    pull, *_ = method.stay()
    fit(chain, split, training, Generator().manual_seed(3), [pull])
    return mean_loss(chain, split) + pull.value().item()
