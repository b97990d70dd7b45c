"""Test that any environment and any damaged index give the answer of a new scan."""

import email
import importlib.metadata
import os
import shutil
import sys
import tempfile
import time
from _thread import get_ident
from collections import Counter
from collections.abc import Callable
from importlib.machinery import PathFinder
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import importlib_metadata
import pytest
from hypothesis import example, given, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)
from importlib_metadata import (
    DistributionFinder,
    MetadataPathFinder,
    PathDistribution,
)

import lazyplug
from lazyplug import _environment
from lazyplug._answers import pluggy as pluggy_answers
from lazyplug._content import stat_hash
from lazyplug._distribution import identify
from lazyplug._indexing import metadata as metadata_module
from lazyplug._indexing.layout import encode, regroup
from lazyplug._indexing.shadowing import sort_distributions
from lazyplug._json_text import to_json
from lazyplug.testing import plant
from tests.support.children import ask
from tests.support.clock import (
    LATER,
    Clockwork,
    Ticking,
    after_last_change,
    hour_ahead_clock,
    process,
)
from tests.support.environments import plant_raw
from tests.support.index_format import (
    Distribution,
    Index,
    PathEntry,
    decode,
    fingerprint,
    fingerprint_of,
    fragments,
    from_bytes,
    groups_of,
    paths,
    stat_hashes,
)
from tests.support.oracle import (
    IS_ORACLE,
    Declared,
    _in_file_order,
    answer,
    distributions,
    entry_points_texts,
    fresh,
    metadata,
    names,
    needs_oracle,
    trees,
    values,
    warm,
)
from tests.support.properties import examples

# ----------------------------------------------------------------- the two answers


class OracleAnswer(NamedTuple):
    """The answer of importlib_metadata, for one distribution at a time."""

    # the path of the metadata that is used -> what it declares
    declared: dict[str, Declared]
    # paths where the oracle raises, or depends on the order of a directory listing
    incomparable: set[str]


def _get(distribution: Any, attribute: str) -> str | None:
    try:
        value: str = getattr(distribution, attribute)
    except (KeyError, FileNotFoundError, UnicodeDecodeError):
        return None
    return value


def ask_oracle(path: list[str]) -> OracleAnswer:
    """Ask importlib_metadata for each distribution: it may raise for one of them."""
    finder = MetadataPathFinder()
    finder.invalidate_caches()
    candidates: dict[str, list[tuple[int, bool, Any]]] = {}
    incomparable = set()
    for place, directory in enumerate(path):
        context = DistributionFinder.Context(path=[directory])  # type: ignore[no-untyped-call]
        for distribution in finder.find_distributions(context):
            where = str(distribution._path)
            try:
                key = distribution._normalized_name
            except (KeyError, FileNotFoundError, UnicodeDecodeError):
                key = ""
            if not key:
                # The engine ignores a distribution with an empty name; the oracle
                # takes all of these for the same distribution.
                incomparable.add(where)
                continue
            valid = distribution._has_metadata()
            candidates.setdefault(key, []).append((place, valid, distribution))
    declared = {}
    for several in candidates.values():
        # The order is stable: the first with metadata, else the first.
        place, valid, winner = min(several, key=lambda c: not c[1])
        if len([c for c in several if c[:2] == (place, valid)]) > 1:
            incomparable.update(str(c[2]._path) for c in several)
            continue
        where = str(winner._path)
        try:
            found = [(e.group, e.name, e.value) for e in winner.entry_points]
        except (TypeError, UnicodeDecodeError):
            incomparable.add(where)
            continue
        if found:
            declared[where] = Declared(
                _get(winner, "name"), _get(winner, "version"), _in_file_order(found)
            )
    return OracleAnswer(declared, incomparable)


def compare(found: dict[str, Declared], expected: OracleAnswer) -> None:
    """Fail if the engine's answer differs from the oracle's, where that has one."""
    comparable = {
        where: _comparable(declared, expected.declared.get(where))
        for where, declared in found.items()
        if where not in expected.incomparable
    }
    assert comparable == expected.declared


def _comparable(found: Declared, expected: Declared | None) -> Declared:
    """Return a declaration without the name and version that the oracle lacks."""
    if expected is not None and expected.name is None:
        found = found._replace(name=None)
    if expected is not None and expected.version is None:
        found = found._replace(version=None)
    return found


