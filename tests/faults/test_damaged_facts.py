"""What was learned is damaged in every way: said is what is true, and it is mended.

stevedore learns nothing of its plugins, so that nothing stands beside it.
"""

import json
import logging
import os
import stat
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import lazyplug
from lazyplug import _environment
from lazyplug._index import TITLE_LENGTH, digest, stamp, title
from lazyplug._static import facts as facts_module
from lazyplug.cli.verifying import damages
from lazyplug.testing import Tree, dist, plant
from tests.support.clock import Ticking, after_last_change, rewrite
from tests.support.damage import (
    BYTES,
    PARTS,
    THINGS,
    beyond,
    compact,
    descriptors,
    difference,
    fewer,
    picked,
)
from tests.support.fixtures import Count, SetPath
from tests.support.heads import NO_JSON
from tests.support.learned import end
from tests.support.users import posix

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


class Learned:
    """The engine with plugins of which something was learned."""

    def __init__(self, folder: Path, cache: Path, only: SetPath) -> None:
        site = folder / "site"
        for number in range(6):
            plant(site, plugin(number))
        # What was learned of another sys.path, and of what was there before.
        others = []
        for entries in ([site, folder], [site]):
            only(*entries)
            self.look()
            (file,) = cache.glob("*.facts")
            others.append(file.read_bytes())
            for file in cache.iterdir():
                file.unlink()
        rewrite(site / "plug_0" / "impl.py", "class Plugin:\n  'It changed.'\n")
        after_last_change(folder / "probe")
        self.others = others
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("LAZYPLUG_CACHE", "off")
            self.truth = self.look()
        assert self.look() == self.truth
        (self.file,) = cache.glob("*.facts")
        self.sound = self.file.read_bytes()
        assert damages(str(self.file)) == []
        _, _, front, rest = facts_module.opened(
            lambda at, size: self.sound[at : at + size]
        )
        start = len(self.sound) - len(rest)
        self.parts = [slice(start)]
        for line in front.splitlines()[1:]:
            _, _, offset, size, _ = json.loads(line)
            self.parts.append(slice(start + offset, start + offset + size))

    def look(self) -> tuple[Any, ...]:
        """Ask a new process for all summaries, and let it end."""
        _environment.invalidate_caches()
        said = tuple(
            (group, extension.name, extension.summary)
            for group in GROUPS
            for extension in lazyplug.ExtensionManager[Any](group)
        )
        end()
        return said

    def harm(self, data: bytes, seen: bool = True) -> list[str]:
        """Let the file be these bytes, look twice, and return what went wrong.

        It should be seen by a look at all parts, and mended by the first look. What
        stands between the parts, or behind them, is never read: it harms nobody, and
        goes when the file is written again.
        """
        mended = any(data[part] != self.sound[part] for part in self.parts)
        self.file.write_bytes(data)
        faults = []
        if bool(damages(str(self.file))) != seen:
            faults.append("not seen" if seen else "seen")
        faults.append(difference(self.look(), self.truth))
        if self.file.read_bytes() != (self.sound if mended else data):
            faults.append("not mended" if mended else "written")
        before = stamp(self.file.stat())
        faults.append(difference(self.look(), self.truth))
        if stamp(self.file.stat()) != before:
            faults.append("written again")
        return [fault for fault in faults if fault]


@pytest.fixture
def learned(
    settled: Ticking,
    tmp_path: Path,
    isolated: Path,
    only: SetPath,
    caplog: pytest.LogCaptureFixture,
) -> Iterator[Learned]:
    """Return plugins of which all was learned; nothing is logged, all is closed."""
    facts_module._unwritten.clear()
    found = Learned(tmp_path / "environment", isolated, only)
    before = descriptors()
    yield found
    facts_module._unwritten.clear()
    assert [r for r in caplog.records if r.levelno >= logging.WARNING] == []
    assert descriptors() == before
    assert len(os.listdir(isolated)) == 2


def test_what_is_damaged_below_was_learned_and_is_believed(learned: Learned) -> None:
    assert ("g", "p0", "It changed.") in learned.truth
    assert ("h", "p1", "The caf\u00e9 1.") in learned.truth
    assert len(learned.truth) == 6
    start = learned.sound.index(b'["summary","g"]\n')
    part = learned.sound[start : learned.sound.index(b'\n["summary","h"]\n', start)]
    evil = part.replace(b"It changed.", b"It is evil.")
    data = learned.sound.replace(part, evil)
    learned.file.write_bytes(data)
    assert learned.look() == learned.truth  # its checksum is that of the other
    front = data[TITLE_LENGTH:start].replace(
        digest(part).encode(), digest(evil).encode()
    )
    learned.file.write_bytes(title(front) + front + data[start:])
    assert ("g", "p0", "It is evil.") in learned.look()


