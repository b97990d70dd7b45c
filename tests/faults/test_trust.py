"""Plant files as another user: they are not used, and her files are not changed.

Mallory, who has a user id of her own, does everything that her permissions allow to
make a victim or root import her module. The right answer is that without a cache.
"""

import ctypes
import json
import os
import re
import shutil
import signal
import struct
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import stevedore

import lazyplug
from lazyplug import _environment, _files
from lazyplug._indexing import storage
from lazyplug.testing import Tree, dist, plant
from tests.support.attempts import ANSWER, attempt, call_in_fresh_process
from tests.support.children import python
from tests.support.clock import LATER, Ticking
from tests.support.fixtures import Count, PlantSite, SetPath
from tests.support.fs import fs
from tests.support.index_heads import poison
from tests.support.tally import LIMIT, OURS, RIVAL
from tests.support.users import (
    ASKERS,
    MALLORY,
    SHARED,
    VICTIM,
    Tried,
    become,
    count_tries,
    import_all,
    needs_root,
    silently,
)

ROOT = Path(lazyplug.__file__).parent.parent
LEVELS = ["full", "dirs", "none"]
# The variables that determine the cache directory.
VARIABLES = ["LAZYPLUG_CACHE_DIR", "XDG_CACHE_HOME", "HOME"]
DIRECTORIES = {OURS: "lazyplug", RIVAL: "python-entrypoints"}
# The answer if nobody planted anything: the driver, the declared values, and whether
# Mallory's module was imported.
RIGHT = ["m", ["m:f"], False]
WRONG = ["n", ["n:f"], True]
# `poison` names the module n where m was declared.
MODULES = {
    "m.py": "f = 'm'\n",
    "n.py": "import os\nf = 'n'\nopen(os.environ['MARK'], 'w').close()\n",
}


# ------------------------------------------------------------------------- situations


class Situation(NamedTuple):
    """Owners and modes before an attack; None for a file that does not exist."""

    parent: tuple[str, int]
    directory: tuple[str, int] | None
    its_index: tuple[str, int] | None
    # whether the directory is made private after the attack
    repaired: bool = False


# Mallory is in the group of all of these. "acl": an access control list lets her write,
# too.
PARENTS = [
    ("asker", 0o755),
    ("asker", 0o777),
    ("root", 0o1777),
    ("mallory", 0o755),
]
CACHES = [
    None,
    *[("asker", bits) for bits in (0o700, 0o755, 0o777, 0o1777, 0o770, 0o2775)],
    *[("mallory", bits) for bits in (0o700, 0o755, 0o777)],
    *[("root", bits) for bits in (0o755, 0o775)],
    ("asker, acl", 0o700),
]
INDEXES = [
    None,
    *[("asker", bits) for bits in (0o600, 0o644, 0o666, 0o660)],
    *[("mallory", bits) for bits in (0o600, 0o666)],
    ("root", 0o666),
    ("asker, acl", 0o600),
]
PRIVATE, READABLE, OPEN = ("asker", 0o755), ("asker", 0o644), ("asker", 0o777)
SITUATIONS = [
    Situation(*each)
    for each in product(PARENTS, CACHES, INDEXES, (False, True))
    # There is no index without a directory, and only one kind is repaired.
    if (each[1] or not each[2]) and not (each[3] and each[:2] != (PRIVATE, OPEN))
]


def is_plain(situation: Situation) -> bool:
    """Return True if at most one owner or mode is unusual."""
    parent, directory, its_index, _ = situation
    odd = [parent != PRIVATE, directory != PRIVATE, its_index not in (READABLE, None)]
    return sum(odd) <= 1


