"""Fuzz the code that reads and updates an index: `fuzz_index.py CORPUS -runs=N`.

An input is the header of an index and its other parts, with `BETWEEN` between them.
This script fills in checksums, offsets and lengths, which no fuzzer guesses, so that
all the code after their checks is reached. Reading may raise only ValueError, and an
update may raise nothing.
"""

import contextlib
import sys
from pathlib import Path

import atheris  # type: ignore[import-untyped]

# After the installed packages: the tests are not installed.
sys.path.append(str(Path(__file__).parents[2]))

with atheris.instrument_imports(include=["lazyplug"]):
    from lazyplug import _environment
    from lazyplug._indexing.rebuild import rebuild
    from lazyplug._indexing.update import update
    from tests.support.damage import compact
    from tests.support.fuzzing import World
    from tests.support.index_format import from_bytes
    from tests.support.index_parts import READS, IndexParts

BETWEEN = b"\n--\n"
CLOCK = 1 << 62
# The words in capitals are replaced by values that differ in each run, or that depend
# on the other parts.
HEADER = b'KEY\nSIGNATURES\n[]\n["1",RECORDS]\nWATCH\nTABLE'


def fill_in(header: bytes, texts: list[bytes], index_parts: IndexParts) -> bytes:
    """Return a header with values instead of the words in capitals."""
    (key, signatures, _, records, watch), table = index_parts.head_and_table(texts)
    header = header.replace(b"RECORDS", compact(records[1:])[1:-1])
    values = {b"KEY": key, b"SIGNATURES": signatures, b"WATCH": watch}
    for name, value in values.items():
        header = header.replace(name, compact(value))
    return header.replace(b"TABLE", table)


def seeds(index_parts: IndexParts) -> list[bytes]:
    """Return the first inputs: the index as it is, and with racy stat signatures."""
    racy = HEADER.replace(b"[]", b'["0","1"]')
    headers = [HEADER, racy, HEADER.replace(b'"1"', b'"0"')]
    return [BETWEEN.join([header, *index_parts.texts]) for header in headers]


corpus = Path(sys.argv[1]).resolve()
# Next to the corpus, since atheris ends this process without any cleanup.
world = World(corpus.parent / "world")
changed = World(corpus.parent / "changed")
changed.make_stale()
all_index_parts = [IndexParts(world.intact), IndexParts(changed.intact)]
for number, seed in enumerate(seeds(all_index_parts[0])):
    (corpus / f"seed-{number}").write_bytes(seed)


def run_one(data: bytes) -> None:
    """Read an index with these parts, and update it."""
    header, *texts = data.split(BETWEEN)
    for index_parts in all_index_parts:
        parts = [*texts, *index_parts.texts[len(texts) :]][: len(index_parts.texts)]
        try:
            filled = fill_in(header, parts, index_parts)
            index = from_bytes(index_parts.assemble(filled, parts))
        except ValueError:
            continue
        for part in READS:
            with contextlib.suppress(ValueError):
                part(index)
        key = index_parts.head[0]
        environment = _environment.Environment(tuple(key[1:]), frozenset(), "full")
        environment.key = key
        update(environment, index, "readonly", None, int)
        with contextlib.suppress(ValueError):
            rebuild([*key, "/absent"], index, True, CLOCK)


atheris.Setup(sys.argv, run_one)
atheris.Fuzz()