# ---------------------------------------------------------- (a) any environment


@needs_oracle
@examples(200)
@given(tree=trees())
def test_in_any_environment_the_answer_is_that_of_importlib_metadata(
    tmp_path_factory: pytest.TempPathFactory, tree: dict[str, dict[str, Any]]
) -> None:
    root = Path(tempfile.mkdtemp(dir=tmp_path_factory.getbasetemp()))
    for site, content in tree.items():
        plant_raw(root / site, content)
    path = [str(root / site) for site in tree]
    expected = ask_oracle(path)
    with process(path, root / "cache", hour_ahead_clock()):
        compare(fresh(), expected)
        compare(answer(), expected)  # writes the index
        assert os.listdir(root / "cache")
        compare(warm(), expected)
        # The oracle above uses parts of importlib_metadata. They must agree with its
        # entry_points(), unless that raises.
        declared = expected.declared.values()
        if not expected.incomparable and not any(None in d for d in declared):
            MetadataPathFinder.invalidate_caches()
            points = importlib_metadata.entry_points()
            assert Counter(
                (e.group, e.name, e.value, e.dist.name, e.dist.version) for e in points
            ) == Counter(
                (e.group, e.name, e.value, *identify(e._owner)[:2])
                for e in lazyplug.entry_points()
                if e._owner is not None
            )
    shutil.rmtree(root)


@pytest.mark.covers
@examples(100)
@given(tree=trees(), group=st.sampled_from(["g", "h"]))
def test_in_any_environment_pluggy_lists_distributions_in_the_order_of_the_finder(
    tmp_path_factory: pytest.TempPathFactory,
    tree: dict[str, dict[str, Any]],
    group: str,
) -> None:
    library = importlib.metadata
    root = Path(tempfile.mkdtemp(dir=tmp_path_factory.getbasetemp()))
    for site, content in tree.items():
        plant_raw(root / site, content)
    path = [str(root / site) for site in tree]
    path += ["", str(root / "absent"), path[0]]
    find = library.MetadataPathFinder.find_distributions
    with (
        process(path, root / "cache", hour_ahead_clock()),
        pytest.MonkeyPatch.context() as patch,
    ):
        # importlib_metadata takes this away when it is imported.
        patch.setattr(PathFinder, "find_distributions", find, raising=False)
        patch.setattr(sys, "meta_path", [PathFinder])
        found = []
        # With other finders of distributions, the library lists them, and we filter.
        for only_finder in PathFinder, None:
            patch.setattr(pluggy_answers, "PathFinder", only_finder)
            pluggy_answers._groups[get_ident()] = group
            listed = pluggy_answers.distributions(library, library.distributions)
            found.append([(type(dist), str(dist._path)) for dist in listed])
    assert found[0] == found[1]
    shutil.rmtree(root)


# ----------------------------------------------------------------- (b) any history


SITES = ("a", "b", "c")
PLAIN_NAMES = ("foo", "Foo.Bar")
some_points = st.sampled_from(
    [
        None,
        "",
        "[g]\na = m:f\n",
        "[g]\na = m:g\n",
        "[g]\nb = m:f\n[h]\na = m:f\n",
        "[h]\na = m:f\nno equals\n",
    ]
)
picks = st.sampled_from(range(60))


