"""`den site`: one static site of all accepted suites."""

from pathlib import Path

from reports.site import pages


def write_site(folder: Path) -> None:
    """Write the site, and print the path of each page. Raises SettingsError if the folder holds something else."""
    for page in pages.write(folder):
        print(page)
