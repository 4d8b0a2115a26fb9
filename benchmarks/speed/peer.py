"""Avalanche's side of the comparison: run by the Python that has it, on the arrays that peers.py wrote.

    python peer.py ARRAYS.npz finetune|ewc memory|fused|stock

Prints JSON: CPU seconds of training and of evaluation, and the accuracy on every task at the end. It imports nothing of
the project. `memory`: images as float tensors, made once; `fused`: the same under torch's fused Adam, which ours is too
and torch's default is not. `stock`: images through torchvision's transforms, one by one, as in Avalanche's own data.
"""

import json
import sys
import time
import warnings
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset, TensorDataset

warnings.simplefilter("ignore")

from avalanche.benchmarks import benchmark_from_datasets  # noqa: E402
from avalanche.benchmarks.utils import as_classification_dataset  # noqa: E402
from avalanche.evaluation.metrics import accuracy_metrics  # noqa: E402
from avalanche.training.plugins import EvaluationPlugin  # noqa: E402
from avalanche.training.supervised import EWC, Naive  # noqa: E402
from PIL import Image  # noqa: E402
from torchvision.transforms import Compose, Lambda, ToTensor  # noqa: E402


class Images(Dataset):
    """Images as torchvision's MNIST keeps them: bytes, made an image of and transformed when asked for."""

    def __init__(self, x: np.ndarray, labels: np.ndarray) -> None:
        self.x, self.targets = x.reshape(-1, 28, 28), labels.tolist()
        self.transform = Compose([ToTensor(), Lambda(torch.flatten)])

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.transform(Image.fromarray(self.x[index])), self.targets[index]


class OneVersusRest(nn.Module):
    """The loss of the other side."""

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the mean logistic loss over examples and outputs."""
        wanted = nn.functional.one_hot(labels, logits.shape[1]).float()
        return nn.functional.binary_cross_entropy_with_logits(logits, wanted)


def dataset(x: np.ndarray, labels: np.ndarray, path: str) -> Any:
    """Return images and labels as Avalanche takes them."""
    if path == "stock":
        return as_classification_dataset(Images(x, labels))
    data = TensorDataset(torch.from_numpy(x).float() / 255, torch.from_numpy(labels).long())
    data.targets = labels.tolist()
    return as_classification_dataset(data)


def glorot(module: nn.Module) -> None:
    """Begin as the other side does."""
    if isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        nn.init.zeros_(module.bias)


def strategy(kind: str, about: dict[str, Any], fused: bool) -> Any:
    """Return the untrained strategy."""
    sizes = about["sizes"]
    layers = [part for a, b in zip(sizes, sizes[1:], strict=False) for part in (nn.Linear(a, b), nn.ReLU())][:-1]
    model = nn.Sequential(*layers).apply(glorot)
    settings = {
        "model": model,
        "optimizer": torch.optim.Adam(model.parameters(), lr=about["learning_rate"], fused=fused or None),
        "criterion": OneVersusRest(),
        "train_mb_size": about["batch"],
        "train_epochs": about["epochs"],
        "eval_mb_size": 1000,
        "evaluator": EvaluationPlugin(accuracy_metrics(experience=True)),
    }
    return EWC(ewc_lambda=about["strength"], **settings) if kind == "ewc" else Naive(**settings)


def main(arrays: str, kind: str, path: str) -> None:
    """Train on the tasks one after another, evaluating on all known ones after each; print what it took."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    with np.load(arrays) as contents:
        about = json.loads(str(contents["about"]))
        parts = {
            part: [
                dataset(contents[f"{part}_x_{task}"], contents[f"{part}_y_{task}"], path)
                for task in range(about["tasks"])
            ]
            for part in ("train", "test")
        }
    benchmark = benchmark_from_datasets(train=parts["train"], test=parts["test"])
    learner, times = strategy(kind, about, path == "fused"), {"training": 0.0, "evaluation": 0.0}
    for task, experience in enumerate(benchmark.train_stream):
        start = time.process_time()
        learner.train(experience, num_workers=0, reset_optimizer_state=True)  # as the other side does
        middle = time.process_time()
        scores = learner.eval(benchmark.test_stream[: task + 1], num_workers=0)
        times["training"] += middle - start
        times["evaluation"] += time.process_time() - middle
    accuracies = [value for name, value in sorted(scores.items()) if name.startswith("Top1_Acc_Exp")]
    print(json.dumps(times | {"accuracy": float(np.mean(accuracies))}))


if __name__ == "__main__":
    main(*sys.argv[1:])
