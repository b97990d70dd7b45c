"""Generated environments: as many distributions as asked, entry points in 2 of 5."""

from pathlib import Path


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


def plant(site: Path, count: int) -> Path:
    """Write a site folder of `count` distributions, and one plugin to ask for."""
    for number in range(count):
        distribution(site, number)
    own = site / "asked-1.0.dist-info"
    own.mkdir(parents=True)
    (own / "METADATA").write_text("Name: asked\nVersion: 1.0\n", encoding="utf-8")
    (own / "entry_points.txt").write_text("[asked]\nname = sys\n", encoding="utf-8")
    return site
