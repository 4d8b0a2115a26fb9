"""Random draws that are the same on every machine and in every numpy version: raw PCG64 words, sorted stably."""

import numpy as np


def words(count: int, *key: str | int) -> np.ndarray:
    """Return `count` random 64-bit words of the sequence that `key` names: (count,) uint64.

    They come from the bit generator and its seeding alone: numpy guarantees these, but not its distributions.
    """
    entropy = [int.from_bytes(part.encode(), "big") if isinstance(part, str) else part for part in key]
    return np.random.PCG64(np.random.SeedSequence(entropy)).random_raw(count)


def permutation(count: int, *key: str | int) -> np.ndarray:
    """Return a random permutation of 0 .. count - 1: (count,) int64."""
    return np.argsort(words(count, *key), kind="stable")


def octets(count: int, *key: str | int) -> np.ndarray:
    """Return `count` random bytes, uniform over 0 .. 255: (count,) uint8."""
    return words(-(-count // 8), *key).astype("<u8").view(np.uint8)[:count]