class Environment(RuleBasedStateMachine):
    """Three site directories that installers, editors and accidents change."""

    base: Path  # set by the tests

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp(dir=self.base))
        self.probe = self.root / "probe"
        self.path = [str(self.root / site) for site in SITES[:2]]
        # Metadata directories whose METADATA was removed: until their next scan,
        # their names and versions are remembered.
        self.without_metadata: set[str] = set()
        self._context = process(self.path, self.root / "cache", self.make_clock())
        self._context.__enter__()

    def make_clock(self) -> Ticking:
        raise NotImplementedError

    def teardown(self) -> None:
        self._context.__exit__(None, None, None)
        shutil.rmtree(self.root)

    # Installed distributions.

    def installed(self) -> list[Path]:
        return sorted(
            directory
            for site in SITES
            for directory in (self.root / site).glob("*-info")
            if directory.is_dir()
        )

    def pick(self, number: int) -> Path:
        found = self.installed()
        return found[number % len(found)]

    def pick_file(self, number: int) -> Path | None:
        found = [d / "entry_points.txt" for d in self.installed()]
        found = [file for file in found if file.is_file()]
        return found[number % len(found)] if found else None

    # The check after each step.

    def check(self) -> None:
        now_warm, now_fresh = warm(), fresh()
        note(f"{sys.path}\n{now_warm}")
        expected = ask_oracle(sys.path) if IS_ORACLE else OracleAnswer({}, set())
        for found in (now_warm, now_fresh, expected.declared):
            for where in self.without_metadata & found.keys():
                found[where] = found[where]._replace(name=None, version=None)
        assert now_warm == now_fresh
        if IS_ORACLE:
            compare(now_warm, expected)
        assert warm().keys() == now_warm.keys()

    # The steps.

    @initialize(points=st.lists(some_points, min_size=4, max_size=4))
    def begin(self, points: list[str | None]) -> None:
        for number, text in enumerate(points):
            self.put(SITES[number % 2], PLAIN_NAMES[number // 2], "1.0", text)
        self.put("b", "", "1.0", points[0], name="foo")
        self.check()

    def put(
        self,
        site: str,
        stem: str,
        version: str,
        points: str | None,
        kind: str = ".dist-info",
        has_metadata: bool = True,
        name: str | None = None,
    ) -> None:
        directory = self.root / site / f"{stem}-{version}{kind}"
        shutil.rmtree(directory, ignore_errors=True)
        source = "METADATA" if kind == ".dist-info" else "PKG-INFO"
        files = (
            {source: metadata(name or stem or None, version)} if has_metadata else {}
        )
        if points is not None:
            files["entry_points.txt"] = points
        plant_raw(directory, files)
        self.without_metadata.discard(str(directory))
        if not has_metadata:
            self.without_metadata.add(str(directory))

    @rule(
        site=st.sampled_from(SITES),
        name=st.sampled_from(PLAIN_NAMES),
        version=st.sampled_from(["1.0", "2.0"]),
        kind=st.sampled_from([".dist-info", ".dist-info", ".egg-info"]),
        points=some_points,
        has_metadata=st.booleans(),
    )
    def install(
        self,
        site: str,
        name: str,
        version: str,
        kind: str,
        points: str | None,
        has_metadata: bool,
    ) -> None:
        """Install a distribution over existing files, like `pip install --target`."""
        self.put(site, name, version, points, kind, has_metadata)
        self.check()

    @rule(
        site=st.sampled_from(SITES),
        name=st.sampled_from([None, "lone", *PLAIN_NAMES]),
        points=some_points,
    )
    def install_nameless(self, site: str, name: str | None, points: str | None) -> None:
        """Install a distribution whose metadata directory is not named after it."""
        self.put(site, "", "1.0", points, name=name)
        self.check()

    @precondition(lambda self: bool(self.installed()))
    @rule(number=picks)
    def remove(self, number: int) -> None:
        shutil.rmtree(self.pick(number))
        self.check()

    @precondition(lambda self: bool(self.installed()))
    @rule(number=picks, site=st.sampled_from(SITES), version=st.sampled_from("123"))
    def rename(self, number: int, site: str, version: str) -> None:
        """Move a metadata directory, to another site or another version."""
        directory = self.pick(number)
        stem, _, rest = directory.name.partition("-")
        target = self.root / site / f"{stem}-{version}.0{rest[rest.index('.', 2) :]}"
        if stem and target != directory:
            target.parent.mkdir(exist_ok=True)
            shutil.rmtree(target, ignore_errors=True)
            directory.rename(target)
            self.without_metadata.discard(str(target))
            if not (target / "METADATA").exists():
                self.without_metadata.add(str(target))
        self.check()

    @precondition(lambda self: bool(self.installed()))
    @rule(number=picks, points=some_points)
    def rewrite(self, number: int, points: str | None) -> None:
        """Write entry_points.txt in place; or add it, or remove it."""
        file = self.pick(number) / "entry_points.txt"
        if points is None:
            file.unlink(missing_ok=True)
        else:
            file.write_text(points)
        self.check()

    @rule(number=picks, replace=st.booleans(), restore=st.booleans())
    def edit_in_the_same_size(self, number: int, replace: bool, restore: bool) -> None:
        """Change one letter, in place or by a new file, and perhaps keep the mtime."""
        file = self.pick_file(number)
        if file is None:
            return
        before, text = file.stat(), file.read_text()
        letters = [at for at, letter in enumerate(text) if letter.isalpha()]
        if letters:
            at = letters[number % len(letters)]
            letter = "b" if text[at] == "a" else "a"
            text = text[:at] + letter + text[at + 1 :]
        if replace:
            new = file.with_suffix(".new")
            new.write_text(text)
            os.replace(new, file)
        else:
            file.write_text(text)
        if restore:
            os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
        self.check()

    @rule(number=picks, ahead=st.sampled_from([-(10**9), 0, 10**9, LATER * 30]))
    def set_mtime(self, number: int, ahead: int) -> None:
        """Set an mtime without a change, into the future too."""
        file = self.pick_file(number)
        if file is not None:
            at = time.time_ns() + ahead
            os.utime(file, ns=(at, at))
        self.check()

    @rule(one=picks, other=picks)
    def swap(self, one: int, other: int) -> None:
        """Exchange two entry_points.txt, each with its own mtime and inode."""
        first, second = self.pick_file(one), self.pick_file(other)
        if first and second and first != second:
            aside = self.root / "aside"
            first.rename(aside)
            second.rename(first)
            aside.rename(second)
        self.check()

    @precondition(lambda self: bool(self.installed()))
    @rule(number=picks)
    def remove_metadata(self, number: int) -> None:
        directory = self.pick(number)
        (directory / "METADATA").unlink(missing_ok=True)
        (directory / "PKG-INFO").unlink(missing_ok=True)
        self.without_metadata.add(str(directory))
        self.check()

    @precondition(lambda self: bool(self.installed()))
    @rule(
        number=picks,
        name=st.sampled_from(["lone", "sole", *PLAIN_NAMES]),
        version=st.sampled_from(["1.0", "3.0"]),
    )
    def write_metadata(self, number: int, name: str, version: str) -> None:
        directory = self.pick(number)
        source = "PKG-INFO" if directory.suffix == ".egg-info" else "METADATA"
        (directory / source).write_text(metadata(name, version))
        self.without_metadata.discard(str(directory))
        self.check()

    @rule(site=st.sampled_from(SITES))
    def remove_or_restore_a_site_directory(self, site: str) -> None:
        directory, aside = self.root / site, self.root / f"{site}-aside"
        if directory.exists() and not aside.exists():
            directory.rename(aside)
        elif aside.exists() and not directory.exists():
            aside.rename(directory)
        self.check()

    @rule(one=st.sampled_from(SITES), other=st.sampled_from(SITES))
    def swap_site_directories(self, one: str, other: str) -> None:
        first, second, aside = (self.root / n for n in (one, other, "aside-site"))
        if one != other and first.exists() and second.exists():
            first.rename(aside)
            second.rename(first)
            aside.rename(second)
            self.without_metadata = {
                str(f)
                for f in self.installed()
                if not (f / "METADATA").exists() and not (f / "PKG-INFO").exists()
            }
        self.check()

    @rule(
        order=st.lists(st.sampled_from(SITES), min_size=1, max_size=4),
        cache_lost=st.sampled_from([False, False, False, True]),
    )
    def set_path(self, order: list[str], cache_lost: bool) -> None:
        if cache_lost:
            shutil.rmtree(self.root / "cache", ignore_errors=True)
        sys.path[:] = [str(self.root / site) for site in order]
        self.check()


class ReliableTimes(Environment):
    """No stat data is racy: it alone must show every change."""

    def make_clock(self) -> Ticking:
        return hour_ahead_clock()

    def check(self) -> None:
        super().check()
        after_last_change(self.probe)


class CoarseTimes(Environment):
    """File times in whole seconds, as on old file systems, and the real clock."""

    def make_clock(self) -> Ticking:
        return Ticking(10**9)


class StoppedClock(Environment):
    """Several steps within one tick, and stat data that is racy until time passes."""

    def make_clock(self) -> Ticking:
        self.clockwork = Clockwork(self.probe)
        return self.clockwork

    @rule(nanoseconds=st.sampled_from([4 * 10**6, 10**9, 3 * 10**9]))
    def time_passes(self, nanoseconds: int) -> None:
        self.clockwork.move(nanoseconds)
        self.check()


@pytest.mark.hypothesis
@pytest.mark.parametrize("machine", [ReliableTimes, CoarseTimes, StoppedClock])
def test_after_any_history_the_index_gives_the_answer_of_a_new_scan(
    machine: type[Environment], tmp_path: Path
) -> None:
    machine.base = tmp_path
    run_state_machine_as_test(
        machine,
        settings=settings(examples(60), stateful_step_count=25),
    )


# ------------------------------------------------------------------ (c) the grammar

near_grammar = st.text(
    "ab_.:[], \t\n\r\f\x1c\u00a0\u2028\u00e9=#\u0660\u00b2-]", max_size=12
)


@needs_oracle
@examples(600)
@given(value=near_grammar | st.text(max_size=20) | values)
@example("m:f[x\n]")
@example("m:f[x]\n")
@example("m [x]:f]")
@example("m\n:\nf\n")
def test_a_value_is_split_as_importlib_metadata_splits_it(value: str) -> None:
    point = importlib_metadata.EntryPoint("name", value, "group")
    expected: tuple[str | None, str | None] = None, None
    try:
        expected = point.module, point.attr
    except ValueError:
        with pytest.raises(ValueError, match="not a valid reference"):
            _ = lazyplug.EntryPoint("name", value, "group").module
    else:
        assert lazyplug.EntryPoint("name", value, "group").extras == point.extras
    assert metadata_module.split_value(value) == expected


@examples(300)
@given(name=names | st.text("aB-_.\u00e9\u0130", max_size=12) | st.text(max_size=12))
def test_a_name_is_normalized_as_importlib_metadata_does(name: str) -> None:
    normalize: Callable[[str], str] = importlib_metadata.Prepared.normalize
    assert metadata_module.normalize(name) == normalize(name)


@examples(300)
@given(file=distributions().map(lambda found: found[0]) | st.text(max_size=20))
@example("..dist-info")
@example("...egg-info")
@example(".a.dist-info")
def test_the_name_in_a_directory_name_is_found_as_importlib_metadata_does(
    file: str,
) -> None:
    name_from: Callable[[str], str | None] = PathDistribution._name_from_stem
    assert metadata_module.stem(file)[0] == (name_from(file) or "")


@examples(600)
@given(
    text=entry_points_texts()
    | st.text("[]=#ab: \n\r\f\x85\u2028\u00a0", max_size=30)
    | st.text(max_size=30)
)
@example("\ufeff[g]\na = m:f\n")
@example("[[g]]\n[a]b = c\n[=]\n")
def test_any_text_is_parsed_as_importlib_metadata_parses_it(text: str) -> None:
    points, problems = metadata_module.parse(text, "file")
    assert all(line > 0 and reason for _, line, reason in problems)
    from_text: Callable[[str], Any] = importlib_metadata.EntryPoints._from_text
    try:
        expected = [(e.group, e.name, e.value) for e in from_text(text)]
    except TypeError:
        assert any(reason.startswith("no '='") for _, _, reason in problems)
        return
    assert [(group, *row[:2]) for group, row in points] == expected
    lines = text.splitlines()
    for _, (name, value, module, attr, number) in points:
        assert (module, attr) == metadata_module.split_value(value)
        assert name in lines[number - 1]
        assert value in lines[number - 1]


header_names = st.sampled_from(
    ["Name", "Version", "NAME", "version", "Summary", "Name-Of", "Author"]
)
header_values = st.text(
    st.characters(exclude_categories=("C", "Z")) | st.sampled_from(":# "), max_size=8
).map(str.strip)


@examples(300)
@given(
    headers=st.lists(st.tuples(header_names, header_values.filter(bool)), max_size=6),
    folded=st.booleans(),
    ends=st.sampled_from(["\n", "\r\n"]),
    body=st.text(max_size=20),
)
def test_name_and_version_in_metadata_are_those_that_the_email_parser_reads(
    headers: list[tuple[str, str]], folded: bool, ends: str, body: str
) -> None:
    lines = [f"{name}: {value}" for name, value in headers]
    if folded:
        lines.append(f"License: some{ends}        Name: folded{ends}\tVersion: folded")
    text = ends.join(lines) + ends * 2 + body
    message = email.message_from_string(text)
    assert metadata_module.headers(text) == (
        message["Name"] or "",
        message["Version"] or "",
    )


# ------------------------------------------------------------------- (d) any damage

# os.fsdecode maps bytes that are not UTF-8 to U+DC80 to U+DCFF.
any_text = st.text(
    st.characters(exclude_categories=["Cs"])
    | st.characters(min_codepoint=0xDC80, max_codepoint=0xDCFF, categories=["Cs"]),
    max_size=8,
)
few_texts = st.sampled_from(["a", "b", '"', "[\n,", "\u2028\u00e9\\"]) | any_text
signatures = st.lists(st.integers(0, 2**64), min_size=4, max_size=4).map(
    lambda four_numbers: " ".join(map(str, four_numbers))
)
some_problems = st.lists(st.tuples(any_text, st.integers(0, 99), any_text), max_size=2)
some_rows = st.lists(
    st.tuples(
        any_text,
        any_text,
        # None if it is missing: neither is ever empty
        any_text.map(lambda text: text or None),
        any_text.map(lambda text: text or None),
        st.integers(0, 9),
    ),
    min_size=1,
    max_size=2,
)


class Metadata(NamedTuple):
    """The content of a metadata directory."""

    key: str
    source: str | None
    source_signature: str | None
    stat_signature: str | None
    reliable: bool
    named: bool
    groups: dict[str, list[Any]]
    problems: list[Any]

    def record(self, file: str) -> Distribution:
        points = [(g, row) for g, rows in self.groups.items() for row in rows]
        return Distribution(
            file,
            self.key,
            self.stat_signature,
            self.reliable,
            self.named,
            self.source,
            self.source_signature,
            problems=self.problems,
            fragments=fragments(file, self.key, points),
        )


any_metadata = st.builds(
    Metadata,
    st.sampled_from(["foo", "bar"]),
    st.sampled_from(["METADATA", "PKG-INFO", "", None]),
    st.none() | signatures,
    st.none() | signatures,
    st.booleans(),
    st.booleans(),
    st.dictionaries(few_texts, some_rows, max_size=2),
    some_problems,
)
FIELDS = (
    "file", "key", "stat_signature", "reliable", "named", "source", "source_signature",
    "groups", "problems",
)  # fmt: skip
EXAMPLE = Metadata(
    "foo",
    "METADATA",
    "5 6 7 8",
    "5 6 7 8",
    True,
    True,
    {"g": [("a", "m:f", "m", "f", 2)], "h": [("a", "m", "m", None, 4)]},
    [("/site", 0, "reason")],
)
# path entries and their metadata directories
Sites = dict[str, dict[str, Metadata]]
any_sites = st.dictionaries(
    few_texts,
    st.dictionaries(few_texts.filter(bool), any_metadata, max_size=3),
    max_size=3,
)
# Mostly the same simple content, since only the changes matter.
simple_metadata = st.builds(
    lambda key, source, groups: EXAMPLE._replace(key=key, source=source, groups=groups),
    st.sampled_from(["", "", "", "", "foo"]),  # "": replaced by a name of its own
    st.sampled_from(["METADATA", "METADATA", None]),
    st.fixed_dictionaries(
        {},
        optional={
            group: st.sampled_from([[("a", "m:f", "m", "f", n)] for n in range(3)])
            for group in ("g", "h")
        },
    ),
)
simple_sites = st.dictionaries(
    st.sampled_from(["/a", "/b"]),
    st.dictionaries(
        st.sampled_from(["v", "w", "x", "y", "z"]), simple_metadata, max_size=4
    ),
    max_size=2,
)


def make_entry(path: str, distributions: list[Distribution]) -> PathEntry:
    plain = {f"{path}-plain": f"plain of {path}"}
    ordered, problems = sort_distributions(path, distributions)
    return PathEntry(path, "1 2 3 4", True, False, problems, plain, ordered)


def status_of(stat_signature: str | None) -> Any:
    """Return the status of a file with this stat signature."""
    stat_hashes = [int(each, 16) for each in str(stat_signature).split(" ")]
    fields = "st_mtime_ns", "st_ctime_ns", "st_size", "st_ino"
    return SimpleNamespace(**dict(zip(fields, stat_hashes)))


def encode_sites(sites: Sites) -> bytes:
    """Return an index of these sites that is encoded without a previous index."""
    entries = [
        make_entry(path, [found.record(file) for file, found in files.items()])
        for path, files in sites.items()
    ]
    return encode("/prefix", entries, regroup(entries, [], {}))


def as_json(entries: list[PathEntry]) -> str:
    return to_json(
        [
            [
                [e.path, e.stat_signature, e.reliable, e.archive, e.problems, e.plain],
                [[getattr(d, field) for field in FIELDS] for d in e.distributions],
            ]
            for e in entries
        ]
    )


four_numbers = st.tuples(*[st.integers(0, 2**63)] * 4)


@examples(300)
@given(
    st.lists(four_numbers, min_size=1, max_size=6, unique=True),
    st.randoms(),
    st.integers(0, 3),
    st.integers(1, 2**40),
)
def test_a_fingerprint_differs_if_one_number_of_one_file_differs(
    files: list[tuple[int, ...]], random: Any, field: int, more: int
) -> None:
    signatures = [" ".join([f"{number:x}" for number in file]) for file in files]
    combined = fingerprint(stat_hashes(map(status_of, signatures)))
    assert combined == fingerprint_of(list(map(stat_hash, signatures)))
    other = signatures.copy()
    random.shuffle(other)  # files that were exchanged for each other
    assert (combined == fingerprint_of(list(map(stat_hash, other)))) == (
        other == signatures
    )
    changed = list(files[0])
    changed[field] += more
    signatures[0] = " ".join([f"{number:x}" for number in changed])
    assert combined != fingerprint_of(list(map(stat_hash, signatures)))


def test_a_fingerprint_is_the_same_in_every_process() -> None:
    signatures = ["18ea7e78649a3e82 18ea7e78649a3e82 18 3f2823", "1 2 3 4"]
    for seed in ("0", "1"):
        assert fingerprint_of(list(map(stat_hash, signatures))) == ask(
            f"""
            import json
            from lazyplug._content import stat_hash
            from lazyplug._indexing.watch import fingerprint_of
            print(json.dumps(fingerprint_of([*map(stat_hash, {signatures})])))
            """,
            env={"PYTHONHASHSEED": seed},
        )


@examples(200)
@given(sites=any_sites)
def test_decoding_an_encoded_index_gives_the_same_content(sites: Sites) -> None:
    data = encode_sites(sites)
    data.decode("ascii")
    index = from_bytes(data)
    assert index.key == ["/prefix", *sites]
    entries = [
        make_entry(path, [found.record(file) for file, found in files.items()])
        for path, files in sites.items()
    ]
    assert as_json(decode(index)) == as_json(entries)
    # Of several with one key the first with metadata is used, or else the first.
    order = [
        (d.source is None, place, at, sites[entry.path][d.file])
        for place, entry in enumerate(entries)
        for at, d in enumerate(entry.distributions)
    ]
    winner = {
        key: min(o[:3] for o in order if o[3].key == key)
        for key in {found.key for *_, found in order}
    }
    for group in {group for *_, found in order for group in found.groups}:
        expected = [
            (place, row)
            for no_source, place, at, found in order
            if winner[found.key] == (no_source, place, at)
            for row in found.groups.get(group, ())
        ]
        assert [(owner[3], row) for row, owner in index.rows(group)] == expected
    assert index.rows("no such group") == []
    watch = index.watched()
    for place, _, present, combined, _ in watch:
        signatures_of: dict[str, str | None] = {}
        of_several = place[-1] == ","
        for entry in entries if of_several else [entries[int(place)]]:
            root = entry.path.removesuffix("/") + "/" if of_several else ""
            for d in entry.distributions:
                file = root + d.file
                signatures_of[f"{file}/entry_points.txt"] = d.stat_signature
                signatures_of[f"{file}/{d.source}" if d.source else file] = (
                    d.source_signature
                )
        seen = [signatures_of[os.fsdecode(file)] for file in paths(present)]
        # A file without a stat signature never matches.
        wanted = "" if None in seen else fingerprint(stat_hashes(map(status_of, seen)))
        assert combined == wanted
    watched = [
        file for _, *lines, _, _ in watch for line in lines for file in paths(line)
    ]
    assert len(watched) >= len(order) + len(sites)


@examples(500)
@given(
    before=simple_sites | any_sites,
    after=simple_sites,
    same_order=st.booleans(),
    kept=st.lists(st.booleans(), min_size=10, max_size=10),
)
def test_an_updated_index_equals_one_that_is_newly_written(
    before: Sites, after: Sites, same_order: bool, kept: list[bool]
) -> None:
    if same_order:
        after = {path: after.get(path, {}) for path in before}
    for path, files in (*before.items(), *after.items()):
        files |= {
            file: found if found.key else found._replace(key=f"{path}/{file}")
            for file, found in files.items()
        }
    decide = iter(kept * 2)
    for path in before.keys() & after.keys():
        for file, found in before[path].items():
            if next(decide):
                after[path][file] = found
    index = from_bytes(encode_sites(before))
    old = decode(index)
    records = {(e.path, d.file): d for e in old for d in e.distributions}
    new = [
        make_entry(
            path,
            [
                records[path, file]
                if before.get(path, {}).get(file) is found
                else found.record(file)
                for file, found in files.items()
            ],
        )
        for path, files in after.items()
    ]
    groups = regroup(new, old, groups_of(index))
    assert encode("/prefix", new, groups) == encode_sites(after)


class Damage(NamedTuple):
    """A kind of damage to the bytes of an index."""

    kind: str
    where: float
    bit: int
    junk: bytes

    def apply(self, data: bytes) -> bytes:
        at = int(self.where * len(data))
        if self.kind == "flip":
            return data[:at] + bytes([data[at] ^ 1 << self.bit]) + data[at + 1 :]
        if self.kind == "replace":
            return data[:at] + self.junk + data[at + len(self.junk) :]
        if self.kind == "insert":
            return data[:at] + self.junk + data[at:]
        return data[:at] if self.kind == "cut" else self.junk


damages = st.builds(
    Damage,
    st.sampled_from(["flip", "cut", "replace", "insert", "all"]),
    st.floats(0, 1, exclude_max=True),
    st.integers(0, 7),
    st.binary(min_size=1, max_size=40)
    | st.sampled_from([b"[" * 40, b"9" * 40, b"\n", b'"', b"null", b"-1", b"1e999"]),
)


ONE_SITE: Sites = {
    "/site": {name: EXAMPLE._replace(key=name) for name in ("a", "b", "c")}
}


QUERIES: list[Callable[[Index], Any]] = [
    lambda index: index.watched(),
    lambda index: index.rows("g"),
    lambda index: index.rows("h"),
    lambda index: index.rows("absent"),
    lambda index: as_json(decode(index)),
]


@examples(1000)
@given(damage=damages)
def test_damage_is_detected_when_it_is_read(damage: Damage) -> None:
    intact = encode_sites(ONE_SITE)
    good = from_bytes(intact)
    try:
        index = from_bytes(damage.apply(intact))
    except ValueError:
        return
    assert index.key == good.key
    for query in QUERIES:
        try:
            found = query(index)
        except ValueError:
            continue
        assert found == query(good)


TWO_SITES = {
    "a": {
        "foo-1.0.dist-info": {
            "METADATA": metadata("foo", "1.0"),
            "entry_points.txt": "[g]\na = m:f\n[h]\na = m:f\n",
        },
        "bar-1.0.dist-info": {"METADATA": metadata("bar", "1.0")},
    },
    "b": {
        "foo-2.0.dist-info": {
            "METADATA": metadata("foo", "2.0"),
            "entry_points.txt": "[g]\nshadowed = m:f\n",
        }
    },
}


@pytest.fixture(scope="module")
def two_sites(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return plant(tmp_path_factory.mktemp("damage"), TWO_SITES)


@examples(300)
@given(damage=damages)
def test_a_damaged_index_gives_the_answer_of_a_new_scan_and_is_repaired(
    two_sites: Path, damage: Damage
) -> None:
    cache = two_sites / "cache"
    shutil.rmtree(cache, ignore_errors=True)
    with process(
        [str(two_sites / "a"), str(two_sites / "b")], cache, hour_ahead_clock()
    ):
        good = warm()
        (file,) = cache.glob("*.json")
        intact = file.read_bytes()
        file.write_bytes(damage.apply(intact))
        lazyplug.invalidate_caches()
        # A manager asks for one group, which reads the smallest part of the index.
        assert [row[0] for row, _ in _environment.current().rows("g")] == ["a"]
        assert warm() == good == fresh()
        assert lazyplug.problems() == []
        repaired = from_bytes(file.read_bytes())
        for query in QUERIES:
            assert query(repaired) == query(from_bytes(intact))
