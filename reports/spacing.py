"""Which of many tasks are shown one by one, so that what is shown can be read."""

MOST = 10
"Tasks that a table, a figure or an axis shows one by one."
EARLY = (1, 4, 7)
"Of ten tasks those whose scores are followed while later ones are learned."


def stride(tasks: int, most: int = MOST) -> int:
    """Return how many tasks go together where all are too many to be shown one by one: 1, 2, 5, 10, 20 and so on."""
    steps = (step * 10**power for power in range(9) for step in (1, 2, 5))
    return next(step for step in steps if tasks <= most * step)


def shown(tasks: int) -> list[int]:
    """Return the first task, the last, and every so many between them."""
    every = stride(tasks)
    return sorted({1, tasks, *range(every, tasks, every)})


def early(tasks: int) -> list[int]:
    """Return the first task, a middle and a late one, as far as there are any: 1, 4 and 7 of ten."""
    scale = max(1, tasks // MOST)
    chosen = (1, *(task * scale for task in EARLY[1:]))
    return [task for task in chosen if task <= tasks]
