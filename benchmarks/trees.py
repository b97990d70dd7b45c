"""Generated environments: as many distributions as asked, entry points in 2 of 5."""

import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.report import ROOT

LAZYPLUG = "import lazyplug; lazyplug.DriverManager('asked', 'name').driver"
METADATA = "from importlib.metadata import entry_points; entry_points(group='asked')"


def environment(folder: Path) -> tuple[Path, Path]:
    """Make an environment that has lazyplug; return its python and site folder."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    (site,) = folder.glob("lib/python*/site-packages")
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "lazyplug", site / "lazyplug", ignore=ignore)
    python = folder / "bin" / "python"
    subprocess.run([python, "-m", "compileall", "-q", site], check=True)
    return python, site


def distribution(site: Path, number: int, version: str = "1.0") -> Path:
    """Write one distribution into a site folder; return its metadata folder."""
    name = f"distribution_{number}"
    folder = site / f"{name}-{version}.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", encoding="utf-8"
    )
    if number % 5 < 2:
        (folder / "entry_points.txt").write_text(
            f"[console_scripts]\ncommand-{number} = {name}.cli:main\n\n"
            f"[group.{number % 40}]\na = {name}:A\nb = {name}.more:B\n",
            encoding="utf-8",
        )
    return folder


def plant(site: Path, numbers: range) -> None:
    """Write distributions into a site folder, and one plugin to ask for."""
    for number in numbers:
        distribution(site, number)
    own = site / "asked-1.0.dist-info"
    own.mkdir(parents=True)
    (own / "METADATA").write_text("Name: asked\nVersion: 1.0\n", encoding="utf-8")
    (own / "entry_points.txt").write_text("[asked]\nname = sys\n", encoding="utf-8")