class Sandbox:
    """An environment, a home with a cache, and files of Mallory and of the asker.

    :param base: the directory for all of it, which every user may enter.
    :param asker: the user id of the process that queries: the victim or root.
    :param subject: the library that is tested.
    """

    def __init__(self, base: Path, asker: int, subject: str) -> None:
        self.base, self.asker, self.subject = base, asker, subject
        self.site, self.marks = base / "site", base / "marks"
        self.home, self.mallorys = base / "home", base / "mallory"
        self.parent = self.home / ".cache"
        self.directory = self.parent / DIRECTORIES[subject]
        self.downloads, self.roots = base / "downloads", base / "roots"
        # the open end of the pipe that Mallory planted last
        self.pipe = -1
        plant(self.site, {**MODULES, **dist("foo", entry_points="[g]\na = m:f\n")})
        plant(self.marks, {})
        self.marks.chmod(0o777)
        self.name, self.intact, self.poisoned = "none yet", b"", b""
        self.name, self.intact, self.poisoned = self._write_index()

    def _write_index(self) -> tuple[str, bytes, bytes]:
        """Return the file name of an index, its bytes, and poisoned bytes."""
        self.build(Situation(("asker", 0o700), None, None))
        assert self.ask("full", "HOME") == (ANSWER, RIGHT)
        (file,) = self.directory.iterdir()
        intact = file.read_bytes()
        if self.subject == OURS:
            return file.name, intact, poison(file)
        return file.name, intact, intact.replace(b'"m:', b'"n:')

    @property
    def index(self) -> Path:
        return self.directory / self.name

    def owner(self, who: str) -> int:
        return {"asker": self.asker, "root": 0, "mallory": MALLORY}[who]

    def own(self, path: Path, owner: str, bits: int) -> None:
        """Set the owner and the mode of a path."""
        who, _, acl = owner.partition(", ")
        os.chown(path, self.owner(who), SHARED)
        path.chmod(bits)
        if acl:
            try:
                os.setxattr(path, "system.posix_acl_access", make_acl())
            except (AttributeError, OSError):
                path.chmod(bits | 0o020)  # where there are no access control lists

    def build(self, situation: Situation) -> None:
        """Create everything anew except the environment."""
        if self.pipe >= 0:
            os.close(self.pipe)
            self.pipe = -1
        for path in (self.home, self.mallorys, self.downloads, self.roots):
            shutil.rmtree(path, ignore_errors=True)
        self.roots.mkdir()
        for path, who in ((self.mallorys, "mallory"), (self.downloads, "asker")):
            # Files that somebody may have been made to download.
            tree: Tree = {"notes": "as it was", self.name: self.poisoned}
            plant(path, {**tree, self.directory.name: tree})
            for each in (path, *path.rglob("*")):
                self.own(each, who, 0o755 if each.is_dir() else 0o644)
        self.parent.mkdir(parents=True)
        if situation.directory:
            self.directory.mkdir()
            # A file of the asker.
            (self.directory / "download").write_bytes(self.poisoned)
            self.own(self.directory / "download", *READABLE)
            if situation.its_index:
                who = situation.its_index[0]
                planted = self.poisoned if who == "mallory" else self.intact
                self.index.write_bytes(planted)
                self.own(self.index, *situation.its_index)
            self.own(self.directory, *situation.directory)
        for path in (self.parent, self.home):
            self.own(path, *situation.parent)

    @contextmanager
    def as_mallory(self) -> Iterator[None]:
        """Act as Mallory within the context."""
        os.setgroups([SHARED])
        os.setegid(MALLORY)
        os.seteuid(MALLORY)
        try:
            yield
        finally:
            os.seteuid(0)
            os.setegid(0)
            os.setgroups([0])

    def ask(
        self,
        level: str,
        variable: str,
        unchecked: bool = False,
        ids: tuple[int, int, int, int] | None = None,
        queries: int = 1,
    ) -> Any:
        """Return the answer of a new process of the asker; see `RIGHT`.

        :param unchecked: whether owners, modes and links are not checked.
        :param ids: the real and the effective user and group, if they differ.
        :param queries: how often to query, as long as the answer is right.
        """
        mark = self.marks / "mark"
        places = {
            "LAZYPLUG_CACHE_DIR": self.directory,
            "XDG_CACHE_HOME": self.parent,
            "HOME": self.home,
        }
        environment = {variable: str(places[variable]), "MARK": str(mark)}
        if variable == "LAZYPLUG_CACHE_DIR" and self.subject == RIVAL:
            environment = {"XDG_CACHE_HOME": str(self.parent), "MARK": str(mark)}

        def act() -> Any:
            environment.setdefault("HOME", "/nonexistent")
            environment["LAZYPLUG_CHECK"] = level
            if ids is None:
                become(self.asker, 0o022, SHARED, **environment)
            else:
                become(os.geteuid(), 0o022, 0, **environment)
                os.setgroups([])
                os.setresgid(ids[2], ids[3], ids[2])
                os.setresuid(ids[0], ids[1], ids[0])
            sys.path[:] = [str(self.site)]
            if unchecked:
                _files.is_trusted = lambda *_: True
                _files._NOFOLLOW = 0
                for module in (_environment, storage):
                    vars(module)["is_trusted_directory"] = os.path.isdir
            query = ask_lazyplug if self.subject == OURS else ask_stevedore
            for _ in range(queries - 1):
                if (found := silently(query)) != RIGHT[:2]:
                    return found
            return silently(query)

        mark.unlink(missing_ok=True)
        kind, found = attempt(act, LIMIT if self.subject == OURS else 5)
        return (kind, [*found, mark.exists()] if kind == ANSWER else found)

    def read_protected(self) -> dict[str, Any]:
        """Return the files that the asker must not change, with their content."""
        found: dict[str, Any] = {}
        for directory in (self.mallorys, self.downloads, self.roots):
            for path in sorted(directory.rglob("*")):
                text = path.read_text() if path.is_file() else ""
                found[str(path)] = path.lstat().st_uid, text
        if self.home.stat().st_uid == MALLORY:
            is_own = (
                self.directory.exists() and self.directory.lstat().st_uid == self.asker
            )
            for path in self.home.rglob("*"):
                if not (is_own and path.parent == self.directory):
                    found[str(path)] = path.lstat().st_uid
        return found


