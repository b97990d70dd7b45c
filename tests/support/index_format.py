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
from lazyplug._indexing.layout import assemble, decode, from_bytes, groups_of, table_of
from lazyplug._indexing.records import Distribution, PathEntry, fragments
from lazyplug._indexing.watch import FEW, together_of

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
