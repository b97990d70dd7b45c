"""Whatever another user plants, it is not believed, and what is hers is not touched.

Mallory, who has a user id of her own, does all that her rights allow, that a victim or
root may import what she names. The truth is the answer without a cache.
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
from tests.support.apart import ANSWER, apart, attempt
from tests.support.children import python
from tests.support.clock import LATER, Ticking
from tests.support.fixtures import Count, PlantSite, SetPath
from tests.support.heads import poison
from tests.support.seam import fs
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
# Where the cache folder is looked for: by which variable.
VARIABLES = ["LAZYPLUG_CACHE_DIR", "XDG_CACHE_HOME", "HOME"]
FOLDERS = {OURS: "lazyplug", RIVAL: "python-entrypoints"}
# What is found where nobody planted anything: the driver, what is declared, and
# whether what Mallory names was imported.
RIGHT = ["m", ["m:f"], False]
WRONG = ["n", ["n:f"], True]
# `poison` names the module n where m was declared.
MODULES = {
    "m.py": "f = 'm'\n",
    "n.py": "import os\nf = 'n'\nopen(os.environ['MARK'], 'w').close()\n",
}


# ------------------------------------------------------------------ what may be so


class Situation(NamedTuple):
    """Who owns what, with which mode, when Mallory comes; None: it is not there."""

    parent: tuple[str, int]
    directory: tuple[str, int] | None
    its_index: tuple[str, int] | None
    # is the folder made private afterwards?
    mended: bool = False


# Mallory is in the group of all this. "acl": a list of rights lets her write, too.
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
    # There is no index without a folder; nothing else is mended.
    if (each[1] or not each[2]) and not (each[3] and each[:2] != (PRIVATE, OPEN))
]


def is_plain(situation: Situation) -> bool:
    """Return True if at most one thing is not as it should be."""
    parent, directory, its_index, _ = situation
    odd = [parent != PRIVATE, directory != PRIVATE, its_index not in (READABLE, None)]
    return sum(odd) <= 1


class Town:
    """Where Mallory, who asks, and what is installed, live.

    :param base: where all lies; every user may enter it.
    :param asker: the user id of who asks: the victim's or root's.
    :param subject: who is tried.
    """

    def __init__(self, base: Path, asker: int, subject: str) -> None:
        self.base, self.asker, self.subject = base, asker, subject
        self.site, self.marks = base / "site", base / "marks"
        self.home, self.hers = base / "home", base / "mallory"
        self.parent = self.home / ".cache"
        self.directory = self.parent / FOLDERS[subject]
        self.downloads, self.roots = base / "downloads", base / "roots"
        # an end of the pipe that Mallory planted last
        self.pipe = -1
        plant(self.site, {**MODULES, **dist("foo", entry_points="[g]\na = m:f\n")})
        plant(self.marks, {})
        self.marks.chmod(0o777)
        self.name, self.true, self.poisoned = "none yet", b"", b""
        self.name, self.true, self.poisoned = self._index()

    def _index(self) -> tuple[str, bytes, bytes]:
        """Return what an index is called, a true one, and a poisoned one."""
        self.build(Situation(("asker", 0o700), None, None))
        assert self.ask("full", "HOME") == (ANSWER, RIGHT)
        (file,) = self.directory.iterdir()
        true = file.read_bytes()
        if self.subject == OURS:
            return file.name, true, poison(file)
        return file.name, true, true.replace(b'"m:', b'"n:')

    @property
    def index(self) -> Path:
        return self.directory / self.name

    def owner(self, who: str) -> int:
        return {"asker": self.asker, "root": 0, "mallory": MALLORY}[who]

    def own(self, path: Path, owner: str, bits: int) -> None:
        """Give a path to somebody, with a mode."""
        who, _, acl = owner.partition(", ")
        os.chown(path, self.owner(who), SHARED)
        path.chmod(bits)
        if acl:
            try:
                os.setxattr(path, "system.posix_acl_access", rights())
            except (AttributeError, OSError):
                path.chmod(bits | 0o020)  # where there are no such lists

    def build(self, situation: Situation) -> None:
        """Build all anew but what is installed."""
        if self.pipe >= 0:
            os.close(self.pipe)
            self.pipe = -1
        for path in (self.home, self.hers, self.downloads, self.roots):
            shutil.rmtree(path, ignore_errors=True)
        self.roots.mkdir()
        for path, who in ((self.hers, "mallory"), (self.downloads, "asker")):
            # What somebody may have been brought to download.
            tree: Tree = {"notes": "as it was", self.name: self.poisoned}
            plant(path, {**tree, self.directory.name: tree})
            for each in (path, *path.rglob("*")):
                self.own(each, who, 0o755 if each.is_dir() else 0o644)
        self.parent.mkdir(parents=True)
        if situation.directory:
            self.directory.mkdir()
            # A file of the asker's own that lies about.
            (self.directory / "download").write_bytes(self.poisoned)
            self.own(self.directory / "download", *READABLE)
            if situation.its_index:
                who = situation.its_index[0]
                planted = self.poisoned if who == "mallory" else self.true
                self.index.write_bytes(planted)
                self.own(self.index, *situation.its_index)
            self.own(self.directory, *situation.directory)
        for path in (self.parent, self.home):
            self.own(path, *situation.parent)

    @contextmanager
    def as_mallory(self) -> Iterator[None]:
        """Let what is done be done by Mallory."""
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
        believing: bool = False,
        ids: tuple[int, int, int, int] | None = None,
        looks: int = 1,
    ) -> Any:
        """Ask as a new process of the asker's does; see `RIGHT`.

        :param believing: are owners, modes and links not judged?
        :param ids: the real and the effective user and group, if they differ.
        :param looks: how often is asked, while the answer is right.
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
            if believing:
                _files.is_trusted = lambda *_: True
                _files._NOFOLLOW = 0
                for room in (_environment, storage):
                    vars(room)["is_trusted_directory"] = os.path.isdir
            look = ours if self.subject == OURS else rivals
            for _ in range(looks - 1):
                if (found := silently(look)) != RIGHT[:2]:
                    return found
            return silently(look)

        mark.unlink(missing_ok=True)
        kind, found = attempt(act, LIMIT if self.subject == OURS else 5)
        return (kind, [*found, mark.exists()] if kind == ANSWER else found)

    def untouched(self) -> dict[str, Any]:
        """Return what may not be changed by who asks."""
        found: dict[str, Any] = {}
        for directory in (self.hers, self.downloads, self.roots):
            for path in sorted(directory.rglob("*")):
                text = path.read_text() if path.is_file() else ""
                found[str(path)] = path.lstat().st_uid, text
        if self.home.stat().st_uid == MALLORY:
            ours = (
                self.directory.exists() and self.directory.lstat().st_uid == self.asker
            )
            for path in self.home.rglob("*"):
                if not (ours and path.parent == self.directory):
                    found[str(path)] = path.lstat().st_uid
        return found


