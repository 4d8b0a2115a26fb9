"""How different two colours look, to readers with three kinds of cones and to those with two."""

import math

import numpy as np
from matplotlib.colors import to_rgb

SIMULATED = {
    "normal": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
}
"What each eye makes of linear RGB. Source: Machado, Oliveira & Fernandes 2009, severity 1."
XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
WHITE = XYZ.sum(axis=1)
SPREAD = 25.0**7


def lab(color: str, eye: str = "normal") -> tuple[float, float, float]:
    """Return L*, a* and b* of a colour as an eye of SIMULATED sees it, relative to the white of sRGB."""
    rgb = np.array(to_rgb(color))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    ratio = XYZ @ np.clip(SIMULATED[eye] @ linear, 0, 1) / WHITE
    x, y, z = np.where(ratio > (6 / 29) ** 3, np.cbrt(ratio), ratio * (29 / 6) ** 2 / 3 + 4 / 29)
    return float(116 * y - 16), float(500 * (x - y)), float(200 * (y - z))


def difference(one: str, other: str, eye: str = "normal") -> float:
    """Return CIEDE2000 of two colours as an eye of SIMULATED sees them. Source: Sharma, Wu & Dalal 2005."""
    return ciede2000(lab(one, eye), lab(other, eye))


def ciede2000(one: tuple[float, float, float], other: tuple[float, float, float]) -> float:
    """Return CIEDE2000 of two colours in CIELAB."""
    (l1, a1, b1), (l2, a2, b2) = one, other
    mean = ((math.hypot(a1, b1) + math.hypot(a2, b2)) / 2) ** 7
    stretch = 1 + (1 - math.sqrt(mean / (mean + SPREAD))) / 2
    c1, c2 = math.hypot(a1 * stretch, b1), math.hypot(a2 * stretch, b2)
    h1, h2 = (math.degrees(math.atan2(b, a * stretch)) % 360 if a or b else 0.0 for a, b in ((a1, b1), (a2, b2)))
    turn = (h2 - h1 + 180) % 360 - 180 if c1 and c2 else 0.0
    lightness, chroma = (l1 + l2) / 2, (c1 + c2) / 2
    hue = (h1 + turn / 2) % 360 if c1 and c2 else h1 + h2
    weight = 1 - 0.17 * _cos(hue - 30) + 0.24 * _cos(2 * hue) + 0.32 * _cos(3 * hue + 6) - 0.2 * _cos(4 * hue - 63)
    from_middle = (lightness - 50) ** 2
    light = (l2 - l1) / (1 + 0.015 * from_middle / math.sqrt(20 + from_middle))
    vivid = (c2 - c1) / (1 + 0.045 * chroma)
    hued = 2 * math.sqrt(c1 * c2) * math.sin(math.radians(turn / 2)) / (1 + 0.015 * chroma * weight)
    rotation = 60 * math.exp(-(((hue - 275) / 25) ** 2))
    bend = -2 * math.sqrt(chroma**7 / (chroma**7 + SPREAD)) * math.sin(math.radians(rotation))
    return math.sqrt(light**2 + vivid**2 + hued**2 + bend * vivid * hued)


def _cos(degrees: float) -> float:
    return math.cos(math.radians(degrees))
