"""Which of many tasks a table, a figure or an axis shows, so that it stays readable."""

MOST = 10
"The most tasks that are shown one by one."
EARLY = (1, 4, 7)
"The tasks, of ten, whose scores are followed while later ones are learned."


def stride(tasks: int, most: int = MOST) -> int:
    """Return how many tasks to show together, so that at most `most` groups are left: 1, 2, 5, 10, 20 and so on."""
    steps = (step * 10**power for power in range(9) for step in (1, 2, 5))
    return next(step for step in steps if tasks <= most * step)


def shown(tasks: int) -> list[int]:
    """Return the first task, the last, and those between them at equal distances."""
    every = stride(tasks)
    return sorted({1, tasks, *range(every, tasks, every)})


def early(tasks: int) -> list[int]:
    """Return the first task, a middle and a late one, as far as they exist: 1, 4 and 7 of ten."""
    scale = max(1, tasks // MOST)
    chosen = (1, *(task * scale for task in EARLY[1:]))
    return [task for task in chosen if task <= tasks]
