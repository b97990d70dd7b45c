"""Create plugins about which facts are learned, and end processes that learn them."""

import json
import sys
from pathlib import Path
from typing import Any

import lazyplug
from lazyplug._static import learned, learning
from lazyplug.testing import Tree, dist, plant
from tests.support.clock import after_last_change, rewrite
from tests.support.damage import FACTS, Damaged
from tests.support.fixtures import SetPath


def unwritten() -> dict[str, Any]:
    """Return the facts that are not written yet, by file, in a dict to be changed."""
    return learned.unwritten


def forget_facts() -> None:
    """Forget the facts that this process has read."""
    learned._latest = None


def end() -> None:
    """Do what the end of a process does, and let a new one begin."""
    learning.write_all()
    forget_facts()
    lazyplug.invalidate_caches()


# A default run damages one of this many bytes.
SAMPLE = 29
GROUPS = ["g", "h", "summary"]


def imported() -> set[str]:
    """Return the names of the modules of plugins that are imported."""
    return {name for name in sys.modules if name.startswith("plug_")}


def forget_plugins() -> None:
    """Act as a process that has neither imported nor queried plugins."""
    learning.write_all()
    for name in imported():
        del sys.modules[name]
    lazyplug.invalidate_caches()


def plugin(number: int) -> Tree:
    """Return a plugin whose summary may be in its own file, or behind a re-export."""
    group, name = GROUPS[number % 3], f"plug_{number}"
    return {
        name: {
            "__init__.py": f"from .impl import Plugin as {name}\n",
            "impl.py": f"class Plugin:\n  'The caf\u00e9 {number}.'\n",
        },
        **dist(name, entry_points=f"[{group}]\np{number} = {name}:{name}\n"),
    }


class Learned(Damaged):
    """The learned facts of an environment with six plugins."""

    what, sample = FACTS, SAMPLE

    def __init__(self, directory: Path, cache: Path, set_path: SetPath) -> None:
        site = directory / "site"
        for number in range(6):
            plant(site, plugin(number))
        # Facts for another sys.path, and for the plugins before a change.
        others = []
        for entries in ([site, directory], [site]):
            set_path(*entries)
            self.query()
            (file,) = cache.glob("*.facts")
            others.append(file.read_bytes())
            for file in cache.iterdir():
                file.unlink()
        rewrite(site / "plug_0" / "impl.py", "class Plugin:\n  'It changed.'\n")
        after_last_change(directory / "probe")
        self.others = others
        self.prepare(cache, ".facts")
        _, header, rest = learned.read_head(
            lambda at, size: self.intact[at : at + size]
        )
        start = len(self.intact) - len(rest)
        self.read = [slice(start)]
        for line in learned.parts_in(header):
            _, _, offset, size, _ = json.loads(line)
            first = start + int(offset)
            self.read.append(slice(first, first + int(size)))

    def query(self) -> tuple[Any, ...]:
        """Return all summaries, as a new process that then ends."""
        lazyplug.invalidate_caches()
        found = tuple(
            (group, extension.name, extension.summary)
            for group in GROUPS
            for extension in lazyplug.ExtensionManager[Any](group)
        )
        end()
        return found
