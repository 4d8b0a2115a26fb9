"""The command `den` of an installation: the command line, or what is missing for it."""

import sys
from importlib.util import find_spec

NEEDED = ("click", "rich", "prefect", "dvc", "mlflow")
MISSING = 'den: the command line needs more packages than the library; pip install "den-bench[pipeline]" installs them'


def main() -> None:
    """Run the command line. Exits with 2 and one line if the packages of the extra `pipeline` are missing."""
    if not all(find_spec(name) for name in NEEDED):
        print(MISSING, file=sys.stderr)
        sys.exit(2)
    from flows import cli  # it imports click

    cli.main()
