"""A small raw set laid out as AwA's: ten animals, two blocks of features, images told apart by their features."""

import numpy as np

from den.streams import draws

CLASSES, IMAGES = 10, 93  # images of a class: three more than the splits take


def raw() -> dict[str, np.ndarray]:
    """Return counts (930, 24) uint16, parts (930, 16) float32 and labels (930,) uint8, the classes mixed."""
    count = CLASSES * IMAGES
    labels = (draws.permutation(count, "animals") % CLASSES).astype(np.uint8)
    counts = draws.octets(count * 24, "animals", "counts").reshape(count, 24).astype(np.uint16)
    counts[np.arange(count), labels] += 400
    parts = draws.octets(count * 16, "animals", "parts").reshape(count, 16).astype(np.float32) / 256
    return {"counts": counts, "parts": parts, "labels": labels}
