"""Measure how long it takes to read an index in other formats.

Milliseconds on top of `python -c pass`, for a process that only reads from disk all
stat signatures of the real environment and the rows of one group. The other formats
contain the same data, and are read by the usual library for each.
"""

from pathlib import Path

from benchmarks.environment import build, default_directory, summary
from benchmarks.pictures import bars
from benchmarks.processes import Case, milliseconds, run_until_reliable, side_by_side
from benchmarks.report import Options, Table, main
from benchmarks.startup import GROUP, LAZYPLUG

OURS = """
import os
from lazyplug._index import Index
opened = os.open(OURS, os.O_RDONLY)
index = Index(lambda offset, length: os.pread(opened, length, offset))
index.watched(), index.rows(GROUP)
"""
WRITE = """
import glob, json, marshal, os, pickle, sqlite3
import orjson
from lazyplug._index import Index, paths
from lazyplug._indexing.layout import decode, table_of
(known,) = glob.glob(f"{OURS}/*.json")
opened = os.open(known, os.O_RDONLY)
index = Index(lambda offset, length: os.pread(opened, length, offset))
signatures = {}
for entry in decode(index):
    for each in entry.distributions:
        file = os.path.join(entry.path, each.file, "entry_points.txt")
        signatures[file] = each.stat_signature
groups = {group: index.rows(group) for group, *_ in table_of(index)}
found = {"signatures": signatures, "groups": groups}
for name, dumps in (
    ("json", lambda value: json.dumps(value).encode()),
    ("marshal", marshal.dumps),
    ("pickle", pickle.dumps),
):
    with open(f"{OTHERS}.{name}", "wb") as file:
        file.write(dumps(found))
with sqlite3.connect(f"{OTHERS}.sqlite") as base:
    base.execute("create table signatures (file text primary key, signature text)")
    base.executemany("insert into signatures values (?, ?)", signatures.items())
    base.execute("create table points (declared text, name text, value text)")
    base.execute("create index by_group on points (declared)")
    for group, rows in groups.items():
        several = [(group, *row[:2]) for row, _ in rows]
        base.executemany("insert into points values (?, ?, ?)", several)
base.close()
"""
READ_ALL = "found = {}; found['signatures'], found['groups'][GROUP]"
BYTES = "open(f'{OTHERS}.%s', 'rb').read()"
SQLITE = """
import sqlite3
base = sqlite3.connect(f"{OTHERS}.sqlite")
base.execute("select * from signatures").fetchall()
base.execute("select * from points where declared = ?", (GROUP,)).fetchall()
"""


def cases(ours: Path, others: Path) -> dict[str, Case]:
    """Return the cases by format.

    :param others: the path of the files in the other formats, without the suffix.
    """
    known = f"GROUP, OURS, OTHERS = {GROUP!r}, {str(ours)!r}, {str(others)!r}\n"
    code = {
        "lines of strings, one group only (lazyplug)": OURS,
        "marshal": "import marshal; "
        + READ_ALL.format(f"marshal.loads({BYTES % 'marshal'})"),
        "pickle": "import pickle; "
        + READ_ALL.format(f"pickle.loads({BYTES % 'pickle'})"),
        "json": "import json; " + READ_ALL.format(f"json.loads({BYTES % 'json'})"),
        "orjson": "import orjson; "
        + READ_ALL.format(f"orjson.loads({BYTES % 'json'})"),
        "sqlite3": SQLITE,
    }
    return {name: Case(known + each) for name, each in code.items()}


def measure(options: Options) -> list[Table]:
    """Write one index in each format, and measure how long it takes to read."""
    python = build(default_directory())
    cache = options.scratch / "ours"
    run_until_reliable(
        python, Case(LAZYPLUG, {"LAZYPLUG_CACHE_DIR": str(cache)}), options.scratch
    )
    others = options.scratch / "others"
    known = f"OURS, OTHERS = {str(cache)!r}, {str(others)!r}\n"
    milliseconds(python, Case(known + WRITE), options.scratch)
    (ours,) = cache.glob("*.json")
    figures = side_by_side(python, cases(ours, others), options.scratch, options.rounds)
    title = f"reading an index, where {summary(python).removesuffix('.')}"
    return [Table(title, "ms on top of `python -c pass`", figures)]


if __name__ == "__main__":
    main("formats", __doc__, measure, 75, bars)
