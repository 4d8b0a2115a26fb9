"""What tests of the command line share: a project with a suite of two cells."""

import shutil
from pathlib import Path

import pytest
import small
import yaml

from den import suites
from den.cells import Cell


@pytest.fixture
def suite(here: Path, blobs_folder: Path) -> tuple[Cell, ...]:
    """Return the two cells of a suite, in a project with its stream prepared and nothing run."""
    suite = {"streams": ["blobs"], "methods": ["finetune", "l2_strong"], "seeds": [0]}
    settings = {
        "data": {"seeds": 2},
        "suites": {"tiny": suite},
        "training": small.TRAINING.model_dump(mode="json"),
        "network": small.NETWORK.model_dump(mode="json"),
        "streams": {"blobs": small.SIZES},
        "variants": {"l2_strong": {"method": "l2", "set": {"strength": 9.0}}},
    }
    (here / "params.yaml").write_text(yaml.safe_dump(settings))
    shutil.copytree(blobs_folder, here / "data/streams")
    return suites.load().cells("tiny")
