"""Plant plugins of which facts are learned, and end processes that learned them."""

import json
from pathlib import Path
from typing import Any

import lazyplug
from lazyplug._static import facts as facts_module
from lazyplug.testing import Tree, dist, plant
from tests.support.clock import after_last_change, rewrite
from tests.support.damage import FACTS, Damaged
from tests.support.fixtures import SetPath


def unwritten() -> dict[str, Any]:
    """Return what was learned and is not on disk yet, by file; it may be changed."""
    return facts_module._unwritten


def forget_facts() -> None:
    """Forget the facts that were read last."""
    facts_module._latest = None


def end() -> None:
    """End a process, and begin another."""
    facts_module.write()
    forget_facts()
    lazyplug.invalidate_caches()


# Of so many bytes a default run tries one.
SAMPLE = 29
GROUPS = ["g", "h", "summary"]


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
    """The engine with plugins of which something was learned."""

    what, sample = FACTS, SAMPLE

    def __init__(self, directory: Path, cache: Path, only: SetPath) -> None:
        site = directory / "site"
        for number in range(6):
            plant(site, plugin(number))
        # What was learned of another sys.path, and of what was there before.
        others = []
        for entries in ([site, directory], [site]):
            only(*entries)
            self.look()
            (file,) = cache.glob("*.facts")
            others.append(file.read_bytes())
            for file in cache.iterdir():
                file.unlink()
        rewrite(site / "plug_0" / "impl.py", "class Plugin:\n  'It changed.'\n")
        after_last_change(directory / "probe")
        self.others = others
        self.settle(cache, ".facts")
        _, _, header, rest = facts_module.read_facts(
            lambda at, size: self.sound[at : at + size]
        )
        start = len(self.sound) - len(rest)
        self.read = [slice(start)]
        for line in header.splitlines()[1:]:
            _, _, offset, size, _ = json.loads(line)
            self.read.append(slice(start + offset, start + offset + size))

    def look(self) -> tuple[Any, ...]:
        """Ask a new process for all summaries, and let it end."""
        lazyplug.invalidate_caches()
        said = tuple(
            (group, extension.name, extension.summary)
            for group in GROUPS
            for extension in lazyplug.ExtensionManager[Any](group)
        )
        end()
        return said