def ours() -> list[Any]:
    fs.clock = lambda: time.time_ns() + LATER
    lazyplug.invalidate_caches()
    driver = lazyplug.DriverManager[str]("g", "a").driver
    return [driver, [point.value for point in lazyplug.entry_points(group="g")]]


def rivals() -> list[Any]:
    cache = stevedore._cache._c
    cache._dir = stevedore._cache._get_cache_dir()
    cache._disable_caching = False  # as it is where Python does not lie in /tmp
    driver: Any = stevedore.DriverManager("g", "a").driver
    return [driver, [point.value for point in stevedore._cache.get_group_all("g")]]


def rights() -> bytes:
    """Return a list of rights by which Mallory may write, as Linux keeps it."""
    entries = [(1, 6, -1), (2, 7, MALLORY), (4, 0, -1), (0x10, 7, -1), (0x20, 0, -1)]
    packed = [struct.pack("<HHi", tag, bits, who) for tag, bits, who in entries]
    return struct.pack("<I", 2) + b"".join(packed)


@contextmanager
def town(asker: int, subject: str = OURS) -> Iterator[Town]:
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Town(Path(name), asker, subject)


# -------------------------------------------------------------------- what Mallory does

# Raises OSError where she may not.
Strike = Callable[[Town], object]


def leave_it(town: Town) -> None:
    """Have planted an index long ago."""
    if town.index.stat().st_uid != MALLORY:
        raise PermissionError


def write_in_place(town: Town) -> None:
    """Write into the index that is there."""
    with town.index.open("r+b") as file:
        file.write(town.poisoned)
        file.truncate()


def put(town: Town, make: Callable[[Path], object], name: str = "") -> None:
    """Make something in the cache folder, and call it as the index is called."""
    new = town.directory / "new"
    make(new)
    new.replace(town.directory / (name or town.name))


