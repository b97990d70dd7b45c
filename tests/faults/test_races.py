"""Processes look, write and install at once, and are killed: no answer is wrong.

What stevedore's cache makes of the same is counted beside it. Temporary files of
writers that were killed are removed by ours; those of stevedore stay for ever.
"""

import contextlib
import json
import mmap
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import importlib_metadata
import pytest
from stevedore._cache import Cache

import lazyplug
from lazyplug import _environment
from lazyplug._indexing import storage
from lazyplug._indexing import update as update_module
from lazyplug._indexing.metadata import normalize
from lazyplug.cli.verifying import damages
from lazyplug.testing import Tree, dist, plant
from tests.support.apart import (
    ANSWER,
    CRASH,
    HANG,
    LIBRARY,
    ROOT,
    Outcome,
    Seen,
    apart,
    count_outcome,
    count_seen,
    fingerprint,
)
from tests.support.calls import TICK, Calls
from tests.support.clock import Ticking
from tests.support.fixtures import Count, PlantSite, SetPath
from tests.support.owners import owner_of
from tests.support.seam import fs
from tests.support.tally import LIMIT, OURS, RIVAL

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="forks processes"),
    pytest.mark.timeout(1200),
]

# group, name, value, key of the distribution (the rival does not tell it)
Row = tuple[str, str, str, str]
POINTS = "".join(f"[g{n}]\nx = m:f\n" for n in range(8))
SITES: Tree = {
    "one": {
        **{
            k: v
            for n in range(40)
            for k, v in dist(f"a{n}", entry_points=POINTS).items()
        },
        **{k: v for n in range(40) for k, v in dist(f"plain{n}").items()},
    },
    "two": {
        **dist("a1", "2.0", entry_points="[g1]\nshadowed = m:f\n"),
        **dist(
            "b", entry_points="[g1]\nb = m:f\n[only]\nb = m:f\nodd = no reference\n"
        ),
    },
}


def look() -> list[Row]:
    """Look as a new process does; return all entry points."""
    lazyplug.invalidate_caches()
    return sorted(
        (point.group, point.name, point.value, owner_of(point)[0])
        for point in lazyplug.entry_points()
    )


def look_of_rival(directory: str) -> list[Row]:
    """Look as a new process does that uses stevedore."""
    groups = Cache(directory)._get_data_for_path(None)["groups"]
    return sorted(
        (group, name, value, "")
        for group, points in groups.items()
        for name, value, _ in points
    )


def asked(subject: str) -> Callable[[], list[Row]]:
    """Return how a subject looks, in the cache folder of this test."""
    if subject == OURS:
        return look
    directory = str(get_cache_directory(subject))
    return lambda: look_of_rival(directory)


def get_cache_directory(subject: str) -> Path:
    return Path(os.environ["LAZYPLUG_CACHE_DIR"] + "-of-rival" * (subject == RIVAL))


def truth(subject: str) -> list[Row]:
    """Return the truth as far as a subject tells it."""
    importlib_metadata.MetadataPathFinder.invalidate_caches()
    return sorted(
        (
            point.group,
            point.name,
            point.value,
            normalize(point.dist.name) if subject == OURS else "",
        )
        for point in importlib_metadata.entry_points()
    )


def unsound(directory: Path) -> list[str]:
    """Say what in the indexes in a cache folder of ours is damaged."""
    return [
        f"{file.name}: {what}"
        for file in directory.glob("*.json")
        for what in damages(str(file))
    ]


def temporaries(directory: Path) -> set[str]:
    """Return the names of the temporary files in a cache folder."""
    return {file.name for file in directory.glob("*.tmp")}


subjects = pytest.mark.parametrize("subject", [OURS, RIVAL])


# --------------------------------------------------------------------- many at once

