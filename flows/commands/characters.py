"""Characters that a terminal without Unicode cannot print: similar ones of ASCII take their place."""

import codecs
import sys

HANDLER = "den-similar"
SIMILAR = str.maketrans(
    {"−": "-", "–": "-", "—": "-", "─": "-", "━": "-", "·": "-", "±": "+-", "×": "x", "’": "'", "…": "...", "→": "->"}
    | {"“": '"', "”": '"', "Δ": "d", "µ": "u", "σ": "s", "τ": "t", "≥": ">=", "≤": "<="}
)


def make_printable() -> None:
    """Let standard output and error print every character, if need be as a similar one."""
    codecs.register_error(HANDLER, _similar)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors=HANDLER)


def _similar(error: UnicodeError) -> tuple[str, int]:
    """Return what takes the place of characters that cannot be encoded, and where to go on."""
    assert isinstance(error, UnicodeEncodeError), error
    text = error.object[error.start : error.end].translate(SIMILAR)
    return "".join(character if character.isascii() else "?" for character in text), error.end
