"""Proximal points of single penalties, coordinate by coordinate or row by row, in a diagonal metric.

Each function changes a tensor w in place, from u to the minimiser of sum D (w - u)^2 / 2 + the penalty.
metric: D, in the shape of w; it may be as small as Adam's epsilon.
"""

import torch
from torch import Tensor
from torch.nn.functional import softshrink

from den.graphs import Rate

STEPS = 10  # at most, of Newton's method for a group's norm or a constraint's multiplier; most cases take one to four
CLOSE = 1e-4  # relative size of the last step of Newton's method, which squares the error
LEAP = 16  # the largest factor by which a step divides a norm


def fold(w: Tensor, metric: Tensor, curvature: Rate, centre: Tensor | None = None) -> None:
    """Fold curvature / 2 * sum (w - centre)^2 into w and the metric, both in place.

    A coordinate at the centre keeps its bits. centre: zero if None.
    """
    metric.add_(curvature)
    if centre is not None:
        w.lerp_(centre, curvature / metric)
    elif isinstance(curvature, Tensor):  # addcdiv_ takes numbers only
        w.addcmul_(w, curvature / metric, value=-1)
    else:
        w.addcdiv_(w, metric, value=-curvature)


def soft_threshold(w: Tensor, metric: Tensor, threshold: Rate) -> None:
    """Move w, in place, to the proximal point of threshold * sum |w|: soft thresholding."""
    torch.div(shrunk(w.mul_(metric), threshold), metric, out=w)


def shrunk(z: Tensor, threshold: Rate) -> Tensor:
    """Return z moved towards zero by the threshold; zero where |z| is below it."""
    if isinstance(threshold, Tensor):  # softshrink takes numbers only
        return z - z.clamp(-threshold, threshold)
    return softshrink(z, threshold)


def group_threshold(w: Tensor, metric: Tensor, threshold: Rate) -> None:
    """Move w, in place, to the proximal point of threshold * sum ||row||.

    With z = D u, a row becomes zero if ||z|| <= threshold, else z / (D + threshold / r), where r is the norm of the
    result. For a row that hardly shrinks, r is taken from u. For others, Newton's method solves
    r / ||z / (D + threshold / r)|| = 1.
    """
    d, z = metric.flatten(1), (metric * w).flatten(1)
    r, alive = norm(w.flatten(1)), norm(z) > threshold
    below = d + torch.where(alive, threshold / r, torch.inf)
    torch.div(z.view_as(w), below.view_as(w), out=w)
    shrinks = (alive & (r - norm(w.flatten(1)) > CLOSE * r)).squeeze(1)
    rows = shrinks.nonzero().squeeze(1) if may_wait(r) else torch.arange(len(r), device=r.device)
    if len(rows):
        point = _shrunk_rows(d[rows], z[rows], r[rows], alive[rows], threshold)
        w.index_copy_(0, rows, point.view(-1, *w.shape[1:]))


def _shrunk_rows(d: Tensor, z: Tensor, r: Tensor, alive: Tensor, threshold: Rate) -> Tensor:
    """Return z / (d + threshold / r) with its own norm as r, by Newton's method on a function that is concave in r."""
    for _ in range(STEPS):
        below = d + threshold / r
        point = z / below
        length = norm(point)
        slope = dot(point, torch.div(d, below, out=below).mul_(point))  # a difference would cancel
        step = torch.where(alive, (r / length - 1) * length * (length.square() / slope), 0)
        r = torch.maximum(r - step, r / LEAP)
        if may_wait(r) and (step.abs() <= CLOSE * r).all():
            break
    return z / (d + torch.where(alive, threshold / r, torch.inf))


def norm(rows: Tensor) -> Tensor:
    """Return the norm of each row: (rows, 1)."""
    return torch.linalg.vector_norm(rows, dim=1, keepdim=True)


def dot(a: Tensor, b: Tensor) -> Tensor:
    """Return the inner product of each row of a with the same row of b: (rows, 1)."""
    return torch.linalg.vecdot(a, b).unsqueeze(1)


def may_wait(tensor: Tensor) -> bool:
    """Return whether a step may read a value of the tensor: not on a GPU, where steps are captured."""
    return tensor.device.type == "cpu"
