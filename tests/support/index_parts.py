"""Split an index into its parts, and assemble it again with valid checksums."""

import json
from collections.abc import Callable
from typing import Any

from tests.support.damage import compact
from tests.support.index_format import (
    decode,
    digest,
    from_bytes,
    groups_of,
    table_of,
    title,
)
from tests.support.index_heads import head_of

# The reads of an index, part by part.
READS: list[Callable[[Any], Any]] = [
    lambda index: index.watched(),
    lambda index: [index.rows(group) for group, *_ in table_of(index)],
    lambda index: [entry.text() for entry in decode(index)],
    lambda index: [
        (
            d.file,
            d.key,
            d.stat_signature,
            d.groups,
            d.problems,
            d.source,
            d.source_signature,
        )
        for entry in decode(index)
        for d in entry.distributions
    ],
]


class IndexParts:
    """The parts of an index, to be assembled with valid checksums and lengths."""

    def __init__(self, data: bytes) -> None:
        index = from_bytes(data)
        self.head = head_of(data)
        self.signatures = {entry: known for entry, *_, known, _ in index.watched()}
        # each line of the watch list, each group, the records
        self.texts = [line for _, *two, _, _ in index.watched() for line in two]
        self.names = [group for group, *_ in table_of(index)]
        known = groups_of(index)
        self.texts += [bytes(known[json.dumps(group)][0]) for group in self.names]
        offset, length, _ = index.detail
        self.texts.append(index.read(index.after_watch + offset, length))

    def head_and_table(self, texts: list[bytes]) -> tuple[Any, bytes]:
        """Return the head and the table that fit these texts."""
        count = len(self.signatures) * 2
        watch, groups, records = texts[:count], texts[count:-1], texts[-1]
        blocks: list[object] = []
        for at, (entry, known) in enumerate(self.signatures.items()):
            blocks += entry, *map(len, watch[at * 2 : at * 2 + 2]), known, ""
        table, offset = b"", 0
        for name, text in zip(self.names, groups, strict=True):
            line = [name, str(offset), str(len(text)), digest(text)]
            table += compact(line) + b"\n"
            offset += len(text) + 1
        key, signatures, racy, (reliable, *_), _ = self.head
        about = [reliable, str(offset), str(len(records)), digest(records)]
        lengths = [digest(b"".join(watch)), *map(str, blocks)]
        head = [key, signatures, racy, about, lengths]
        return head, table

    def assemble(self, header: bytes, texts: list[bytes]) -> bytes:
        """Return the index that consists of this header and these texts."""
        count = len(self.signatures) * 2
        groups = [text + b"\n" for text in texts[count:-1]]
        return b"".join([title(header), header, *texts[:count], *groups, texts[-1]])
