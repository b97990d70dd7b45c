"""Generate environments of any size, with entry points in 2 of 5 distributions."""

import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.report import ROOT

LAZYPLUG = "import lazyplug; lazyplug.DriverManager('asked', 'name').driver"
METADATA = "from importlib.metadata import entry_points; entry_points(group='asked')"


def environment(directory: Path) -> tuple[Path, Path]:
    """Create an environment with lazyplug; return its python and site-packages."""
    subprocess.run(
        [sys.executable, "-m", "venv", "--without-pip", directory], check=True
    )
    (site,) = directory.glob("lib/python*/site-packages")
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "lazyplug", site / "lazyplug", ignore=ignore)
    python = directory / "bin" / "python"
    subprocess.run([python, "-m", "compileall", "-q", site], check=True)
    return python, site


def distribution(site: Path, number: int, version: str = "1.0") -> Path:
    """Write one distribution into site-packages; return its metadata directory."""
    name = f"distribution_{number}"
    directory = site / f"{name}-{version}.dist-info"
    directory.mkdir(parents=True)
    (directory / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", encoding="utf-8"
    )
    if number % 5 < 2:
        (directory / "entry_points.txt").write_text(
            f"[console_scripts]\ncommand-{number} = {name}.cli:main\n\n"
            f"[group.{number % 40}]\na = {name}:A\nb = {name}.more:B\n",
            encoding="utf-8",
        )
    return directory


def plant(site: Path, numbers: range) -> None:
    """Write distributions into site-packages, and the plugin that the cases load."""
    for number in numbers:
        distribution(site, number)
    own = site / "asked-1.0.dist-info"
    own.mkdir(parents=True)
    (own / "METADATA").write_text("Name: asked\nVersion: 1.0\n", encoding="utf-8")
    (own / "entry_points.txt").write_text("[asked]\nname = sys\n", encoding="utf-8")
