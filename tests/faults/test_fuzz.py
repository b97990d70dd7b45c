"""Fuzz entry_points.txt and the index: no crash, no harm to other distributions.

The bytes come from hypothesis, and from atheris where it is installed, which searches
for bytes that reach new code.
"""

import importlib.util
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from importlib_metadata import PathDistribution
from stevedore._cache import Cache

import lazyplug
from lazyplug._index import rows_of, texts
from lazyplug._indexing.scan import scan_distribution
from lazyplug.testing import dist, plant
from tests.support.clock import hour_ahead_clock, process
from tests.support.damage import compact
from tests.support.environments import plant_raw
from tests.support.fixtures import Count, SetPath
from tests.support.fuzzing import World
from tests.support.index_format import Distribution, from_bytes
from tests.support.index_heads import STRANGE, in_lines, places, replaced
from tests.support.index_parts import READS, IndexParts
from tests.support.oracle import fresh, needs_oracle, warm

T = TypeVar("T")

# ------------------------------------------------- (a) any bytes as entry_points.txt

lines = st.sampled_from(
    [
        b"[g]", b"[h]", b"[]", b"[", b"]", b"a = m:f", b"b=m", b"c = m:f [x]", b"=",
        b"no equals", b"# comment", b"a = \xff", b"[\xc3\xa9]", b"\xef\xbb\xbf[g]",
        b"\0", b"[g\0]", b"a\0 = m\0:f", b"\xed\xa0\x80 = m", b"\xf4\x90\x80\x80",
        "\u00a0[g]\u2003".encode(), "a\u2003=\u3000m:f\u00a0".encode(),
        b"a = " + b"m" * 70_000, b"[" * 70_000, b"x" * 70_000, b" " * 70_000,
    ]
)  # fmt: skip
ends = st.sampled_from(
    [b"\n"] * 6
    + [b"\r\n", b"\r", b"\n\r", b"\v", b"\f", b"\x1c", b"\x85", b"\0", b""]
    + ["\x85".encode(), "\u2028".encode(), "\u2029".encode()]
)
declarations = (
    st.lists(st.tuples(lines, ends), max_size=8).map(
        lambda found: b"".join(part for pair in found for part in pair)
    )
    | st.binary(max_size=60)
    | st.text(max_size=40).map(lambda text: text.encode("utf-16"))
    | st.text(max_size=40).map(lambda text: text.encode("utf-8", "surrogatepass"))
)
DIRECTORY = "any-1.0.dist-info"
DECLARED = "arbitrary bytes in an entry_points.txt"
SEALED = "an index with arbitrary content and valid checksums"


EXAMPLES = [
    b"[g]\n" + b"a = m:f\n" * 100_000,
    b"[g]\n" + b"".join(b"a%d = m:f\n[g%d]\n" % (n, n) for n in range(50_000)),
    b"\n" * 1_000_000,
    b"[g]\na = " + b"[" * 1_000_000,
    b"\xff\xfe[\0g\0]\0",
]


def try_any(
    count: Any, number: int, ask: Callable[..., Any], **strategies: Any
) -> None:
    """Ask with values from hypothesis; any answer but [] is a fault."""

    @settings(max_examples=number, deadline=None)
    @given(**strategies)
    def check(**drawn: Any) -> None:
        before = count.wrong, count.crashes, count.hangs
        count.check(lambda: ask(**drawn), [])
        assert before == (count.wrong, count.crashes, count.hangs), count.examples

    check()


@needs_oracle
def test_any_bytes_declare_the_same_as_for_importlib_metadata(
    tmp_path: Path, long: bool, tally: Count
) -> None:
    directory = (
        plant(tmp_path, {DIRECTORY: {"METADATA": "Name: any\nVersion: 1.0\n"}})
        / DIRECTORY
    )

    def find_difference(data: bytes) -> Any:
        (directory / "entry_points.txt").write_bytes(data)
        found = scan_distribution(str(tmp_path), DIRECTORY, 0)
        assert isinstance(found, Distribution)
        try:
            points = PathDistribution(directory).entry_points
        except (TypeError, UnicodeDecodeError):
            return [] if found.problems else "no problem"
        declared = {
            group: [(name, value) for name, value, *_ in rows_of(texts("[" + text)[2:])]
            for group, text in (found.fragments or {}).items()
        }
        expected: dict[str, list[tuple[str, str]]] = {}
        for point in points:
            expected.setdefault(point.group, []).append((point.name, point.value))
        return [] if declared == expected else (declared, expected)

    with tally(DECLARED) as count:
        for data in EXAMPLES:
            count.check(partial(find_difference, data), [])
        try_any(count, 10_000 if long else 150, find_difference, data=declarations)