# Whose start is over waits for the others.
AT_ONCE = f"""
import json, sys
print("ready", flush=True)
sys.stdin.read()
sys.path[:0] = [{ROOT!r}]
import %s
sys.path[:] = json.loads(sys.argv[1])
%s
print(json.dumps(sorted(found)))
"""
LOOK = """
found = [
    (point.group, point.name, point.value, point._owner[0])
    for point in lazyplug.entry_points()
]
"""
LOOK_OF_RIVAL = """
cache = stevedore._cache.Cache(os.environ["LAZYPLUG_CACHE_DIR"] + "-of-rival")
groups = cache._get_data_for_path(None)["groups"]
found = [(name, *point[:2], "") for name, points in groups.items() for point in points]
"""
PROGRAMS = {
    OURS: AT_ONCE % ("lazyplug", LOOK),
    RIVAL: AT_ONCE % ("os, stevedore._cache", LOOK_OF_RIVAL),
}


def at_once(program: str, paths: list[list[str]]) -> list[Outcome]:
    """Run a program for each `sys.path`, all at the same moment."""
    started = [
        subprocess.Popen(
            [sys.executable, "-c", program, json.dumps(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for path in paths
    ]
    for process in started:
        assert process.stdout
        process.stdout.readline()
    for process in started:
        assert process.stdin
        process.stdin.close()
        process.stdin = None
    return [_outcome(process) for process in started]


def _outcome(process: "subprocess.Popen[bytes]") -> Outcome:
    try:
        out, err = process.communicate(timeout=LIMIT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return HANG, ""
    if process.returncode or err:
        return CRASH, err.decode()
    return ANSWER, [tuple(row) for row in json.loads(out)]


@subjects
@pytest.mark.parametrize("kinds", [1, 4], ids=["one path", "four paths"])
def test_many_that_start_at_once_answer_right_and_leave_sound_indexes(
    subject: str,
    kinds: int,
    tmp_path: Path,
    only: SetPath,
    long: bool,
    tally: Count,
) -> None:
    site = plant(tmp_path / "site", SITES)
    one, two = str(site / "one"), str(site / "two")
    orders = [[one, two], [two, one], [one], [two]][:kinds]
    orders = [[*order, *LIBRARY] for order in orders]
    many = 32 if long or subject == OURS else 4
    directory = get_cache_directory(subject)
    with tally("32 processes start at once", subject) as count:
        for number in range(10 if long else 1):
            shutil.rmtree(directory, ignore_errors=True)
            new = plant(tmp_path / "new", dist("new", str(number), "[g1]\nnew = m\n"))
            installed = site / "two" / f"new-{number}.dist-info"
            for what in ("cold", "changed"):
                if what == "changed":
                    (new / installed.name).rename(installed)
                truths = []
                for order in orders:
                    only(*order)
                    truths.append(truth(subject))
                found = at_once(PROGRAMS[subject], orders * (many // kinds))
                for outcome, right in zip(found, truths * many):
                    count_outcome(count, outcome, right, f"{what} {number}")
                left = sorted(os.listdir(directory))
                if subject == OURS:
                    count.compare(unsound(directory), [], what)
                    count.compare(
                        [Path(name).suffix for name in left], [".json"] * kinds
                    )
            shutil.rmtree(installed)


# --------------------------------------------------------------- constant rewriting


def remove(file: Path, _: random.Random) -> None:
    file.unlink()


def cut(file: Path, some: random.Random) -> None:
    os.truncate(file, some.randrange(file.stat().st_size))


def flip(file: Path, some: random.Random) -> None:
    at = some.randrange(file.stat().st_size)
    with open(file, "r+b") as opened:
        opened.seek(at)
        old = opened.read(1)[0]
        opened.seek(at)
        opened.write(bytes([old ^ 1 << some.randrange(8)]))


def open_to_others(file: Path, _: random.Random) -> None:
    file.chmod(0o666)


def swap(file: Path, _: random.Random) -> None:
    """Put the same in its place, or what was there before."""
    kept = file.parent.parent / f"kept-{file.name}"
    if not kept.exists():
        shutil.copy(file, kept)
    else:
        new = file.with_suffix(".new")
        shutil.copy(kept, new)
        kept.unlink()
        new.replace(file)


def remove_all(file: Path, _: random.Random) -> None:
    # Others may write into it meanwhile.
    shutil.rmtree(file.parent, ignore_errors=True)


# What may happen to an index; to that of the rival no damage that it cannot see.
HARM = [remove, cut, swap, remove_all]
HARM_TO_OURS = [*HARM, flip, open_to_others]


def rewriting(root: str, subject: str, seed: int, seconds: float) -> Any:
    """Let one process have the index written all the time, and others read it."""
    site = plant(Path(root), SITES)
    sys.path[:] = [str(site / "one"), str(site / "two"), *LIBRARY]
    ask = asked(subject)
    right = truth(subject)
    problems = lazyplug.problems()
    directory = get_cache_directory(subject)
    until = time.monotonic() + seconds

    def write() -> Any:
        some = random.Random(seed)  # noqa: S311
        seen = Seen()
        touched = site / "one" / "a7-1.0.dist-info" / "entry_points.txt"
        while time.monotonic() < until:
            os.utime(touched)
            seen.look(ask, right.__eq__)
            for file in [*directory.glob("*.json"), *directory.glob("?" * 64)]:
                # One of an earlier seed may have gone with the folder.
                with contextlib.suppress(FileNotFoundError):
                    some.choice(HARM_TO_OURS if subject == OURS else HARM)(file, some)
                seen.look(ask, right.__eq__)
        return seen.told()

    def read() -> Any:
        seen = Seen()
        while time.monotonic() < until:
            seen.look(ask, right.__eq__)
            if subject == OURS:
                # What was seen before is remembered: parts that were not read yet
                # are looked for in a file that is another by now.
                seen.look(lazyplug.problems, problems.__eq__)
                lazyplug.invalidate_caches()
                for group in ("only", "g1", "none"):
                    wanted = [row for row in right if row[0] == group]
                    seen.look(partial(rows, group), wanted.__eq__)
        return seen.told()

    return fingerprint([write, *[read] * 4], seconds + LIMIT)


def rows(group: str) -> list[Row]:
    """Return the entry points of a group."""
    return sorted(
        (group, point.name, point.value, owner_of(point)[0])
        for point in lazyplug.entry_points(group=group)
    )


@subjects
def test_readers_of_an_index_that_is_constantly_rewritten_answer_right(
    subject: str, tmp_path: Path, long: bool, tally: Count
) -> None:
    with tally("an index is read while it is rewritten all the time", subject) as count:
        for seed in range(6 if long else 1):
            root = tmp_path / str(seed)
            found = apart(rewriting, str(root), subject, seed, 10 if long else 0.7)
            for outcome in found:
                count_seen(count, outcome, "the truth", f"seed {seed}")


# ----------------------------------------------------- installs and removals meanwhile


MEANWHILE = "distributions are installed and removed meanwhile"


class Installs:
    """Renames that install, remove and edit distributions, and the truth behind each.

    A rename is one step: there is nothing between before and after it.

    :param edits: shall distributions be edited, each being in one folder only?
    """

    def __init__(self, root: Path, number: int, seed: int, edits: bool) -> None:
        self.sites = [root / "one", root / "two"]
        for directory in (*self.sites, root / "new", root / "old"):
            directory.mkdir(parents=True)
        some = random.Random(seed)  # noqa: S311
        # of each folder and key: the metadata folder, and which points it declares
        there: dict[tuple[int, str], tuple[str, int]] = {}
        self.steps: list[tuple[Path, Path]] = []
        self.truth: list[list[Row]] = [[]]
        for step in range(1, number + 1):
            at, key = some.randrange(2), some.choice("abcdefgh")
            key += str(at) * edits
            file, _ = there.get((at, key), ("", 0))
            site = self.sites[at]
            # One of five declares nothing, and may hide another.
            declared = step if step % 5 else 0
            if not file:
                file = f"{key}-{step}.dist-info"
                points = self.points(key, declared) if declared else None
                plant(root / "new", dist(key, str(step), points))
                self.steps.append((root / "new" / file, site / file))
                there[at, key] = file, declared
            elif edits and declared and some.random() < 0.5:
                plant(root / "new", {f"{step}.txt": self.points(key, step)})
                target = site / file / "entry_points.txt"
                self.steps.append((root / "new" / f"{step}.txt", target))
                there[at, key] = file, step
            else:
                self.steps.append((site / file, root / "old" / file))
                del there[at, key]
            won = {key: n for (_, key), (_, n) in sorted(there.items(), reverse=True)}
            found = [row for key, n in won.items() for row in self.rows(key, n)]
            self.truth.append(sorted(found))

    @staticmethod
    def points(key: str, n: int) -> str:
        return f"[g]\n{key} = m:f{n}\n" + f"[h]\n{key} = m:h{n}\n" * (n % 2)

    @staticmethod
    def rows(key: str, n: int) -> list[Row]:
        both = [("g", key, f"m:f{n}", key), ("h", key, f"m:h{n}", key)]
        return both[: (1 + n % 2) * bool(n)]


class Shared:
    """What forked processes share: which step began, and which is over."""

    def __init__(self) -> None:
        self.stat_hashes = memoryview(mmap.mmap(-1, 16)).cast("q")

    def begin(self, step: int) -> None:
        self.stat_hashes[0] = step

    def end(self, step: int) -> None:
        self.stat_hashes[1] = step

    @property
    def latest(self) -> int:
        """The last step of which anything may be seen."""
        return self.stat_hashes[0]

    @property
    def sure(self) -> int:
        """The last step of which all must be seen."""
        return self.stat_hashes[1]


def installs(root: str, subject: str, seed: int, number: int, edits: bool) -> Any:
    """Install and remove in one process, and look in others meanwhile."""
    plan = Installs(Path(root), number, seed, edits)
    sys.path[:] = [*map(str, plan.sites), *LIBRARY]
    ask = asked(subject)
    shared = Shared()
    told = [
        [row if subject == OURS else (*row[:3], "") for row in at] for at in plan.truth
    ]

    def install() -> Any:
        some = random.Random(seed)  # noqa: S311
        seen = Seen()
        for step, (source, target) in enumerate(plan.steps, 1):
            shared.begin(step)
            source.rename(target)
            shared.end(step)
            # Within a tick of the file system's clock, two changes would look as one.
            time.sleep(some.uniform(TICK, 2 * TICK))
            if not step % 50:
                seen.look(lambda: truth(subject), told[step].__eq__)
        return seen.told()

    def reader(cache: str) -> Callable[[], Any]:
        def read() -> Any:
            os.environ["LAZYPLUG_CACHE"] = cache
            seen = Seen()
            sure = -1
            while sure < number:
                sure = shared.sure
                seen.look(ask, partial(was_true, sure))
            return seen.told()

        return read

    def was_true(sure: int, found: list[Row]) -> bool:
        states = told[sure : shared.latest + 1]
        if not edits:
            return found in states
        # Looks at two files are two moments, between which one is edited.
        keys = {row[3] for state in states for row in state}
        return {row[3] for row in found} <= keys and all(
            of_key(found, key) in [of_key(state, key) for state in states]
            for key in keys
        )

    readers = [reader("on"), reader("on"), reader("readonly")]
    found = fingerprint([install, *readers], number * 0.1 + LIMIT)
    if subject == OURS and not edits:
        found.append(fingerprint([lambda: believed(told[-1])], LIMIT)[0])
    return found


def of_key(state: list[Row], key: str) -> list[Row]:
    return [row for row in state if row[3] == key]


def believed(right: list[Row]) -> Any:
    """Look once the stamps are old enough, then again without looking at the files."""
    time.sleep(2.1)
    seen = Seen()
    seen.look(look, right.__eq__)

    def update(*_: object) -> Any:
        raise AssertionError("what another process wrote is not believed")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(update_module, "update", update)
        seen.look(look, right.__eq__)
    return seen.told()


@subjects
@pytest.mark.parametrize("edits", [False, True], ids=["whole", "edited"])
def test_what_is_seen_while_distributions_come_and_go_was_true_at_that_time(
    subject: str, edits: bool, tmp_path: Path, long: bool, tally: Count
) -> None:
    if edits and subject == RIVAL:
        pytest.skip("it is blind to edits for 128 seconds")
    with tally(MEANWHILE, subject) as count:
        for seed in range(4 if long else 1):
            root = tmp_path / str(seed)
            number = 1000 if long else 50 if subject == OURS else 10
            for outcome in apart(installs, str(root), subject, seed, number, edits):
                count_seen(count, outcome, "what was true then", f"seed {seed}")


@pytest.mark.parametrize("warm", [False, True], ids=["cold", "warm"])
def test_of_two_changes_during_a_look_the_second_is_not_seen_without_the_first(
    warm: bool,
    tmp_path: Path,
    only: SetPath,
    reliable: Ticking,
    long: bool,
    tally: Count,
) -> None:
    sites = [tmp_path / "one", tmp_path / "two"]
    only(*sites)
    new = [dist("new", "1", "[g]\nn = m:f\n"), dist("late", "1", "[g]\nl = m:f\n")]
    with pytest.MonkeyPatch.context() as patch, tally(MEANWHILE) as count:
        calls = Calls(patch)
        made, number = 1, 0
        while number < made:
            for site, more in zip(sites, new):
                shutil.rmtree(site, ignore_errors=True)
                plant(site, dist("old", entry_points="[g]\no = m:f\n"))
                plant(tmp_path / "new", more)
            if warm:
                look()
            else:
                shutil.rmtree(get_cache_directory(OURS), ignore_errors=True)
            time.sleep(TICK)

            def install(_: str) -> Any:
                for site, more in zip(sites, new):
                    (file,) = more
                    (tmp_path / "new" / file).rename(site / file)
                    time.sleep(TICK)
                return NotImplemented

            def ask() -> Any:
                try:
                    return {row[1] for row in look()}
                finally:
                    calls.armed = False

            def missed() -> Any:
                found = ask()
                return "n" not in found and "l" in found

            calls.arm(number, install)
            count.hold(missed, False, f"at call {number}")
            count.compare({row[1] for row in look()}, {"o", "n", "l"}, "next look")
            made, number = calls.made, number + (1 if long else 3)


def test_all_groups_are_those_of_one_index_though_it_is_replaced(
    site: PlantSite, only: SetPath, reliable: Ticking
) -> None:
    directory = site(dist("a", "1", "[g]\na = m:one\n"))
    only(directory)
    look()
    look()
    # This process has read the front of the index by now, and nothing else.
    lazyplug.invalidate_caches()
    mine = _environment.current()
    mine.read(lambda index: None)
    plant(directory, dist("a", "2", "[g]\na = m:two\n[h]\na = m:two\n"))
    shutil.rmtree(directory / "a-1.dist-info")
    only(directory)  # as another process
    two = [("g", "a", "m:two", "a"), ("h", "a", "m:two", "a")]
    assert look() == two
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_environment, "current", lambda: mine)
        found = lazyplug.entry_points()
    assert [(point.group, point.value) for point in found] == [
        (group, value) for group, _, value, _ in two
    ]


# ------------------------------------------------------------------------- SIGKILL


def killed(root: str, subject: str, seed: int, number: int) -> Any:
    """Kill a process that does nothing but change something, look and write.

    One of four is killed while it writes, the others at any moment. Return what is
    seen after each, and how many left a temporary file behind.
    """
    some = random.Random(seed)  # noqa: S311
    site = Path(root) / "site"
    for n in range(20):
        # Long, so that a good part of the time is spent with writing.
        plant(site, dist(f"d{n}", entry_points=f"[g]\nd{n} = ?{'f' * 10_000}\n"))
    plant(site, dist("new", "0", "[g]\nnew = m:f0\n"))
    sys.path[:] = [str(site), *LIBRARY]
    ask, directory = asked(subject), get_cache_directory(subject)
    others = [row for row in truth(subject) if row[1] != "new"]

    def right() -> list[Row]:
        values = [file.read_text().split()[-1] for file in site.glob("new-*/e*.txt")]
        new = [("g", "new", value, "new" * (subject == OURS)) for value in values]
        return sorted([*others, *new])

    began = time.perf_counter()
    for _ in range(8):
        work(site, directory, subject)
    once = (time.perf_counter() - began) / 8
    seen = Seen()
    left = 0
    for kill in range(number):
        before = temporaries(directory)
        if kill == 99:
            shutil.rmtree(directory)
        inside = some.choice(["fchmod", "write", "replace"]) if kill % 4 == 0 else ""
        child = os.fork()
        while not child:
            if inside:
                if subject == OURS:
                    setattr(fs, inside, die)
                else:
                    setattr(os, "replace", die)  # noqa: B010 - not what mypy knows
            work(site, directory, subject)
        if not inside:
            time.sleep(some.uniform(0, 3 * once))
            os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        left += bool(temporaries(directory) - before)
        was = indexes(directory)
        if subject == OURS:
            seen.look(lambda: unsound(directory), [].__eq__)
        seen.look(ask, right().__eq__)
        if subject == OURS and indexes(directory) != was:
            seen.look(lambda: len(temporaries(directory)), storage.MAX_TEMPORARY.__ge__)
    return (ANSWER, seen.told()), left


def die(*arguments: Any, **_: Any) -> None:
    """Be killed, in the place of a call that writes the index."""
    if isinstance(arguments[1], memoryview):
        os.pwrite(arguments[0], arguments[1][: len(arguments[1]) // 2], 0)
    os.kill(os.getpid(), signal.SIGKILL)


def work(site: Path, directory: Path, subject: str) -> None:
    """Change a distribution, bring the index up to date and write it."""
    (found,) = [*site.glob("new-*"), *site.parent.glob("new-*")]
    version = int(found.name[4:].partition(".")[0]) + 1
    outside = site.parent / found.name
    found.rename(outside)
    (outside / "entry_points.txt").write_text(f"[g]\nnew = m:f{version}\n")
    outside.rename(site / f"new-{version}.dist-info")
    if version % 8 == 0:
        for file in directory.glob("*.json"):
            file.unlink()
    if subject == OURS:
        lazyplug.invalidate_caches()
        _environment.current()
    else:
        Cache(str(directory))._get_data_for_path(None)


def indexes(directory: Path) -> list[int]:
    """Return what tells the indexes in a folder from others."""
    return [file.stat().st_ino for file in directory.glob("*.json")]


@subjects
def test_a_writer_that_is_killed_leaves_a_sound_index_or_none(
    subject: str, tmp_path: Path, long: bool, tally: Count
) -> None:
    with tally("SIGKILL at a random moment", subject) as count:
        left = kills = 0
        for seed in range(4 if long else 1):
            number = 250 if long else 40 if subject == OURS else 12
            root = tmp_path / str(seed)
            outcome, unfinished = apart(killed, str(root), subject, seed, number)
            count_seen(count, outcome, "the truth", f"seed {seed}")
            left, kills = left + unfinished, kills + number
        # Else hardly any was killed while it wrote.
        assert left > kills / 5
