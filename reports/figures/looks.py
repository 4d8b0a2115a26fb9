"""How a method looks in every figure: colour, marker and line style, always the same for a name.

The colours of any two methods that are drawn together differ by 10 or more in CIEDE2000, also for readers without red
or green cones, and have a contrast of 3:1 or more against the light and the dark page. tests/reports/test_looks.py
measures both.
"""

from typing import Any
from zlib import crc32

from reports import labels

INK, FAINT, GRID = "#22262b", "#6b7280", "#e4e6ea"

Stroke = str | tuple[int, tuple[float, ...]]
"A line style of matplotlib."

SOLID: Stroke = "-"
DOTTED: Stroke = (0, (1, 1.4))
DASHED: Stroke = (0, (3.5, 1.5))
LONG: Stroke = (0, (8, 2))
DASH_DOT: Stroke = (0, (6, 1.6, 1, 1.6))
DASH_DOT_DOT: Stroke = (0, (3.5, 1.4, 1, 1.4, 1, 1.4))

LOOKS: dict[str, tuple[str, str, Stroke]] = {
    "finetune": ("#7896b4", "X", DOTTED),
    "l2": ("#b43c69", "v", DASHED),
    "l2_published": ("#ff3c69", "<", DASHED),
    "l2_published_permuted": ("#ff2d69", ">", DASHED),
    "ewc": ("#2d69f0", "^", DASH_DOT),
    "ewc_published": ("#1e96ff", "d", DASH_DOT),
    "ewc_published_permuted": ("#1e96f0", "8", DASH_DOT),
    "progressive": ("#78784b", "p", LONG),
    "progressive_small": ("#879696", "p", LONG),
    "dnn_l1": ("#3c5ad2", "d", DASH_DOT),
    "dnn_selective": ("#3c9687", "<", LONG),
    "den_constant": ("#8769c3", "P", DASHED),
    "den_constant_13": ("#696996", "p", DASHED),
    "den_constant_20": ("#8778d2", "*", DASH_DOT),
    "den_dynamic": ("#78960f", ">", LONG),
    "den_no_stamp": ("#c35a5a", "H", DOTTED),
    "den": ("#a54b0f", "o", SOLID),
    "den_euclidean": ("#c3781e", "X", DASH_DOT),
    "den_plus": ("#c30f5a", "P", LONG),
    "den_official": ("#2d6996", "D", DASH_DOT_DOT),
    "den_finetune": ("#c3870f", "h", DOTTED),
    "single_task": ("#00a578", "s", DASH_DOT_DOT),
    "joint": ("#5a7887", "D", SOLID),
}
PUBLISHED_ONLY = (FAINT, "p")
"Colour and marker of all methods of published numbers that do not run here."
SPARE = [(color, marker) for marker in "<>*p" for color in ("#8b6fc4", "#a3922f", "#3f9c9c", "#c4605f", "#7a8f3c")]
"Colours and markers of methods that have none of their own."
STROKES = (DASHED, DASH_DOT, LONG, DASH_DOT_DOT, DOTTED)
"Line styles of methods that have none of their own."


def look(method: str) -> dict[str, Any]:
    """Return a method's colour, marker and label; a method not run here is grey."""
    spare = PUBLISHED_ONLY if method in labels.PUBLISHED_ONLY else SPARE[crc32(method.encode()) % len(SPARE)]
    color, marker = LOOKS[method][:2] if method in LOOKS else spare
    above = 3 if method == "den" else 2
    return {
        "color": color,
        "marker": marker,
        "label": labels.method(method),
        "zorder": above,
        "markeredgecolor": "none",
    }


def stroke(method: str) -> Stroke:
    """Return the line style of a method's curves."""
    return LOOKS[method][2] if method in LOOKS else STROKES[crc32(method.encode()) % len(STROKES)]
