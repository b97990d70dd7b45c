"""Create site directories with an index, for inputs that a fuzzer makes up."""

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

import lazyplug
from lazyplug.testing import Tree, dist, plant
from tests.support.clock import hour_ahead_clock, process
from tests.support.index_format import SHARED_BLOCK_MAX

SITES: dict[str, Tree] = {
    "a": {
        **dist("foo", entry_points="[g]\na = m:f\n[h]\na = m:f\n"),
        **dist("bar"),
        # More files than that, so that the watch list has both kinds of blocks.
        **{k: v for n in range(SHARED_BLOCK_MAX) for k, v in dist(f"plain{n}").items()},
        **dist("solo", entry_points="[g]\ns = m:f\n[h]\ns = m:f\n"),
        **dist("odd", entry_points="[g]\nno equals\nb = no-module:f\n"),
    },
    "b": {
        **dist("foo", "2.0", entry_points="[g]\nshadowed = m:f\n"),
        "-1.0.dist-info": {
            "METADATA": "Name: lone\n",
            "entry_points.txt": "[h]\nc = m\n",
        },
        "caf\u00e9-1.0.dist-info": {"METADATA": "Name: caf\u00e9\nVersion: 1\n"},
    },
    "c": dist("zed", entry_points="[g]\nz = m:f\n"),
    "tree": dist("odd", entry_points="[tree]\na = m:f\n"),
}


class World:
    """Site directories with an index, and all queries that are made of them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.cache = root / "cache"
        for name, tree in SITES.items():
            plant(root / name, tree)
        self.path = [str(root / "a"), str(root / "b"), str(root / "absent")]
        with self.process():
            lazyplug.entry_points()
            (self.file,) = self.cache.glob("*.json")
            self.intact = self.file.read_bytes()
            self.truth = self.ask()

    def make_stale(self) -> None:
        """Change the stat signature of a file, so that the index is stale."""
        os.utime(self.root / "a" / "solo-1.0.dist-info" / "entry_points.txt", (1, 1))

    def process(self, *more: str) -> Any:
        return process([*more, *self.path], self.cache, hour_ahead_clock())

    def put(self, data: bytes) -> None:
        """Write these bytes into the index."""
        shutil.rmtree(self.cache)
        self.cache.mkdir(mode=0o700)
        self.file.write_bytes(data)
        self.file.chmod(0o600)

    def ask(self) -> list[Any]:
        """Make every query; nothing may be raised but NoMatches."""
        lazyplug.invalidate_caches()
        with pytest.raises(lazyplug.NoMatches):
            lazyplug.DriverManager[Any]("g", "none")
        with pytest.raises(lazyplug.NoMatches):
            lazyplug.DriverManager[Any]("none", "none")
        points = lazyplug.entry_points()
        found: list[Any] = [(p.group, p.name, p.value, p._owner) for p in points]
        found += map(str, lazyplug.problems())
        found += map(repr, lazyplug.ExtensionManager[Any]("h"))
        found += lazyplug.refresh()
        return found
