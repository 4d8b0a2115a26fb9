"""Rotation of images in integer arithmetic, so that all machines produce the same bytes."""

import math

import numpy as np

TURN = 1 << 16  # a full turn, in the unit of angles
SCALE = 14  # binary places of sines and cosines
PLACES = 8  # binary places of a source position between two pixels
BORDER = 2  # pixels of zeros around the image, for source positions outside of it
BATCH = 1000


def from_degrees(degrees: float) -> int:
    """Return an angle in 65,536ths of a turn."""
    return round(degrees * TURN / 360) % TURN


def rotate(images: np.ndarray, angles: np.ndarray) -> np.ndarray:
    """Return square images, rotated counter-clockwise around their centres with bilinear interpolation.

    images: (images, side, side) uint8; outside of an image, pixels are zero. angles: (images,) or (1,), in 65,536ths
    of a turn.
    """
    angles = np.asarray(angles)
    batches = range(0, len(images), BATCH)
    parts = [_batch(images[at : at + BATCH], angles if len(angles) == 1 else angles[at : at + BATCH]) for at in batches]
    return np.concatenate(parts) if parts else images.copy()


def trigonometry(angles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return cosines and sines as integers, in units of 1 / 2**SCALE: (angles, 1) int32 each."""
    radians = [2 * math.pi * int(angle) / TURN for angle in angles]
    cosines = [round(math.cos(radian) * (1 << SCALE)) for radian in radians]
    sines = [round(math.sin(radian) * (1 << SCALE)) for radian in radians]
    return np.array(cosines, np.int32)[:, None], np.array(sines, np.int32)[:, None]


def _batch(images: np.ndarray, angles: np.ndarray) -> np.ndarray:
    side = images.shape[1]
    row, column, row_part, column_part = _positions(side, angles)
    width = side + 2 * BORDER
    padded = np.pad(images, ((0, 0), (BORDER, BORDER), (BORDER, BORDER))).reshape(len(images), -1)
    corner = (row + BORDER) * width + column + BORDER
    unit = 1 << PLACES
    above = _read(padded, corner) * (unit - column_part) + _read(padded, corner + 1) * column_part
    below = _read(padded, corner + width) * (unit - column_part) + _read(padded, corner + width + 1) * column_part
    total = above * (unit - row_part) + below * row_part
    return ((total + (1 << (2 * PLACES - 1))) >> (2 * PLACES)).astype(np.uint8).reshape(images.shape)


def _positions(side: int, angles: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return the source of each pixel: integer row and column, and their fractions in units of 1 / 2**PLACES."""
    cosine, sine = trigonometry(angles)
    # Twice the distance from the centre is an integer, for an even or odd side.
    down, right = (2 * grid.reshape(1, -1) - (side - 1) for grid in np.mgrid[:side, :side].astype(np.int32))
    row, row_part = _place(cosine * down + sine * right, side)
    column, column_part = _place(cosine * right - sine * down, side)
    return row, column, row_part, column_part


def _place(twice: np.ndarray, side: int) -> tuple[np.ndarray, np.ndarray]:
    shift = SCALE + 1 - PLACES
    fine = (twice + ((side - 1) << SCALE) + (1 << (shift - 1))) >> shift
    return np.clip(fine >> PLACES, -BORDER, side), fine & ((1 << PLACES) - 1)


def _read(pixels: np.ndarray, places: np.ndarray) -> np.ndarray:
    return np.take_along_axis(pixels, places, axis=1).astype(np.int32)