def planted(bits: int) -> Strike:
    def plant_index(town: Town) -> None:
        def make(path: Path) -> None:
            path.write_bytes(town.poisoned)
            path.chmod(bits)

        put(town, make)

    return plant_index


def to_take_over(town: Town) -> None:
    """Plant an index of other path entries, of which unchanged ones are taken over."""
    name = f"{town.name[:16]}-{0:016}.json"
    put(town, lambda path: path.write_bytes(town.poisoned), name)


def of_the_askers(town: Town) -> None:
    """Call a file of the asker's as the index is called."""
    (town.directory / "download").rename(town.index)


def hard_link(town: Town) -> None:
    put(town, lambda path: path.hardlink_to(town.hers / town.name))


def link(town: Town) -> None:
    put(town, lambda path: path.symlink_to(town.hers / town.name))


def link_to_askers(town: Town) -> None:
    put(town, lambda path: path.symlink_to(town.downloads / town.name))


def pipe(town: Town) -> None:
    """Plant a pipe at whose other end nobody is."""
    put(town, os.mkfifo)


def full_pipe(town: Town) -> None:
    """Plant a pipe, and hold a poisoned index ready in it."""
    pipe(town)
    town.pipe = os.open(town.index, os.O_RDWR | os.O_NONBLOCK)
    os.write(town.pipe, town.poisoned)


def temporary_links(town: Town) -> None:
    """Plant links for whoever writes to names that could be guessed."""
    for number in range(40):
        name = f".{town.name}.{number:024x}.tmp"
        (town.directory / name).symlink_to(town.hers / "notes")


def instead(of: Callable[[Town], Path], make: Callable[[Town, Path], object]) -> Strike:
    """Return how she puts something in the place of a folder."""

    def strike(town: Town) -> None:
        path = of(town)
        if os.path.lexists(path):
            path.rename(path.with_name("aside"))
        make(town, path)

    return strike


def cache(town: Town) -> Path:
    return town.directory


def above(town: Town) -> Path:
    return town.parent


def a_folder(town: Town, path: Path) -> None:
    directory = path / town.directory.name if path == town.parent else path
    directory.mkdir(parents=True)
    (directory / town.name).write_bytes(town.poisoned)


def a_link_to(of: Callable[[Town], Path]) -> Callable[[Town, Path], None]:
    return lambda town, path: path.symlink_to(of(town))


STRIKES: dict[str, list[Strike]] = {
    "another user planted an index earlier": [leave_it],
    "another user writes into the index": [write_in_place],
    "another user plants an index": [planted(bits) for bits in (0o600, 0o644, 0o666)],
    "another user renames a file to the name of the index": [of_the_askers],
    "another user plants a sibling index": [to_take_over],
    "another user plants a link or a pipe in place of the index": [
        hard_link,
        link,
        link_to_askers,
        pipe,
        full_pipe,
    ],
    "another user plants links as temporary files": [temporary_links],
    "another user replaces the cache directory": [instead(cache, a_folder)],
    "another user replaces the cache directory by a link": [
        instead(cache, a_link_to(lambda town: town.hers)),
        instead(cache, a_link_to(lambda town: town.downloads)),
    ],
    "another user replaces the directory above the cache directory": [
        instead(above, a_folder),
        instead(above, a_link_to(lambda town: town.hers)),
        instead(above, a_link_to(lambda town: town.roots)),
    ],
}
SUDO = "the home directory is owned by another user, as under sudo"
# Of all that there is to try, a child tries one of so many.
SHARES = 40


