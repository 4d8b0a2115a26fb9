"""An environment with the wheel and what it requires, and nothing else of what is installed here.

The requirements are links to this environment's packages, so that nothing is downloaded.
"""

import subprocess
import sys
import sysconfig
from collections.abc import Iterable
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


def requirements(lines: Iterable[str]) -> set[str]:
    """Return the names of all packages that these requirements pull in on this machine, without any extra."""
    pulled: set[tuple[str, frozenset[str]]] = set()  # names with the extras that are asked of them
    waiting = [(line, frozenset({""})) for line in lines]
    while waiting:
        line, extras = waiting.pop()
        requirement = Requirement(line)
        marker = requirement.marker
        if marker and not any(marker.evaluate({"extra": extra}) for extra in extras):
            continue
        package = canonicalize_name(requirement.name), frozenset({"", *requirement.extras})
        if package not in pulled:
            pulled.add(package)
            waiting += [(inner, package[1]) for inner in distribution(package[0]).requires or ()]
    return {name for name, _ in pulled}


def environment(folder: Path, wheel: Path, requires: Iterable[str]) -> Path:
    """Make a virtual environment with a wheel and these requirements; return the folder of its commands."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    packages = Path(sysconfig.get_path("purelib", "venv", {"base": str(folder), "platbase": str(folder)}))
    for name in requirements(requires):
        files = distribution(name).files or ()
        for top in {file.parts[0] for file in files} - {"..", "__pycache__"}:
            if not (packages / top).exists():
                (packages / top).symlink_to(Path(str(distribution(name).locate_file(top))))
    python = folder / "bin/python"
    install = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-index", wheel]
    subprocess.run(install, check=True)
    return folder / "bin"
