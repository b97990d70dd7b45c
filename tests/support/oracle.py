"""Compare the engine's answer with that of importlib_metadata."""

import os
from typing import Any, NamedTuple

import pytest
from hypothesis import strategies as st

import lazyplug
from lazyplug._distribution import identify
from tests.support.libraries import newest

# The oracle is the newest importlib_metadata: older ones differ (see docs), as does
# Python's own importlib.metadata, which takes its place if it is not installed.
IS_ORACLE = hasattr(newest.PathDistribution, "_has_metadata")
needs_oracle = pytest.mark.skipif(
    not IS_ORACLE, reason="this importlib_metadata is too old to be the oracle"
)


class Declared(NamedTuple):
    """What one distribution declares: its name, its version and its entry points."""

    name: str | None  # None: the oracle raises an exception
    version: str | None
    points: tuple[tuple[str, str, str], ...]


def _in_file_order(points: list[tuple[str, str, str]]) -> tuple[Any, ...]:
    # lazyplug answers group by group; within a group, lines keep their order.
    return tuple(sorted(points, key=lambda point: point[0]))


def answer() -> dict[str, Declared]:
    """Return the answer of lazyplug, by metadata directory."""
    owners: dict[str, Any] = {}
    points: dict[str, list[tuple[str, str, str]]] = {}
    everything = lazyplug.entry_points()
    for point in everything:
        owner = point._owner
        assert owner is not None
        where = os.path.join(owner[1], owner[2])
        owners[where] = owner
        points.setdefault(where, []).append((point.group, point.name, point.value))
    for group in everything.groups | {"no such group"}:
        # A single group is read from its own rows, all groups from the records.
        alone = lazyplug.entry_points(group=group)
        assert list(alone) == list(everything.select(group=group))
        assert [p._owner and p._owner[:4] for p in alone] == [
            p._owner and p._owner[:4] for p in everything.select(group=group)
        ]
    declared = {}
    for where, owner in owners.items():
        name, version, _ = identify(owner)
        declared[where] = Declared(name, version, _in_file_order(points[where]))
    return declared