def strikes(asker: int, long: bool, share: int) -> dict[str, list[Tried]]:
    """Strike in each situation; see what who asks then finds, and changes."""
    import_all()
    several = [
        (fault, number, strike, situation)
        for fault, some in STRIKES.items()
        for number, strike in enumerate(some)
        for situation in SITUATIONS
        if long or is_plain(situation)
    ]
    found: dict[str, list[Tried]] = {}
    with town(asker) as ours, town(asker, RIVAL) as theirs:
        for place, each in list(enumerate(several))[share :: SHARES if long else 2]:
            fault, number, strike, situation = each
            levels = LEVELS if long else [LEVELS[place % len(LEVELS)]]
            variable = VARIABLES[place % len(VARIABLES)]
            if variable == "HOME" and situation.parent[0] == "mallory":
                fault = SUDO
            tried = found.setdefault(fault, [])
            label = f"{fault} {number}, {situation}, {variable}, {asker}"
            for level in levels:
                if struck(ours, situation, strike):
                    before = ours.untouched()
                    tried.append((OURS, ours.ask(level, variable), RIGHT, label))
                    after = (ANSWER, ours.untouched() == before)
                    tried.append((OURS, after, True, f"{label}: what is not ours"))
            # Each pipe keeps the rival waiting.
            waits = strike in (pipe, full_pipe)
            rare = 20 if waits else 1
            if strike in (to_take_over, temporary_links) or place % (
                rare if long else 5
            ):
                continue  # only lazyplug does what these are about
            if (long or not waits) and struck(theirs, situation, strike):
                tried.append((RIVAL, theirs.ask("", variable), RIGHT, label))
    return found


def struck(town: Town, situation: Situation, strike: Strike) -> bool:
    """Build a situation, and let Mallory strike; false if she may not."""
    town.build(situation)
    try:
        with town.as_mallory():
            strike(town)
    except OSError:
        return False
    if situation.mended:
        if strike in (of_the_askers, write_in_place):
            return False  # nothing tells it afterwards: see `not_judged`
        town.own(town.directory, "asker", 0o700)
    return True


def believing(asker: int) -> dict[str, list[Any]]:
    """Return what is found after each strike by who believes whatever lies there."""
    import_all()
    found = {}
    open_to_all = Situation(OPEN, OPEN, ("asker", 0o666))
    hers = open_to_all._replace(its_index=("mallory", 0o666))
    none = open_to_all._replace(its_index=None)
    with town(asker) as there:
        for fault, some in STRIKES.items():
            for number, strike in enumerate(some):
                situation = open_to_all
                if strike is leave_it:
                    situation = hers
                elif strike is to_take_over:
                    situation = none
                assert struck(there, situation, strike), fault
                found[f"{fault} {number}"] = there.ask("full", "HOME", believing=True)
    return found


@ASKERS
def test_whoever_believes_what_lies_there_imports_what_mallory_names(
    asker: int,
) -> None:
    # This proves that the strikes of the next test are some.
    found = apart(believing, asker)
    harmless = {
        fault
        for fault, (kind, answer) in found.items()
        if (kind, answer) != (ANSWER, WRONG)
    }
    not_to_be_read = {"another user plants an index 0"} if asker else set()
    assert harmless == not_to_be_read | {
        # a pipe has no length
        "another user plants a link or a pipe in place of the index 3",
        "another user plants a link or a pipe in place of the index 4",
        "another user plants links as temporary files 0",
        # nothing is there
        "another user replaces the directory above the cache directory 2",
    }


@pytest.mark.timeout(3600)
@ASKERS
def test_nothing_that_another_user_plants_is_believed_or_touched(
    asker: int, long: bool, tally: Count
) -> None:
    # In a default run the two askers share what there is to try.
    for share in range(SHARES) if long else [int(asker == VICTIM)]:
        found = apart(strikes, asker, long, share)
        count_tries(tally, {fault: found[fault] for fault in found if found[fault]})


# ----------------------------------------------------------------- while it is read


def swapped(asker: int, looks: int) -> list[Any]:
    """Ask again and again while Mallory exchanges the cache folder for something."""
    import_all()
    found = []
    for level, make in product(LEVELS, (a_folder, a_link_to(lambda town: town.hers))):
        with town(asker) as there:
            there.build(Situation(("asker", 0o777), ("asker", 0o700), ("asker", 0o600)))
            swapping = os.fork()
            if not swapping:
                with there.as_mallory():
                    swap(there, make)
            answer = there.ask(level, "HOME", looks=looks)
            os.kill(swapping, signal.SIGKILL)
            os.waitpid(swapping, 0)
            found.append((OURS, answer, RIGHT, f"{looks} looks, {level}, {asker}"))
    return found


def swap(town: Town, make: Callable[[Town, Path], object]) -> None:
    """Exchange the cache folder and what is made here, for ever."""
    hers = town.parent / "hers"
    make(town, hers)
    exchange = ctypes.CDLL(None).renameat2
    here, both = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    while True:
        exchange(here, os.fsencode(hers), here, os.fsencode(town.directory), both)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="renameat2")