def ask_lazyplug() -> list[Any]:
    fs.clock = lambda: time.time_ns() + LATER
    lazyplug.invalidate_caches()
    driver = lazyplug.DriverManager[str]("g", "a").driver
    return [driver, [point.value for point in lazyplug.entry_points(group="g")]]


def ask_stevedore() -> list[Any]:
    cache = stevedore._cache._c
    cache._dir = stevedore._cache._get_cache_dir()
    cache._disable_caching = False  # as for a Python outside /tmp
    driver: Any = stevedore.DriverManager("g", "a").driver
    return [driver, [point.value for point in stevedore._cache.get_group_all("g")]]


def make_acl() -> bytes:
    """Return an access control list, as Linux keeps it, that lets Mallory write."""
    entries = [(1, 6, -1), (2, 7, MALLORY), (4, 0, -1), (0x10, 7, -1), (0x20, 0, -1)]
    packed = [struct.pack("<HHi", tag, bits, who) for tag, bits, who in entries]
    return struct.pack("<I", 2) + b"".join(packed)


@contextmanager
def make_sandbox(asker: int, subject: str = OURS) -> Iterator[Sandbox]:
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Sandbox(Path(name), asker, subject)


# ---------------------------------------------------------------------------- attacks

# Raises OSError where Mallory lacks the permission.
Attack = Callable[[Sandbox], object]


def planted_earlier(sandbox: Sandbox) -> None:
    """Rely on an index that was planted earlier."""
    if sandbox.index.stat().st_uid != MALLORY:
        raise PermissionError


def write_in_place(sandbox: Sandbox) -> None:
    """Write into the existing index."""
    with sandbox.index.open("r+b") as file:
        file.write(sandbox.poisoned)
        file.truncate()