metadata = (
    st.binary(max_size=60)
    | st.lists(
        st.sampled_from(
            [b"Name: any", b"Name:", b"Version: 1", b"\xff", b"\0", b": x", b"Name"]
        )
    ).map(b"\n".join)
    | st.none()
)
GOOD = dist("good", entry_points="[g]\ngood = m:f\n[h]\ngood = m:f\n")


def test_any_bytes_in_one_distribution_do_not_affect_another(
    tmp_path: Path, long: bool, tally: Count
) -> None:
    site, cache = plant(tmp_path / "site", GOOD), tmp_path / "cache"
    good = str(site / "good-1.0.dist-info")
    ticks = hour_ahead_clock()

    def harm(points: bytes, headers: "bytes | None", file: str) -> list[str]:
        files = {"entry_points.txt": points, "METADATA": headers}
        plant_raw(site, {file: {k: v for k, v in files.items() if v is not None}})
        faults = []
        with process([str(site)], cache, ticks):
            alone = fresh()
            if alone[good].points != (("g", "good", "m:f"), ("h", "good", "m:f")):
                faults.append("harm")
            if not warm() == warm() == alone:  # written, and read
                faults.append("differs from a scan")
            problems = lazyplug.problems()
            if [problem for problem in problems if "good" in problem.path]:
                faults.append("a problem of another")
            lazyplug.invalidate_caches()
            if lazyplug.problems() != problems:
                faults.append("other problems")
        shutil.rmtree(site / file)
        shutil.rmtree(cache)
        return faults

    files = st.sampled_from([DIRECTORY, "-1.dist-info"])
    with tally(DECLARED) as count:
        # Fewer groups, since each is queried.
        for data in [*EXAMPLES[2:], *EXAMPLES[: int(long)]]:
            count.check(partial(harm, data, None, DIRECTORY), [])
        number = 5_000 if long else 50
        try_any(count, number, harm, points=declarations, headers=metadata, file=files)


def test_effects_of_any_bytes_in_one_distribution_on_stevedore_are_counted(
    tmp_path: Path, set_path: SetPath, long: bool, tally: Count
) -> None:
    site, cache = plant(tmp_path / "site", GOOD), tmp_path / "cache"
    set_path(site)

    def harm(points: bytes) -> list[str]:
        plant_raw(site, {DIRECTORY: {"entry_points.txt": points}})
        try:
            found = Cache(str(cache)).get_group_all("g")
        finally:
            shutil.rmtree(site / DIRECTORY)
            shutil.rmtree(cache, ignore_errors=True)
        return [] if "good" in [point.name for point in found] else ["harm"]

    with tally(DECLARED, "stevedore") as count:

        @settings(max_examples=5_000 if long else 50, deadline=None)
        @given(points=declarations)
        def check(points: bytes) -> None:
            count.check(partial(harm, points), [])

        check()


# -------------------------------------------------------- (b) any bytes as an index


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("fuzz"))