@ASKERS
def test_what_is_swapped_while_it_is_read_is_not_believed(
    asker: int, long: bool, tally: Count
) -> None:
    fault = "another user swaps the cache directory while it is read"
    count_tries(tally, {fault: apart(swapped, asker, 5_000 if long else 50)})


# ---------------------------------------------------------------- what is ours to do


def test_a_link_of_ones_own_to_the_cache_folder_is_followed(
    reliable: Ticking,
    site: PlantSite,
    only: SetPath,
    isolated: Path,
    tmp_path: Path,
) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    isolated.symlink_to(tmp_path / "elsewhere")
    only(site(dist("foo", entry_points="[g]\na = m:f\n")))
    for value in ("m:f", "n:f"):
        lazyplug.invalidate_caches()
        assert [point.value for point in lazyplug.entry_points(group="g")] == [value]
        (file,) = (tmp_path / "elsewhere").iterdir()
        poison(file)


# ------------------------------------------------------------------ what is not judged


def not_judged(asker: int) -> dict[str, Any]:
    """Return what is found where Mallory could do what nothing tells afterwards."""
    import_all()
    found = {}
    shared = Situation(("asker", 0o777), ("asker", 0o700), ("asker", 0o666))
    with town(asker) as there:
        there.build(shared)
        # Something of the asker's that lies beside the cache folder.
        there.downloads.rename(there.parent / "downloads")
        with there.as_mallory():
            there.directory.rename(there.parent / "aside")
            (there.parent / "downloads").rename(there.directory)
        found["a folder of the asker's in its place"] = there.ask("full", "HOME")
        there.build(shared)
        (there.roots / there.directory.name).mkdir()
        there.own(there.roots / there.directory.name, "root", 0o755)
        (there.roots / there.directory.name / there.name).write_bytes(there.poisoned)
        with there.as_mallory():
            there.parent.rename(there.home / "aside")
            there.parent.symlink_to(there.roots)
        found["a link above the cache folder"] = there.ask("full", "HOME")
        there.build(shared)
        there.own(there.directory, "asker", 0o777)
        with there.as_mallory():
            write_in_place(there)
        there.own(there.directory, "asker", 0o700)
        there.own(there.index, "asker", 0o600)
        found["modes that were put right afterwards"] = there.ask("full", "HOME")
    return found


@ASKERS
def test_what_docs_say_is_not_judged_is_believed(asker: int) -> None:
    # Whoever mends one of these may strike it from docs/security.md.
    for found in apart(not_judged, asker).values():
        assert found == [ANSWER, WRONG]


# ------------------------------------------------------------------------- the settings


def names() -> set[str]:
    """Return the names of all our environment variables, by the sources."""
    found = set()
    for file in Path(lazyplug.__file__).parent.rglob("*.py"):
        found |= set(re.findall(r"LAZYPLUG_[A-Z_]*[A-Z]", file.read_text("utf-8")))
    return found


def test_settings_are_read_in_one_place_only() -> None:
    assert names() >= {"LAZYPLUG_CACHE", "LAZYPLUG_CACHE_DIR", "LAZYPLUG_CHECK"}
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
def test_no_setting_is_read_where_python_reads_none_of_its_own(flag: str) -> None:
    code = SETTINGS.format(root=str(ROOT), names=sorted(names()))
    done = python(flag, "-c", code, env=dict.fromkeys(names(), "planted"))
    said = "planted" if flag == "-s" else "ignored"
    assert json.loads(done.stdout) == dict.fromkeys(names(), said)


def raised(long: bool) -> list[Any]:
    """Ask with rights that are not those of who set the environment."""
    import_all()
    rights = [(MALLORY, 0), (MALLORY, VICTIM), (0, VICTIM), (VICTIM, 0)]
    users = [(*pair, MALLORY, MALLORY) for pair in rights]
    groups = [(MALLORY, MALLORY, *pair) for pair in [*rights, (MALLORY, SHARED)]]
    several = list(product([*users, *groups], (0, 1), LEVELS, VARIABLES))
    own = Situation(("asker", 0o755), ("asker", 0o700), ("asker", 0o600))
    found = []
    with town(0) as there:
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
def test_nothing_is_believed_of_who_started_a_process_with_more_rights(
    long: bool, tally: Count
) -> None:
    fault = "another user sets the environment variables (setuid, setgid)"
    count_tries(tally, {fault: apart(raised, long)})