def put(sandbox: Sandbox, make: Callable[[Path], object], name: str = "") -> None:
    """Create something in the cache directory, and give it the name of the index."""
    new = sandbox.directory / "new"
    make(new)
    new.replace(sandbox.directory / (name or sandbox.name))


def plant_index(bits: int) -> Attack:
    def attack(sandbox: Sandbox) -> None:
        def make(path: Path) -> None:
            path.write_bytes(sandbox.poisoned)
            path.chmod(bits)

        put(sandbox, make)

    return attack


def plant_sibling_index(sandbox: Sandbox) -> None:
    """Plant a sibling index, from which records of path entries are copied."""
    name = f"{sandbox.name[:16]}-{0:016}.json"
    put(sandbox, lambda path: path.write_bytes(sandbox.poisoned), name)


def rename_askers_file(sandbox: Sandbox) -> None:
    """Give a file of the asker the name of the index."""
    (sandbox.directory / "download").rename(sandbox.index)


def plant_hard_link(sandbox: Sandbox) -> None:
    put(sandbox, lambda path: path.hardlink_to(sandbox.mallorys / sandbox.name))


def plant_link(sandbox: Sandbox) -> None:
    put(sandbox, lambda path: path.symlink_to(sandbox.mallorys / sandbox.name))


def plant_link_to_askers_file(sandbox: Sandbox) -> None:
    put(sandbox, lambda path: path.symlink_to(sandbox.downloads / sandbox.name))


def plant_pipe(sandbox: Sandbox) -> None:
    """Plant a pipe to which nobody writes."""
    put(sandbox, os.mkfifo)


def plant_full_pipe(sandbox: Sandbox) -> None:
    """Plant a pipe that contains a poisoned index."""
    plant_pipe(sandbox)
    sandbox.pipe = os.open(sandbox.index, os.O_RDWR | os.O_NONBLOCK)
    os.write(sandbox.pipe, sandbox.poisoned)


def plant_temporary_links(sandbox: Sandbox) -> None:
    """Plant links with guessed names of temporary files."""
    for number in range(40):
        name = f".{sandbox.name}.{number:024x}.tmp"
        (sandbox.directory / name).symlink_to(sandbox.mallorys / "notes")


def replace_by(
    of: Callable[[Sandbox], Path], make: Callable[[Sandbox, Path], object]
) -> Attack:
    """Return the attack that puts something in place of a directory."""

    def attack(sandbox: Sandbox) -> None:
        path = of(sandbox)
        if os.path.lexists(path):
            path.rename(path.with_name("aside"))
        make(sandbox, path)

    return attack


def cache(sandbox: Sandbox) -> Path:
    return sandbox.directory


def above(sandbox: Sandbox) -> Path:
    return sandbox.parent


def a_directory(sandbox: Sandbox, path: Path) -> None:
    directory = path / sandbox.directory.name if path == sandbox.parent else path
    directory.mkdir(parents=True)
    (directory / sandbox.name).write_bytes(sandbox.poisoned)


def a_link_to(of: Callable[[Sandbox], Path]) -> Callable[[Sandbox, Path], None]:
    return lambda sandbox, path: path.symlink_to(of(sandbox))


ATTACKS: dict[str, list[Attack]] = {
    "another user planted an index earlier": [planted_earlier],
    "another user writes into the index": [write_in_place],
    "another user plants an index": [
        plant_index(bits) for bits in (0o600, 0o644, 0o666)
    ],
    "another user renames a file to the name of the index": [rename_askers_file],
    "another user plants a sibling index": [plant_sibling_index],
    "another user plants a link or a pipe in place of the index": [
        plant_hard_link,
        plant_link,
        plant_link_to_askers_file,
        plant_pipe,
        plant_full_pipe,
    ],
    "another user plants links as temporary files": [plant_temporary_links],
    "another user replaces the cache directory": [replace_by(cache, a_directory)],
    "another user replaces the cache directory by a link": [
        replace_by(cache, a_link_to(lambda sandbox: sandbox.mallorys)),
        replace_by(cache, a_link_to(lambda sandbox: sandbox.downloads)),
    ],
    "another user replaces the directory above the cache directory": [
        replace_by(above, a_directory),
        replace_by(above, a_link_to(lambda sandbox: sandbox.mallorys)),
        replace_by(above, a_link_to(lambda sandbox: sandbox.roots)),
    ],
}
SUDO = "the home directory is owned by another user, as under sudo"
# The number of processes that share a long run.
SHARES = 40


