"""The meanings of fields: the strings that stand below them in the code."""

import ast
import inspect
import textwrap


def of_fields(kind: type) -> dict[str, str]:
    """Return the strings that stand below the fields of a class of the library and of its bases."""
    meanings: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        if base.__module__.split(".")[0] != "den":
            continue
        (definition,) = ast.parse(textwrap.dedent(inspect.getsource(base))).body
        assert isinstance(definition, ast.ClassDef)
        for field, following in zip(definition.body, definition.body[1:], strict=False):
            if isinstance(field, ast.AnnAssign) and isinstance(following, ast.Expr):
                text = ast.literal_eval(following.value)
                meanings[ast.unparse(field.target)] = " ".join(text.split()).replace("|", "\\|")
    return meanings
