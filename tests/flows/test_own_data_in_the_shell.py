"""A CSV file in the shell: from one command to a report, which outlives the file, and a search."""

import subprocess
from pathlib import Path

import pytest
from projects import ROOT, copied, den

CSV = ROOT / "docs/how-to/three_seasons.csv"
QUICK = ("--seeds", "1", "--set", "training.minimum_steps=20", "--set", "network.widths=[8,6]")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project in which `den run --data` has been typed, beside the file."""
    folder = copied(tmp_path_factory.mktemp("project"))
    file = folder.parent / CSV.name
    file.write_bytes(CSV.read_bytes())
    answer = den(folder, "run", "--data", str(file), *QUICK)
    assert answer.returncode == 0, answer.stderr
    return folder


@pytest.mark.slow
def test_one_command_goes_from_a_file_to_a_report_of_den_and_three_baselines(project: Path) -> None:
    report = (project / "reports/out/three_seasons/report.md").read_text()
    assert all(label in report for label in ("DEN", "EWC", "Single-task", "Fine-tuning"))
    changed = subprocess.run(["git", "diff", "--name-only"], cwd=project, capture_output=True, text=True, check=True)
    assert changed.stdout == "", "no file of the project is edited"
    assert (project / "data/streams/three_seasons.dvc").exists()


@pytest.mark.slow
def test_a_search_takes_the_file_itself(project: Path) -> None:
    file = str(project.parent / CSV.name)
    answer = den(project, "search", "--data", file, "--method", "finetune", "--trials", "1")
    assert answer.returncode == 0, answer.stderr
    assert list((project / "reports/studies/three_seasons/finetune").glob("*.jsonl"))


@pytest.mark.slow
def test_results_are_read_without_the_file_and_the_prepared_data(project: Path) -> None:
    (project.parent / CSV.name).rename(project.parent / "moved")
    (project / "data/streams/three_seasons").rename(project / "gone")
    try:
        for words in (("report",), ("compare",), ("results",), ("history", "--format", "csv")):
            answer = den(project, words[0], "--suite", "three_seasons", *words[1:])
            assert answer.returncode == 0, answer.stderr
            assert answer.stdout
    finally:
        (project.parent / "moved").rename(project.parent / CSV.name)
        (project / "gone").rename(project / "data/streams/three_seasons")


@pytest.mark.slow
def test_a_declared_stream_is_found_by_name_reused_and_searched(project: Path) -> None:
    params = project / "params.yaml"
    declared = f"    three_seasons: {{file: {project.parent / CSV.name}}}\n    awa: {{}}\n"
    params.write_text(params.read_text().replace("    awa: {}\n", declared, 1))
    answer = den(project, "run", "--suite", "three_seasons", *QUICK)
    assert answer.returncode == 0 and "0 of 4 cells to run" in answer.stderr, answer.stderr
    search = ("search", "--stream", "three_seasons", "--method", "finetune", "--trials", "1")
    answer = den(project, *search)
    assert answer.returncode == 0 and "trial 2" not in answer.stderr, answer.stderr
    assert len(list((project / "reports/studies/three_seasons/finetune").glob("*.jsonl"))) == 1, "the file's own study"
    answer = den(project, *search, "--write")
    assert "written to params.yaml" in answer.stdout, answer.stderr
    answer = den(project, "run", "--suite", "three_seasons", "--method", "finetune", "--show")
    assert "chosen, study" in answer.stdout, answer.stderr


@pytest.mark.slow
def test_a_file_that_is_refused_is_named_with_line_and_column(project: Path) -> None:
    broken = project.parent / "broken.csv"
    broken.write_text(CSV.read_text().replace("\n", "\n,", 1))
    answer = den(project, "run", "--data", str(broken))
    assert answer.returncode == 2
    assert answer.stderr.splitlines()[-1].startswith(f"den: {broken}, line 2")