def try_attacks(asker: int, long: bool, share: int) -> dict[str, list[Tried]]:
    """Attack in each situation; check what the asker then finds, and changes."""
    import_all()
    several = [
        (fault, number, attack, situation)
        for fault, some in ATTACKS.items()
        for number, attack in enumerate(some)
        for situation in SITUATIONS
        if long or is_plain(situation)
    ]
    found: dict[str, list[Tried]] = {}
    with make_sandbox(asker) as ours, make_sandbox(asker, RIVAL) as theirs:
        for place, each in list(enumerate(several))[share :: SHARES if long else 2]:
            fault, number, attack, situation = each
            levels = LEVELS if long else [LEVELS[place % len(LEVELS)]]
            variable = VARIABLES[place % len(VARIABLES)]
            if variable == "HOME" and situation.parent[0] == "mallory":
                fault = SUDO
            tried = found.setdefault(fault, [])
            label = f"{fault} {number}, {situation}, {variable}, {asker}"
            for level in levels:
                if carry_out(ours, situation, attack):
                    before = ours.read_protected()
                    tried.append((OURS, ours.ask(level, variable), RIGHT, label))
                    after = (ANSWER, ours.read_protected() == before)
                    tried.append((OURS, after, True, f"{label}: protected files"))
            # Each pipe blocks the rival until it is killed.
            waits = attack in (plant_pipe, plant_full_pipe)
            rare = 20 if waits else 1
            if attack in (plant_sibling_index, plant_temporary_links) or place % (
                rare if long else 5
            ):
                continue  # these concern only lazyplug
            if (long or not waits) and carry_out(theirs, situation, attack):
                tried.append((RIVAL, theirs.ask("", variable), RIGHT, label))
    return found


def carry_out(sandbox: Sandbox, situation: Situation, attack: Attack) -> bool:
    """Create a situation and attack as Mallory; return False if she may not."""
    sandbox.build(situation)
    try:
        with sandbox.as_mallory():
            attack(sandbox)
    except OSError:
        return False
    if situation.repaired:
        if attack in (rename_askers_file, write_in_place):
            return False  # no trace remains: see `try_limits`
        sandbox.own(sandbox.directory, "asker", 0o700)
    return True


def ask_unchecked(asker: int) -> dict[str, list[Any]]:
    """Return the answers after each attack if owners and modes are not checked."""
    import_all()
    found = {}
    open_to_all = Situation(OPEN, OPEN, ("asker", 0o666))
    owned = open_to_all._replace(its_index=("mallory", 0o666))
    none = open_to_all._replace(its_index=None)
    with make_sandbox(asker) as there:
        for fault, some in ATTACKS.items():
            for number, attack in enumerate(some):
                situation = open_to_all
                if attack is planted_earlier:
                    situation = owned
                elif attack is plant_sibling_index:
                    situation = none
                assert carry_out(there, situation, attack), fault
                found[f"{fault} {number}"] = there.ask("full", "HOME", unchecked=True)
    return found


