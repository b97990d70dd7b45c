"""Create environments that can be frozen, copied and moved."""

import os
import shutil
import sys
from pathlib import Path

import pytest

import lazyplug
from lazyplug import _log
from lazyplug.cli import main


class Environment:
    """An environment that can be frozen, copied and moved."""

    def __init__(self, root: Path, patch: pytest.MonkeyPatch) -> None:
        self.root = root
        self._patch = patch
        self.enter("env")

    def enter(self, name: str, *more: "Path | str") -> None:
        """Act as a process of the environment in a directory of this name."""
        self.prefix = self.root / name
        self.site = self.prefix / "lib" / "site-packages"
        self.file = self.prefix / "lazyplug.index"
        self._patch.setattr(sys, "prefix", str(self.prefix))
        self.path(*more, self.site)

    def path(self, *entries: "Path | str") -> None:
        """Act as a process with this sys.path."""
        self._patch.setattr(sys, "path", [str(entry) for entry in entries])
        lazyplug.invalidate_caches()
        _log.forget()

    def freeze(self, *options: str) -> None:
        assert main(["freeze", *options]) == 0
        lazyplug.invalidate_caches()

    def copied(self, name: str) -> None:
        """Copy it as an image would, and act as a process of the copy."""
        shutil.copytree(self.prefix, self.root / name)
        for directory, _, files in os.walk(self.root / name):
            for file in ("", *files):
                os.utime(os.path.join(directory, file), (1, 1))
        self.enter(name)