def fresh() -> dict[str, Declared]:
    """Return the answer of a process that neither reads nor writes an index."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAZYPLUG_CACHE", "off")
        lazyplug.invalidate_caches()
        found = answer()
    lazyplug.invalidate_caches()
    return found


def warm() -> dict[str, Declared]:
    """Return the answer of a process that reads the index of earlier ones."""
    lazyplug.invalidate_caches()
    return answer()


ODD_NAMES = [
    "foo", "Foo", "FOO", "foo.bar", "Foo_Bar", "foo--bar", "f", "_", "~oo",
    "Zope.Interface", "stra\u00dfe", "\u0130stanbul", "\u540d\u524d", "a b", "foo=1",
]  # fmt: skip


names = st.sampled_from(ODD_NAMES) | st.text("aB-_.\u00e91~", min_size=1, max_size=5)
versions = st.sampled_from(["1.0", "2.0", "10.0", "1.0rc1", "0", "1.0+local", ""])
spaces = st.sampled_from(["", "", " ", "\t", "  ", "\u00a0", "\u2003"])
words = st.sampled_from(["a", "b", "run", "a.b", "A", "caf\u00e9", "x-y", "two words"])
values = st.sampled_from(
    [
        "m:f", "m", "m.n:f.g", "m : f", "m:f [x]", "m:f[x,y]", "m [x, y]", "m:f [x",
        "m:f]", "", ":", ":f", "m:", "m-n:f", "m:f:g", "m:f = 1", "caf\u00e9:\u540d",
        "m:f # no comment", "m:f [x]\u00a0", "1:2", ".:.", "m f",
    ]
)  # fmt: skip


groups = st.sampled_from(["g", "h", "g.h", "console_scripts", "", "g h", "\u00e9", '"'])


@st.composite
def entry_points_texts(draw: st.DrawFn) -> str:
    """Return an entry_points.txt, rarely with a line that makes the oracle raise."""
    lines = []
    for _ in range(draw(st.integers(0, 6))):
        s = [draw(spaces) for _ in range(4)]
        kind = draw(st.integers(0, 19))
        if kind < 6:
            lines.append(f"{s[0]}[{draw(groups)}]{s[1]}")
        elif kind < 15:
            line = f"{draw(words)}{s[1]}={s[2]}{draw(values)}"
            lines.append(f"{s[0]}{line}{s[3]}")
        else:
            others = ["", " ", "# c = m:f", "  # c", "[[g]]", "[ g ]", "[]", "= m:f"]
            odd = ["[g] # no group", "; c = d", "\ufeff[g]", "[", "no equals"]
            lines.append(draw(st.sampled_from(others if kind < 19 else odd)))
    separators = st.sampled_from(["\n"] * 8 + ["\r\n", "\r", "\f", "\u2028", "\x1c"])
    return "".join(line + draw(separators) for line in lines)


def metadata(name: str | None, version: str | None, more: str = "") -> str:
    lines = ["Metadata-Version: 2.1"]
    lines += [] if name is None else [f"Name: {name}"]
    lines += [] if version is None else [f"Version: {version}"]
    return "\n".join(lines) + f"\n{more}\nName: in-the-body\nVersion: 9\n"


@st.composite
def metadata_files(draw: st.DrawFn, name: str) -> dict[str, Any]:
    """Return the files that declare a name and a version, or fail to."""
    declared = draw(st.sampled_from([name] * 6 + ["Other.Name", "n\u00e4me"]))
    version = draw(versions.filter(bool))
    text = metadata(declared, version, draw(st.sampled_from(["", "Summary: a: b\n"])))
    return draw(
        st.sampled_from(
            [{"METADATA": text}] * 8
            + [
                {"PKG-INFO": text},
                {"METADATA": text, "PKG-INFO": metadata("loser", "0")},
                {"METADATA": "", "PKG-INFO": text},
                {"METADATA": ""},
                {},
                {"METADATA": metadata(declared, None)},
                {"METADATA": metadata(None, version)},
                {"METADATA": text.replace("Name", "NAME", 1)},
                {"METADATA": text.replace("Metadata-Version: 2.1\n", "")},
                {"METADATA": b"Name: \xff\n\n"},
                {"METADATA": text.replace("\n", "\r\n").encode()},
            ]
        )
    )


@st.composite
def distributions(draw: st.DrawFn) -> tuple[str, Any]:
    """Return the name of a metadata directory, and its content."""
    name, version = draw(names), draw(versions)
    versioned = f"{name}-{version}" if version else name
    file = draw(
        st.sampled_from(
            [f"{versioned}.dist-info"] * 8
            + [
                f"{versioned}.egg-info",
                f"{versioned}-py3.11.egg-info",
                f"{versioned}.DIST-INFO",
                f"-{version}.dist-info",
                ".dist-info",
                f"--{version}.egg-info",
                f"~{versioned[1:]}.dist-info",
                f"{versioned}.dist-info.bak",
                "EGG-INFO",
                "egg-info",
            ]
        )
    )
    files: dict[str, Any] = draw(metadata_files(name))
    if file.endswith(".egg-info") and draw(st.integers(0, 2)) == 0:
        return file, metadata(name, version or "1.0")
    odd: list[Any] = [None, "", {}, b"[g]\na = \xff:b\n"]
    points: Any = draw(entry_points_texts())
    if draw(st.integers(0, 15)) == 0:
        points = draw(st.sampled_from(odd))
    if points is not None:
        files = {**files, "entry_points.txt": points}
    return file, files


@st.composite
def trees(draw: st.DrawFn) -> dict[str, dict[str, Any]]:
    """Return one to three site directories by name; some of them are `.egg`."""
    found: dict[str, dict[str, Any]] = {}
    for number in range(draw(st.integers(1, 3))):
        site = f"site{number}"
        if draw(st.integers(0, 5)) == 0:
            site = f"{draw(names)}-1.{number}-py3.11.egg"
        content: dict[str, Any] = {
            "foo": {"__init__.py": ""},
            "readme.dist-info.txt": "",
        }
        taken = {name.casefold() for name in content}
        for file, files in draw(st.lists(distributions(), max_size=4)):
            # Not every file system can hold two names that differ only in case.
            if file.casefold() not in taken:
                taken.add(file.casefold())
                content[file] = files
        found[site] = content
    return found


# From this version on, for entry_points() as well, a distribution without metadata
# does not shadow one with metadata.
NEWEST_ORACLE = IS_ORACLE and tuple(
    int(number) for number in newest.version("importlib_metadata").split(".")[:2]
) >= (10, 1)