@ASKERS
def test_without_checks_each_attack_imports_the_module_of_mallory(
    asker: int,
) -> None:
    # This proves that the attacks of the next test can succeed.
    found = call_in_fresh_process(ask_unchecked, asker)
    harmless = {
        fault
        for fault, (kind, answer) in found.items()
        if (kind, answer) != (ANSWER, WRONG)
    }
    unreadable = {"another user plants an index 0"} if asker else set()
    assert harmless == unreadable | {
        # a pipe has no length
        "another user plants a link or a pipe in place of the index 3",
        "another user plants a link or a pipe in place of the index 4",
        "another user plants links as temporary files 0",
        # nothing is there
        "another user replaces the directory above the cache directory 2",
    }


@pytest.mark.timeout(3600)
@ASKERS
def test_nothing_that_another_user_plants_is_used_or_changed(
    asker: int, long: bool, tally: Count
) -> None:
    # In a default run the two askers share the attacks.
    for share in range(SHARES) if long else [int(asker == VICTIM)]:
        found = call_in_fresh_process(try_attacks, asker, long, share)
        count_tries(tally, {fault: found[fault] for fault in found if found[fault]})


# ----------------------------------------------------------------- swaps during a read


def ask_during_swaps(asker: int, queries: int) -> list[Any]:
    """Query repeatedly while Mallory swaps the cache directory with something else."""
    import_all()
    found = []
    for level, make in product(
        LEVELS, (a_directory, a_link_to(lambda sandbox: sandbox.mallorys))
    ):
        with make_sandbox(asker) as there:
            there.build(Situation(("asker", 0o777), ("asker", 0o700), ("asker", 0o600)))
            swapping = os.fork()
            if not swapping:
                with there.as_mallory():
                    swap(there, make)
            answer = there.ask(level, "HOME", queries=queries)
            os.kill(swapping, signal.SIGKILL)
            os.waitpid(swapping, 0)
            found.append((OURS, answer, RIGHT, f"{queries} queries, {level}, {asker}"))
    return found


def swap(sandbox: Sandbox, make: Callable[[Sandbox, Path], object]) -> None:
    """Swap the cache directory with something else until this process is killed."""
    other = sandbox.parent / "other"
    make(sandbox, other)
    exchange = ctypes.CDLL(None).renameat2
    here, both = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    while True:
        exchange(here, os.fsencode(other), here, os.fsencode(sandbox.directory), both)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="renameat2")
@ASKERS
def test_a_directory_that_is_swapped_while_it_is_read_is_not_trusted(
    asker: int, long: bool, tally: Count
) -> None:
    fault = "another user swaps the cache directory while it is read"
    count_tries(
        tally,
        {fault: call_in_fresh_process(ask_during_swaps, asker, 5_000 if long else 50)},
    )


# --------------------------------------------------------------- links of one's own


def test_a_link_of_the_same_user_to_the_cache_directory_is_followed(
    late_clock: Ticking,
    site: PlantSite,
    set_path: SetPath,
    isolated: Path,
    tmp_path: Path,
) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    isolated.symlink_to(tmp_path / "elsewhere")
    set_path(site(dist("foo", entry_points="[g]\na = m:f\n")))
    for value in ("m:f", "n:f"):
        lazyplug.invalidate_caches()
        assert [point.value for point in lazyplug.entry_points(group="g")] == [value]
        (file,) = (tmp_path / "elsewhere").iterdir()
        poison(file)


# ------------------------------------------------------------------ documented limits


def try_limits(asker: int) -> dict[str, Any]:
    """Return the answers after attacks that leave no trace for a check."""
    import_all()
    found = {}
    shared = Situation(("asker", 0o777), ("asker", 0o700), ("asker", 0o666))
    with make_sandbox(asker) as there:
        there.build(shared)
        # A directory of the asker next to the cache directory.
        there.downloads.rename(there.parent / "downloads")
        with there.as_mallory():
            there.directory.rename(there.parent / "aside")
            (there.parent / "downloads").rename(there.directory)
        found["a directory of the asker in its place"] = there.ask("full", "HOME")
        there.build(shared)
        (there.roots / there.directory.name).mkdir()
        there.own(there.roots / there.directory.name, "root", 0o755)
        (there.roots / there.directory.name / there.name).write_bytes(there.poisoned)
        with there.as_mallory():
            there.parent.rename(there.home / "aside")
            there.parent.symlink_to(there.roots)
        found["a link above the cache directory"] = there.ask("full", "HOME")
        there.build(shared)
        there.own(there.directory, "asker", 0o777)
        with there.as_mallory():
            write_in_place(there)
        there.own(there.directory, "asker", 0o700)
        there.own(there.index, "asker", 0o600)
        found["modes that were corrected later"] = there.ask("full", "HOME")
    return found


