"""Give the tests what they need of the index's format, in one place."""

from lazyplug._index import (
    CHUNK,
    SCHEMA,
    TITLE_LENGTH,
    Index,
    digest,
    numbers,
    paths,
    stamp,
    title,
    together,
)
from lazyplug._indexing.records import (
    FEW,
    Distribution,
    PathEntry,
    assemble,
    decode,
    fragments,
    from_bytes,
    groups_of,
    table_of,
    together_of,
)

__all__ = [
    "CHUNK",
    "FEW",
    "SCHEMA",
    "TITLE_LENGTH",
    "Distribution",
    "Index",
    "PathEntry",
    "assemble",
    "decode",
    "digest",
    "fragments",
    "from_bytes",
    "groups_of",
    "numbers",
    "paths",
    "stamp",
    "table_of",
    "title",
    "together",
    "together_of",
]
