"""Import what the tests need of the index format, in one place."""

from lazyplug._index import (
    CHUNK,
    SCHEMA,
    TITLE_LENGTH,
    Index,
    digest,
    fingerprint,
    paths,
    stat_hashes,
    stat_signature,
    title,
)
from lazyplug._indexing.layout import assemble, decode, from_bytes, groups_of, table_of
from lazyplug._indexing.records import Distribution, PathEntry, fragments
from lazyplug._indexing.watch import SHARED_BLOCK_MAX, fingerprint_of

__all__ = [
    "CHUNK",
    "SCHEMA",
    "SHARED_BLOCK_MAX",
    "TITLE_LENGTH",
    "Distribution",
    "Index",
    "PathEntry",
    "assemble",
    "decode",
    "digest",
    "fingerprint",
    "fingerprint_of",
    "fragments",
    "from_bytes",
    "groups_of",
    "paths",
    "stat_hashes",
    "stat_signature",
    "table_of",
    "title",
]