@pytest.fixture(scope="module")
def changed(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Return a world in which the index is stale."""
    world = World(tmp_path_factory.mktemp("fuzz"))
    world.make_stale()
    return world


tokens = st.binary(max_size=4) | st.sampled_from(
    [
        b'"', b",", b"[", b"]", b"{", b"}", b":", b"\n", b"\\", b"\\u0000", b"\\ud800",
        b"0", b"1", b"-", b"9" * 20, b"9" * 5000, b"1e999", b"NaN", b"null", b"true",
        b"[" * 2000, b"\xff", b"\0", b'"g"', b'""', b"[]", b"{}", b"entry_points.txt",
    ]
)  # fmt: skip
edits = st.lists(
    st.tuples(st.floats(0, 1), st.integers(0, 3) | st.integers(0, 400), tokens),
    min_size=1,
    max_size=4,
)


def edit(data: bytes, changes: list[tuple[float, int, bytes]]) -> bytes:
    """Return data with the bytes at some positions replaced."""
    for where, length, token in changes:
        at = int(where * len(data))
        data = data[:at] + token + data[at + length :]
    return data


def test_any_edit_of_an_index_changes_no_answer(
    world: World, long: bool, tally: Count
) -> None:
    def harm(changes: list[tuple[float, int, bytes]]) -> list[str]:
        world.put(edit(world.intact, changes))
        faults = [] if world.ask() == world.truth else ["wrong"]
        # Bytes between the parts are not read, and do no harm.
        now = from_bytes(world.file.read_bytes())
        intact = from_bytes(world.intact)
        faults += ["not repaired" for read in READS if read(now) != read(intact)]
        return faults if world.ask() == world.truth else [*faults, "wrong again"]

    with tally("arbitrary edits of the index") as count, world.process():
        try_any(count, 5_000 if long else 100, harm, changes=edits)


json_values = st.sampled_from(STRANGE) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=9)
        | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=10,
)
fractions = st.floats(0, 1)
# Other bytes, or another JSON value in a line.
mutations = edits | st.tuples(fractions, fractions, json_values)


def pick(several: Sequence[T], where: float) -> T:
    """Return the item at a relative position, from 0 (the first) to 1 (the last)."""
    return several[min(int(where * len(several)), len(several) - 1)]


def mutate(text: bytes, how: Any) -> bytes:
    """Return a text of an index with other bytes, or with another value in a line."""
    if isinstance(how, list):
        return edit(text, how)
    line, path, value = how
    all_lines = text.split(b"\n")
    at = pick(range(len(all_lines)), line)
    try:
        document = json.loads(all_lines[at])
    except (ValueError, RecursionError):
        return text  # after the last line, or no longer JSON
    all_lines[at] = compact(replaced(document, pick([*places(document)], path), value))
    return b"\n".join(all_lines)


reassemblies = st.fixed_dictionaries(
    {
        "texts": st.lists(st.tuples(fractions, mutations), max_size=3),
        "head": st.none() | st.tuples(fractions, json_values),
    }
)


def reassemble(data: bytes, changes: Any) -> bytes:
    """Return an index with changed texts or a changed head, and valid checksums."""
    index_parts = IndexParts(data)
    texts = index_parts.texts.copy()
    for where, how in changes["texts"]:
        at = pick(range(len(texts)), where)
        texts[at] = mutate(texts[at], how)
    head, table = index_parts.head_and_table(texts)
    if changes["head"]:
        path, value = changes["head"]
        head = replaced(head, pick([*places(head)], path), value)
    return index_parts.assemble(in_lines(head) + b"\n" + table, texts)


def with_text(data: bytes, at: int, before: bytes, after: bytes) -> bytes:
    """Return an index with a replacement in one text, and valid checksums."""
    index_parts = IndexParts(data)
    texts = index_parts.texts.copy()
    assert before in texts[at]
    texts[at] = texts[at].replace(before, after)
    head, table = index_parts.head_and_table(texts)
    return index_parts.assemble(in_lines(head) + b"\n" + table, texts)


@pytest.mark.covers
def test_a_changed_index_with_valid_checksums_is_read_or_raises_value_error(
    world: World, long: bool, tally: Count
) -> None:
    def read(changes: Any) -> list[str]:
        try:
            index = from_bytes(reassemble(world.intact, changes))
        except ValueError:
            return []
        for part in READS:
            try:
                part(index)
            except ValueError:
                continue
        return []

    with tally(SEALED) as count:
        try_any(count, 30_000 if long else 200, read, changes=reassemblies)


HOW = [
    "as it is",
    "a file changed",
    "another sys.path",
    "a volatile path entry",
    "trusted",
]


# Changes that crashed once: the text of the index, and the bytes that replace others.
WATCH, GROUP, RECORDS = 0, 4, -1
CRASHED = {
    "a file of the watch list that is not a text": (WATCH, b'["bar', b'[1,"\\u0062ar'),
    "a watch list that is not JSON": (WATCH, b'["bar', b'"\\u0062ar'),
    "a name that is not a text": (GROUP, b'"foo","a",', b'"f\\u006fo",5,'),
    "a value that is not a text": (GROUP, b'"m:f"', b"{}"),
    "a key that is not a text": (GROUP, b'"foo","a",', b'["foo"],"a",'),
    "a line of a group that is not JSON": (GROUP, b'["0","0","odd', b'["0","0\\","odd'),
    "an incomplete row": (GROUP, b'"foo","a",', b'"foo",'),
    "a row of a missing path entry": (GROUP, b'["0","0","foo', b'["0","99","foo'),
    "a row before the first path entry": (GROUP, b'["0","0","foo', b'["0","-3","foo'),
    "a row of a path entry without number": (
        GROUP,
        b'["0","0","foo',
        b'["0","","foo',
    ),
    "an invalid line number": (GROUP, b'"f","2"', b'"f","x"'),
    "a group without lines": (GROUP, b"\n", b""),
    "a record that is not JSON": (RECORDS, b'"0","g","h"]', b'"0","g\\","h"]'),
    "a record that is not a text": (RECORDS, b'["solo-1.0.dist-info",', b"[1,"),
    "an escape in a record that is not JSON": (
        RECORDS,
        b'-1.0.dist-info","odd"',
        b'\\u0061",x',
    ),
    "an empty record": (RECORDS, b'["solo', b"\n"),
    "a stat signature that is not a text": (
        RECORDS,
        b'"1","1","METADATA","',
        b'"0","1",0,["',
    ),
    "an invalid stat signature": (RECORDS, b'"solo","', b'"solo","x'),
    "a record that is cut short": (
        RECORDS,
        b'"METADATA","-","0","g","h"]',
        b'"METADATA"]',
    ),
    "a group of a record that is not a text": (RECORDS, b'"g","h"]', b'"g",1]'),
    "more problems than there are": (RECORDS, b'"0","g","h"]', b'"9","g","h"]'),
    "problems without a number": (RECORDS, b'"0","g","h"]', b'"x","g","h"]'),
    "a negative number of problems": (RECORDS, b'"0","g","h"]', b'"-1","g","h"]'),
    "a problem without a line": (RECORDS, b'"0","g","h"]', b'"1","g","h","i"]'),
    "a separate line of an unknown kind": (RECORDS, b'["","0",', b'["","2",'),
    "a separate line that is cut short": (RECORDS, b'["","0","0"', b'["","0"'),
    "a plain distribution without a key": (
        RECORDS,
        b'"bar-1.0.dist-info","bar"',
        b'"bar"',
    ),
}


@pytest.mark.parametrize("how", HOW)
@pytest.mark.covers
def test_no_content_of_an_index_with_valid_checksums_causes_a_crash(
    how: str,
    world: World,
    changed: World,
    monkeypatch: pytest.MonkeyPatch,
    long: bool,
    tally: Count,
) -> None:
    here = changed if how == "a file changed" else world
    more = {"another sys.path": ["c"], "a volatile path entry": ["tree"]}.get(how, [])
    if how == "trusted":
        monkeypatch.setenv("LAZYPLUG_CHECK", "none")
    if how == "a volatile path entry":
        monkeypatch.chdir(here.root / "tree")

    def ask(data: bytes) -> list[str]:
        here.put(data)
        for _ in range(2):
            here.ask()
        return []

    def ask_changed(changes: Any) -> list[str]:
        return ask(reassemble(here.intact, changes))

    process = here.process(*[str(here.root / site) for site in more])
    with tally(SEALED) as count, process:
        for label, change in CRASHED.items():
            count.check(partial(ask, with_text(here.intact, *change)), [], label)
        try_any(count, 3_000 if long else 50, ask_changed, changes=reassemblies)


def test_unchanged_parts_assemble_to_the_same_index(world: World) -> None:
    nothing: dict[str, Any] = {"texts": [], "head": None}
    assert reassemble(world.intact, nothing) == world.intact


# ------------------------------------------------------ (c) bytes that reach new code


@pytest.mark.skipif(
    importlib.util.find_spec("atheris") is None,
    reason="atheris is not installed: there is one for Linux on x86_64",
)
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("script", "fault"), [("fuzz_points.py", DECLARED), ("fuzz_index.py", SEALED)]
)
def test_bytes_that_reach_new_code_cause_no_crash(
    script: str, fault: str, tmp_path: Path, long: bool, tally: Count
) -> None:
    if not long:
        pytest.skip("takes minutes: only with --long")
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    bounds = ["-max_total_time=120", "-timeout=20", f"-artifact_prefix={tmp_path}/"]
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name(script)), str(corpus), *bounds],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    runs = re.search(r"^Done (\d+) runs", done.stderr, re.MULTILINE)

    def report() -> list[str]:
        if done.returncode or runs is None:
            raise AssertionError(done.stdout[-2000:] + done.stderr[-2000:])
        return []

    with tally(fault) as count:
        count.check(report, [], script)
        count.tries = int(runs[1]) if runs else 1