@ASKERS
def test_files_that_docs_say_are_not_checked_are_used(asker: int) -> None:
    # If one of these is fixed, remove it from docs/security.md.
    for found in call_in_fresh_process(try_limits, asker).values():
        assert found == [ANSWER, WRONG]


# ----------------------------------------------------------------------------- settings


def find_variables() -> set[str]:
    """Return the names of all environment variables in the sources of lazyplug."""
    found = set()
    for file in Path(lazyplug.__file__).parent.rglob("*.py"):
        found |= set(re.findall(r"LAZYPLUG_[A-Z_]*[A-Z]", file.read_text("utf-8")))
    return found


def test_variables_are_read_in_one_place_only() -> None:
    assert find_variables() >= {
        "LAZYPLUG_CACHE",
        "LAZYPLUG_CACHE_DIR",
        "LAZYPLUG_CHECK",
    }
    for file in Path(lazyplug.__file__).parent.rglob("*.py"):
        for line in file.read_text("utf-8").splitlines():
            assert not re.search(r"(environ|getenv).*LAZYPLUG", line), (file, line)


SETTINGS = """
import json, os, sys
sys.path[:0] = [{root!r}]
from lazyplug import _environment, _files, _settings
from lazyplug._indexing import storage
get_setting = _settings.get_setting
print(json.dumps({{name: get_setting(name, "ignored") for name in {names!r}}}))
"""


@pytest.mark.parametrize("flag", ["-E", "-I", "-s"])
def test_no_variable_is_read_where_python_ignores_its_own_variables(flag: str) -> None:
    code = SETTINGS.format(root=str(ROOT), names=sorted(find_variables()))
    done = python(flag, "-c", code, env=dict.fromkeys(find_variables(), "planted"))
    expected = "planted" if flag == "-s" else "ignored"
    assert json.loads(done.stdout) == dict.fromkeys(find_variables(), expected)


def ask_with_elevated_privileges(long: bool) -> list[Any]:
    """Query with other privileges than those of the user who set the variables."""
    import_all()
    pairs = [(MALLORY, 0), (MALLORY, VICTIM), (0, VICTIM), (VICTIM, 0)]
    users = [(*pair, MALLORY, MALLORY) for pair in pairs]
    groups = [(MALLORY, MALLORY, *pair) for pair in [*pairs, (MALLORY, SHARED)]]
    several = list(product([*users, *groups], (0, 1), LEVELS, VARIABLES))
    own = Situation(("asker", 0o755), ("asker", 0o700), ("asker", 0o600))
    found = []
    with make_sandbox(0) as there:
        for ids, owner, level, variable in several[:: 1 if long else 7]:
            there.asker = ids[owner]
            there.build(own)
            there.index.write_bytes(there.poisoned)
            answer = there.ask(level, variable, ids=ids)
            label = f"{ids}, cache of {ids[owner]}, {level}, {variable}"
            found.append((OURS, answer, RIGHT, label))
    return found


@needs_root
@pytest.mark.skipif(not hasattr(os, "setresuid"), reason="needs setresuid")
def test_a_process_with_elevated_privileges_uses_no_variable_and_no_cache(
    long: bool, tally: Count
) -> None:
    fault = "another user sets the environment variables (setuid, setgid)"
    count_tries(
        tally, {fault: call_in_fresh_process(ask_with_elevated_privileges, long)}
    )
