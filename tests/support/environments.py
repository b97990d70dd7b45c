"""Create environments, and run programs in them."""

import contextlib
import importlib.metadata
import importlib.util
import os
import re
import shutil
import sysconfig
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lazyplug.testing import Tree, dist, plant
from tests.support.children import python
from tests.support.fs import fs


def plant_raw(directory: Path, tree: Mapping[str, Any]) -> None:
    """Write a tree with its line ends as they are."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, content in tree.items():
        if isinstance(content, Mapping):
            plant_raw(directory / name, content)
        else:
            data = content if isinstance(content, bytes) else content.encode()
            (directory / name).write_bytes(data)


# A site directory in which much is wrong.
BROKEN: Tree = {
    "plug_bad.py": "raise OSError('broken on purpose')\n",
    **dist(
        "bad",
        entry_points="[app]\nbad = plug_bad:x\nodd = no reference\ngone = nomodule:x\n",
    ),
    **dist("again", entry_points="[app]\nbad = plug_bad:y\nno equals sign\n"),
    "nameless-1.dist-info": {
        "METADATA": "Summary: x\n",
        "entry_points.txt": "[h]\na = os\n",
    },
    "-1.dist-info": {"entry_points.txt": "[app]\nlost = os\n"},
}
# Seconds until a stat signature is no longer racy; a tenth more, for coarse ticks.
RACY_SECONDS = 2.1


def forget_settings(patch: pytest.MonkeyPatch) -> None:
    """Hide the settings of this run's Python, pip and uv from child processes."""
    for name in list(os.environ):
        if name.startswith(("PYTHON", "PIP_", "UV_")) or name == "VIRTUAL_ENV":
            patch.delenv(name)
    patch.setenv("PIP_CONFIG_FILE", os.devnull)
    patch.setenv("UV_NO_CONFIG", "1")


def requirements(*names: str) -> list[str]:
    """Return the modules of these distributions and of what they require."""
    wanted = list(names)
    for name in wanted:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            for line in importlib.metadata.requires(name) or ():
                required = re.split(r"[^\w.-]", line)[0].replace("-", "_")
                if "extra ==" not in line and required not in wanted:
                    wanted.append(required)
    return wanted


def vendor(directory: Path) -> Path:
    """Copy lazyplug, its requirements and stevedore into a directory, without metadata.

    Distributions with metadata would add rows to every answer, and the directories
    that they are installed in contain a hundred others.
    """
    wanted = requirements("importlib_metadata", "platformdirs", "orjson")
    for name in ["lazyplug", "stevedore", *wanted]:
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:
            continue  # required by other versions of Python
        if spec.submodule_search_locations:
            ignore = shutil.ignore_patterns("__pycache__")
            source = Path(spec.origin).parent
            shutil.copytree(source, directory / name, ignore=ignore)
        else:
            shutil.copy(spec.origin, directory)
    return directory


class Environment:
    """A virtual environment that can import lazyplug, where nothing is installed.

    :param directory: where it is created.
    :param engine: a directory that contains lazyplug and its requirements.
    :param options: of venv.
    """

    def __init__(self, directory: Path, engine: Path, *options: str) -> None:
        python("-m", "venv", *options, str(directory))
        base = {"base": str(directory), "platbase": str(directory)}
        self.site = Path(sysconfig.get_path("purelib", "venv", base))
        scripts = sysconfig.get_path("scripts", "venv", base)
        self.executable = os.path.join(scripts, "python")
        plant(self.site, {"engine.pth": f"{engine}\n"})

    def run(self, *arguments: str, **options: Any) -> str:
        return python(*arguments, executable=self.executable, **options).stdout


# File times in images, and a time in the 10 ms ticks of exFAT.
TIMES = {
    "1970": 0,
    "a whole second": 1_700_000_000 * 10**9,
    "10 ms": 1_700_000_000_010_000_000,
}


class Image:
    """A file system where all files have the same times and inodes, as in an image."""

    def __init__(self, time: int) -> None:
        self.time = time
        self.stat_before, self.fstat_before = fs.stat, fs.fstat

    def _seen(self, status: os.stat_result) -> Any:
        return SimpleNamespace(
            st_mode=status.st_mode,
            st_uid=status.st_uid,
            st_dev=status.st_dev,
            st_size=status.st_size,
            st_ino=7,
            st_mtime_ns=self.time,
            st_ctime_ns=self.time,
        )

    def stat(self, path: Any, dir_fd: int | None = None) -> Any:
        seen = self._seen(self.stat_before(path, dir_fd=dir_fd))
        if dir_fd is None and os.path.isdir(path):
            # As in squashfs: the size of the names in the directory.
            seen.st_size = sum(8 + len(name) for name in os.listdir(path))
        return seen

    def fstat(self, descriptor: int) -> Any:
        return self._seen(self.fstat_before(descriptor))