@pytest.mark.parametrize("fault", BYTES)
@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.timeout(1800)
def test_damage_to_the_bytes_changes_no_answer_and_is_mended(
    fault: str, part: int, learned: Learned, long: bool, tally: Count
) -> None:
    picks = picked(part, long, SAMPLE)
    what = fault.replace("an older or another index", "older or other learned facts")
    with tally(what.replace("the index", "the learned facts")) as count:
        for label, data in BYTES[fault](learned.sound, learned.others, picks):
            if data != learned.sound:
                # What was learned before is sound, but no longer true.
                seen = data != learned.others[1]
                count.hold(partial(learned.harm, data, seen), [], label)


def headed(data: bytes, head: bytes) -> bytes:
    """Return a file with another head, its checksum right."""
    length = int(data[TITLE_LENGTH - 12 : TITLE_LENGTH - 2])
    front = data[TITLE_LENGTH : TITLE_LENGTH + length]
    changed = head + front[front.index(b"\n") :]
    return title(changed) + changed + data[TITLE_LENGTH + length :]


@pytest.mark.timeout(1800)
def test_a_head_beyond_what_python_decodes_changes_no_answer(
    learned: Learned, long: bool, tally: Count
) -> None:
    def said(head: bytes) -> list[str]:
        learned.file.write_bytes(headed(learned.sound, head))
        faults = [] if damages(str(learned.file)) else ["not seen"]
        faults += [difference(learned.look(), learned.truth) for _ in range(2)]
        return [fault for fault in faults if fault]

    head = json.loads(learned.sound[TITLE_LENGTH:].partition(b"\n")[0])
    with tally(
        "nesting and numbers beyond Python's limits in the learned facts"
    ) as count:
        for label, text in [*beyond(head, compact)][:: 1 if long else 5]:
            count.hold(partial(said, text), [], label)
        for label, text in NO_JSON.items():
            count.hold(partial(said, text), [], label)


@posix
@pytest.mark.parametrize("make", THINGS, ids=lambda make: make.__name__)
def test_what_is_not_the_file_in_its_place_changes_no_answer_and_is_replaced(
    make: Callable[[Path], None], learned: Learned, tally: Count
) -> None:
    aside = learned.file.parent.parent / "aside"

    def harm() -> list[str]:
        learned.file.rename(aside)
        make(learned.file)
        faults = [] if damages(str(learned.file)) else ["not seen"]
        faults += [difference(learned.look(), learned.truth) for _ in range(2)]
        # A folder is not ours to remove.
        if not learned.file.is_dir() or learned.file.is_symlink():
            if learned.file.is_symlink() or learned.file.read_bytes() != learned.sound:
                faults.append("not mended")
            elif stat.S_IMODE(learned.file.stat().st_mode) != 0o600:
                faults.append("not private")
        if aside.read_bytes() != learned.sound:
            faults.append("followed")
        return [fault for fault in faults if fault]

    with tally("something else in place of the learned facts") as count:
        count.hold(harm, [], make.__name__)


def test_what_was_learned_is_read_only_from_parts_that_are_asked_for(
    learned: Learned, long: bool, tally: Count
) -> None:
    start = learned.sound.rindex(b'["summary","h"]\n')

    def harm(at: int) -> list[str]:
        byte = bytes([learned.sound[at] ^ 1])
        damaged = learned.sound[:at] + byte + learned.sound[at + 1 :]
        learned.file.write_bytes(damaged)
        _environment.invalidate_caches()
        manager = lazyplug.ExtensionManager[Any]("g")
        found = tuple(("g", each.name, each.summary) for each in manager)
        end()
        faults = [difference(found, tuple(r for r in learned.truth if r[0] == "g"))]
        if learned.file.read_bytes() != damaged:
            faults.append("written")
        faults.append(difference(learned.look(), learned.truth))
        if learned.file.read_bytes() != learned.sound:
            faults.append("not mended")
        return [fault for fault in faults if fault]

    picks = fewer(picked(0, long, SAMPLE))
    length = learned.sound.index(b'["summary","summary"]\n', start) - 1 - start
    with tally("a part of the learned facts damaged that is not asked for") as count:
        for at in range(start, start + length)[picks]:
            count.hold(partial(harm, at), [], str(at))
