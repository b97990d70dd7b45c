"""Query, write, install and kill processes at the same time: no answer is wrong.

The same is counted for the cache of stevedore. lazyplug removes the temporary files of
killed processes; those of stevedore are never removed.
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
from tests.support.attempts import (
    ANSWER,
    CRASH,
    HANG,
    LIBRARY,
    ROOT,
    Checks,
    Outcome,
    attempt,
    attempt_all,
    call_in_fresh_process,
    count_checks,
    count_outcome,
)
from tests.support.calls import TICK, Calls
from tests.support.clock import Ticking
from tests.support.fixtures import Count, PlantSite, SetPath
from tests.support.fs import fs
from tests.support.owners import owner_of
from tests.support.tally import LIMIT, LONG, OURS, RIVAL

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="forks processes"),
    pytest.mark.timeout(1200),
]

# group, name, value, key of the distribution (empty for the rival)
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


def query() -> list[Row]:
    """Return all entry points, as a new process."""
    lazyplug.invalidate_caches()
    return sorted(
        (point.group, point.name, point.value, owner_of(point)[0])
        for point in lazyplug.entry_points()
    )


def query_rival(directory: str) -> list[Row]:
    """Return all entry points, as a new process that uses stevedore."""
    groups = Cache(directory)._get_data_for_path(None)["groups"]
    return sorted(
        (group, name, value, "")
        for group, points in groups.items()
        for name, value, _ in points
    )


def query_of(subject: str) -> Callable[[], list[Row]]:
    """Return the function that queries a library with the cache of this test."""
    if subject == OURS:
        return query
    directory = str(get_cache_directory(subject))
    return lambda: query_rival(directory)


def get_cache_directory(subject: str) -> Path:
    return Path(os.environ["LAZYPLUG_CACHE_DIR"] + "-of-rival" * (subject == RIVAL))


def ask_oracle(subject: str) -> list[Row]:
    """Return the right answer of a library."""
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


def find_damage(directory: Path) -> list[str]:
    """Return the damaged parts of all indexes in a cache directory of lazyplug."""
    return [
        f"{file.name}: {what}"
        for file in directory.glob("*.json")
        for what in damages(str(file))
    ]


def find_temporaries(directory: Path) -> set[str]:
    """Return the names of the temporary files in a cache directory."""
    return {file.name for file in directory.glob("*.tmp")}


subjects = pytest.mark.parametrize("subject", [OURS, pytest.param(RIVAL, marks=LONG)])


# ------------------------------------------------------------- many starts at a time

# Each process waits until all others have started.
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
QUERY = """
found = [
    (point.group, point.name, point.value, point._owner[0])
    for point in lazyplug.entry_points()
]
"""
QUERY_OF_RIVAL = """
cache = stevedore._cache.Cache(os.environ["LAZYPLUG_CACHE_DIR"] + "-of-rival")
groups = cache._get_data_for_path(None)["groups"]
found = [(name, *point[:2], "") for name, points in groups.items() for point in points]
"""
PROGRAMS = {
    OURS: AT_ONCE % ("lazyplug", QUERY),
    RIVAL: AT_ONCE % ("os, stevedore._cache", QUERY_OF_RIVAL),
}


def run_at_once(program: str, paths: list[list[str]]) -> list[Outcome]:
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
    return [_get_outcome(process) for process in started]


def _get_outcome(process: "subprocess.Popen[bytes]") -> Outcome:
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
def test_processes_that_start_at_once_answer_correctly_and_leave_valid_indexes(
    subject: str,
    kinds: int,
    tmp_path: Path,
    set_path: SetPath,
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
                    set_path(*order)
                    truths.append(ask_oracle(subject))
                found = run_at_once(PROGRAMS[subject], orders * (many // kinds))
                for outcome, right in zip(found, truths * many):
                    count_outcome(count, outcome, right, f"{what} {number}")
                left = sorted(os.listdir(directory))
                if subject == OURS:
                    count.compare(find_damage(directory), [], what)
                    count.compare(
                        [Path(name).suffix for name in left], [".json"] * kinds
                    )
            shutil.rmtree(installed)


# ---------------------------------------------------------------- constant rewriting


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


def make_writable(file: Path, _: random.Random) -> None:
    file.chmod(0o666)


def swap(file: Path, _: random.Random) -> None:
    """Replace a file by a copy of it, or by an earlier copy."""
    kept = file.parent.parent / f"kept-{file.name}"
    if not kept.exists():
        shutil.copy(file, kept)
    else:
        new = file.with_suffix(".new")
        shutil.copy(kept, new)
        kept.unlink()
        new.replace(file)


def remove_all(file: Path, _: random.Random) -> None:
    # Other processes may write into the directory at the same time.
    shutil.rmtree(file.parent, ignore_errors=True)


# Damage to an index. The cache of the rival gets none that the rival cannot detect.
HARM = [remove, cut, swap, remove_all]
HARM_TO_OURS = [*HARM, flip, make_writable]


def rewrite_and_read(root: str, subject: str, seed: int, seconds: float) -> Any:
    """Let one process rewrite the index all the time, and others read it."""
    site = plant(Path(root), SITES)
    sys.path[:] = [str(site / "one"), str(site / "two"), *LIBRARY]
    ask = query_of(subject)
    right = ask_oracle(subject)
    problems = lazyplug.problems()
    directory = get_cache_directory(subject)
    until = time.monotonic() + seconds

    def write() -> Any:
        some = random.Random(seed)  # noqa: S311
        checks = Checks()
        changed = site / "one" / "a7-1.0.dist-info" / "entry_points.txt"
        while time.monotonic() < until:
            os.utime(changed)
            checks.check(ask, right.__eq__)
            for file in [*directory.glob("*.json"), *directory.glob("?" * 64)]:
                # A file of an earlier seed may have been removed with its directory.
                with contextlib.suppress(FileNotFoundError):
                    some.choice(HARM_TO_OURS if subject == OURS else HARM)(file, some)
                checks.check(ask, right.__eq__)
        return checks.result()

    def read() -> Any:
        checks = Checks()
        while time.monotonic() < until:
            checks.check(ask, right.__eq__)
            if subject == OURS:
                # This process has the header in memory. It reads other parts from a
                # file that has been replaced since.
                checks.check(lazyplug.problems, problems.__eq__)
                lazyplug.invalidate_caches()
                for group in ("only", "g1", "none"):
                    wanted = [row for row in right if row[0] == group]
                    checks.check(partial(query_group, group), wanted.__eq__)
        return checks.result()

    return attempt_all([write, *[read] * 4], seconds + LIMIT)


def query_group(group: str) -> list[Row]:
    """Return the entry points of a group."""
    return sorted(
        (group, point.name, point.value, owner_of(point)[0])
        for point in lazyplug.entry_points(group=group)
    )


@subjects
def test_processes_that_read_a_constantly_rewritten_index_answer_correctly(
    subject: str, tmp_path: Path, long: bool, tally: Count
) -> None:
    with tally("an index is read while it is rewritten all the time", subject) as count:
        for seed in range(6 if long else 1):
            root = tmp_path / str(seed)
            found = call_in_fresh_process(
                rewrite_and_read, str(root), subject, seed, 10 if long else 0.7
            )
            for outcome in found:
                count_checks(count, outcome, "the right answer", f"seed {seed}")


# --------------------------------------------------- installs and removals at a time


MEANWHILE = "distributions are installed and removed meanwhile"


class Installs:
    """Renames that install, remove and edit distributions, and the right answers.

    A rename is atomic: there is no state between before and after it.

    :param edits: whether to edit distributions, each of which is in one directory only.
    """

    def __init__(self, root: Path, number: int, seed: int, edits: bool) -> None:
        self.sites = [root / "one", root / "two"]
        for directory in (*self.sites, root / "new", root / "old"):
            directory.mkdir(parents=True)
        some = random.Random(seed)  # noqa: S311
        # by directory and key: the metadata directory, and the step of its entry points
        installed: dict[tuple[int, str], tuple[str, int]] = {}
        self.steps: list[tuple[Path, Path]] = []
        self.truth: list[list[Row]] = [[]]
        for step in range(1, number + 1):
            at, key = some.randrange(2), some.choice("abcdefgh")
            key += str(at) * edits
            file, _ = installed.get((at, key), ("", 0))
            site = self.sites[at]
            # One of five declares nothing, and may shadow another.
            declared = step if step % 5 else 0
            if not file:
                file = f"{key}-{step}.dist-info"
                points = self.points(key, declared) if declared else None
                plant(root / "new", dist(key, str(step), points))
                self.steps.append((root / "new" / file, site / file))
                installed[at, key] = file, declared
            elif edits and declared and some.random() < 0.5:
                plant(root / "new", {f"{step}.txt": self.points(key, step)})
                target = site / file / "entry_points.txt"
                self.steps.append((root / "new" / f"{step}.txt", target))
                installed[at, key] = file, step
            else:
                self.steps.append((site / file, root / "old" / file))
                del installed[at, key]
            visible = {
                key: n for (_, key), (_, n) in sorted(installed.items(), reverse=True)
            }
            found = [row for key, n in visible.items() for row in self.rows(key, n)]
            self.truth.append(sorted(found))

    @staticmethod
    def points(key: str, n: int) -> str:
        return f"[g]\n{key} = m:f{n}\n" + f"[h]\n{key} = m:h{n}\n" * (n % 2)

    @staticmethod
    def rows(key: str, n: int) -> list[Row]:
        both = [("g", key, f"m:f{n}", key), ("h", key, f"m:h{n}", key)]
        return both[: (1 + n % 2) * bool(n)]


class Shared:
    """The numbers of the last steps that began and ended, shared by processes."""

    def __init__(self) -> None:
        self.steps = memoryview(mmap.mmap(-1, 16)).cast("q")

    def begin(self, step: int) -> None:
        self.steps[0] = step

    def end(self, step: int) -> None:
        self.steps[1] = step

    @property
    def latest(self) -> int:
        """The last step that an answer may include."""
        return self.steps[0]

    @property
    def sure(self) -> int:
        """The last step that every answer must include."""
        return self.steps[1]


def install_and_query(
    root: str, subject: str, seed: int, number: int, edits: bool
) -> Any:
    """Install and remove in one process, and query in others at the same time."""
    plan = Installs(Path(root), number, seed, edits)
    sys.path[:] = [*map(str, plan.sites), *LIBRARY]
    ask = query_of(subject)
    shared = Shared()
    states = [
        [row if subject == OURS else (*row[:3], "") for row in at] for at in plan.truth
    ]

    def install() -> Any:
        some = random.Random(seed)  # noqa: S311
        checks = Checks()
        for step, (source, target) in enumerate(plan.steps, 1):
            shared.begin(step)
            source.rename(target)
            shared.end(step)
            # Two changes within one tick of the file system's clock look like one.
            time.sleep(some.uniform(TICK, 2 * TICK))
            if not step % 50:
                checks.check(lambda: ask_oracle(subject), states[step].__eq__)
        return checks.result()

    def reader(cache: str) -> Callable[[], Any]:
        def read() -> Any:
            os.environ["LAZYPLUG_CACHE"] = cache
            checks = Checks()
            sure = -1
            while sure < number:
                sure = shared.sure
                checks.check(ask, partial(is_possible, sure))
            return checks.result()

        return read

    def is_possible(sure: int, found: list[Row]) -> bool:
        possible = states[sure : shared.latest + 1]
        if not edits:
            return found in possible
        # Two files are read at two moments, between which one may be edited.
        keys = {row[3] for state in possible for row in state}
        return {row[3] for row in found} <= keys and all(
            select_key(found, key) in [select_key(state, key) for state in possible]
            for key in keys
        )

    readers = [reader("on"), reader("on"), reader("readonly")]
    found = attempt_all([install, *readers], number * 0.1 + LIMIT)
    if subject == OURS and not edits:
        found.append(attempt(lambda: query_index(states[-1])))
    return found


def select_key(state: list[Row], key: str) -> list[Row]:
    return [row for row in state if row[3] == key]


def query_index(right: list[Row]) -> Any:
    """Query when nothing is racy any more, and then again from the index alone."""
    time.sleep(2.1)
    checks = Checks()
    checks.check(query, right.__eq__)

    def update(*_: object) -> Any:
        raise AssertionError("the index of another process is not used")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(update_module, "update", update)
        checks.check(query, right.__eq__)
    return checks.result()


@subjects
@pytest.mark.parametrize("edits", [False, True], ids=["unedited", "edited"])
def test_answers_while_distributions_are_installed_are_correct_at_that_time(
    subject: str, edits: bool, tmp_path: Path, long: bool, tally: Count
) -> None:
    if edits and subject == RIVAL:
        pytest.skip("stevedore does not see edits for 128 seconds")
    with tally(MEANWHILE, subject) as count:
        for seed in range(4 if long else 1):
            root = tmp_path / str(seed)
            number = 1000 if long else 50 if subject == OURS else 10
            for outcome in call_in_fresh_process(
                install_and_query, str(root), subject, seed, number, edits
            ):
                count_checks(count, outcome, "a state at that time", f"seed {seed}")


@pytest.mark.parametrize("warm", [False, True], ids=["cold", "warm"])
def test_of_two_changes_during_a_query_the_second_is_not_found_without_the_first(
    warm: bool,
    tmp_path: Path,
    set_path: SetPath,
    late_clock: Ticking,
    long: bool,
    tally: Count,
) -> None:
    sites = [tmp_path / "one", tmp_path / "two"]
    set_path(*sites)
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
                query()
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
                    return {row[1] for row in query()}
                finally:
                    calls.armed = False

            def misses_first() -> Any:
                found = ask()
                return "n" not in found and "l" in found

            calls.arm(number, install)
            count.check(misses_first, False, f"at call {number}")
            count.compare({row[1] for row in query()}, {"o", "n", "l"}, "next query")
            made, number = calls.made, number + (1 if long else 3)


def test_all_groups_come_from_one_index_even_if_it_is_replaced(
    site: PlantSite, set_path: SetPath, late_clock: Ticking
) -> None:
    directory = site(dist("a", "1", "[g]\na = m:one\n"))
    set_path(directory)
    query()
    query()
    # This process has read the header of the index, and nothing else.
    lazyplug.invalidate_caches()
    environment = _environment.current()
    environment.read(lambda index: None)
    plant(directory, dist("a", "2", "[g]\na = m:two\n[h]\na = m:two\n"))
    shutil.rmtree(directory / "a-1.dist-info")
    set_path(directory)  # as in another process
    two = [("g", "a", "m:two", "a"), ("h", "a", "m:two", "a")]
    assert query() == two
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_environment, "current", lambda: environment)
        found = lazyplug.entry_points()
    assert [(point.group, point.value) for point in found] == [
        (group, value) for group, _, value, _ in two
    ]


# ------------------------------------------------------------------------- SIGKILL


def kill_repeatedly(root: str, subject: str, seed: int, number: int) -> Any:
    """Kill processes that change something, query and write in a loop.

    One of four is killed while it writes, the others at a random moment. Return the
    checks after each, and the number of processes that left a temporary file.
    """
    some = random.Random(seed)  # noqa: S311
    site = Path(root) / "site"
    for n in range(20):
        # Long, so that writing takes a good part of the time.
        plant(site, dist(f"d{n}", entry_points=f"[g]\nd{n} = ?{'f' * 10_000}\n"))
    plant(site, dist("new", "0", "[g]\nnew = m:f0\n"))
    sys.path[:] = [str(site), *LIBRARY]
    ask, directory = query_of(subject), get_cache_directory(subject)
    others = [row for row in ask_oracle(subject) if row[1] != "new"]

    def right() -> list[Row]:
        values = [file.read_text().split()[-1] for file in site.glob("new-*/e*.txt")]
        new = [("g", "new", value, "new" * (subject == OURS)) for value in values]
        return sorted([*others, *new])

    began = time.perf_counter()
    for _ in range(8):
        work(site, directory, subject)
    once = (time.perf_counter() - began) / 8
    checks = Checks()
    left = 0
    for kill in range(number):
        before = find_temporaries(directory)
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
        left += bool(find_temporaries(directory) - before)
        earlier = find_indexes(directory)
        if subject == OURS:
            checks.check(lambda: find_damage(directory), [].__eq__)
        checks.check(ask, right().__eq__)
        if subject == OURS and find_indexes(directory) != earlier:
            checks.check(
                lambda: len(find_temporaries(directory)), storage.MAX_TEMPORARY.__ge__
            )
    return (ANSWER, checks.result()), left


def die(*arguments: Any, **_: Any) -> None:
    """Kill this process, instead of a call that writes the index."""
    if isinstance(arguments[1], memoryview):
        os.pwrite(arguments[0], arguments[1][: len(arguments[1]) // 2], 0)
    os.kill(os.getpid(), signal.SIGKILL)


def work(site: Path, directory: Path, subject: str) -> None:
    """Change a distribution, update the index and write it."""
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


def find_indexes(directory: Path) -> list[int]:
    """Return the inodes of the indexes in a directory."""
    return [file.stat().st_ino for file in directory.glob("*.json")]


@subjects
def test_a_killed_process_leaves_a_valid_index_or_none(
    subject: str, tmp_path: Path, long: bool, tally: Count
) -> None:
    with tally("SIGKILL at a random moment", subject) as count:
        left = kills = 0
        for seed in range(4 if long else 1):
            number = 250 if long else 40 if subject == OURS else 12
            root = tmp_path / str(seed)
            outcome, unfinished = call_in_fresh_process(
                kill_repeatedly, str(root), subject, seed, number
            )
            count_checks(count, outcome, "the right answer", f"seed {seed}")
            left, kills = left + unfinished, kills + number
        # Otherwise hardly any process was killed while it wrote.
        assert left > kills / 5
