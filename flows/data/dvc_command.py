"""Starts DVC, the one of this environment, as a process of its own."""

import os
import subprocess
import sys
from pathlib import Path


def succeeds(*words: str) -> bool:
    """Run a command of DVC; return whether it succeeded. It waits if another command of DVC works in the project.

    All that it prints goes to standard error.
    """
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    command = [sys.executable, "-m", "dvc", "--wait-for-lock", *words]
    return not subprocess.run(command, env=os.environ | {"PATH": path}, stdout=sys.stderr, check=False).returncode
