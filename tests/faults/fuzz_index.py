"""Fuzz what reads an index and brings it up to date: `fuzz_index.py CORPUS -runs=N`.

An input is the front of an index and its other parts, with `BETWEEN` between them.
Checksums, offsets and lengths are put in here, since no fuzzer guesses them: what is
reached is all that lies behind them. Nothing may be raised but ValueError, and where
an index is brought up to date not even that.
"""

import contextlib
import sys
from pathlib import Path

import atheris  # type: ignore[import-untyped]

# Behind what is installed: the tests are not.
sys.path.append(str(Path(__file__).parents[2]))

with atheris.instrument_imports(include=["lazyplug"]):
    from lazyplug import _environment
    from lazyplug._indexing.rebuild import rebuild
    from lazyplug._indexing.update import update
    from tests.support.damage import compact
    from tests.support.fuzzed import World
    from tests.support.index_format import from_bytes
    from tests.support.pieces import READS, Pieces

BETWEEN = b"\n--\n"
CLOCK = 1 << 62
# What stands in capitals is different in each run, or depends on the other parts.
FRONT = b'KEY\nSTAMPS\n[]\n["1",DETAIL]\nWATCH\nTABLE'


def filled(header: bytes, texts: list[bytes], pieces: Pieces) -> bytes:
    """Return a front with what belongs in the place of capitals."""
    (key, signatures, _, detail, watch), table = pieces.head_and_table(texts)
    header = header.replace(b"DETAIL", compact(detail[1:])[1:-1])
    for name, value in ((b"KEY", key), (b"STAMPS", signatures), (b"WATCH", watch)):
        header = header.replace(name, compact(value))
    return header.replace(b"TABLE", table)


def seeds(pieces: Pieces) -> list[bytes]:
    """Return inputs to begin with: as it was written, and with stamps too young."""
    racy = FRONT.replace(b"[]", b'["0","1"]')
    fronts = [FRONT, racy, FRONT.replace(b'"1"', b'"0"')]
    return [BETWEEN.join([header, *pieces.texts]) for header in fronts]


corpus = Path(sys.argv[1]).resolve()
# Beside the corpus: it is not left by this program's own end.
world = World(corpus.parent / "world")
changed = World(corpus.parent / "changed")
changed.touch()
all_pieces = [Pieces(world.sound), Pieces(changed.sound)]
for number, seed in enumerate(seeds(all_pieces[0])):
    (corpus / f"seed-{number}").write_bytes(seed)


def one(data: bytes) -> None:
    """Read an index of these parts, and bring it up to date."""
    header, *texts = data.split(BETWEEN)
    for pieces in all_pieces:
        parts = [*texts, *pieces.texts[len(texts) :]][: len(pieces.texts)]
        try:
            index = from_bytes(pieces.sealed(filled(header, parts, pieces), parts))
        except ValueError:
            continue
        for part in READS:
            with contextlib.suppress(ValueError):
                part(index)
        key = pieces.head[0]
        environment = _environment.Environment(tuple(key[1:]), frozenset(), "full")
        environment.key = key
        update(environment, index, "readonly", None, int)
        with contextlib.suppress(ValueError):
            rebuild([*key, "/absent"], index, True, CLOCK)


atheris.Setup(sys.argv, one)
atheris.Fuzz()
