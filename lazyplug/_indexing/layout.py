"""Lay out an index: its header, watch list, groups and records; and decode it.

Pure, without file access. The format is described in docs/index-format.md; `_index`
reads what every start needs of it.
"""

from .._index import ABSENT, DECODE_ERRORS, Index, digest, quote, texts, title
from .records import Distribution, PathEntry, parse_entry_line, quote_each, texts_line
from .shadowing import duplicate_keys, find_shadowed
from .watch import blocks_of, build_watch_lists

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .records import Place
    from .watch import WatchList

    # the text of each group as it is written, and its checksum, by its quoted name
    Groups = dict[str, tuple[bytes | memoryview, str]]


def table_of(index: Index) -> "list[tuple[str, int, int, str]]":
    """Return the name, offset, length and checksum of each group.

    Raises ValueError if the table is damaged.
    """
    found: list[tuple[str, int, int, str]] = []
    try:
        *lines, rest = index.header.decode().split("\n")[5:]
        for line in lines:
            group, offset, length, checksum = texts(line)
            if line != f'[{quote(group)},"{int(offset)}","{int(length)}","{checksum}"]':
                raise ValueError(line)
            found.append((group, int(offset), int(length), checksum))
        if rest:
            raise ValueError(rest)
    except DECODE_ERRORS as error:
        raise ValueError("table") from error
    return found


def groups_of(index: Index) -> "Groups":
    """Return the groups of an index, not yet verified. Raises ValueError."""
    found: Groups = {}
    try:
        total, _, _ = index.detail
        # Most groups are written again unchanged: memory views save copying them.
        data = memoryview(index.read(index.after_watch, total))
        for line in index.header.decode().split("\n")[5:-1]:
            name, offset, length, checksum = line[1:-2].rsplit(',"', 3)
            at = int(offset[:-1])
            found[name] = data[at : at + int(length[:-1])], checksum
    except DECODE_ERRORS as error:
        raise ValueError("groups") from error
    return found


def group_text(groups: "Groups", name: str) -> str:
    """Return a group's text: its quoted name, then one line for each distribution.

    A group that does not exist has no lines. Raises ValueError if the group is damaged.
    """
    if name not in groups:
        return f"[{name}]\n"
    part, checksum = groups[name]
    text = bytes(part)  # PyPy computes checksums of nothing else
    if digest(text) != checksum:
        raise ValueError(name)
    return text.decode("ascii") + "\n"


def set_group(groups: "Groups", name: str, text: str) -> None:
    """Set the text of a group; remove the group if it has no distributions."""
    if len(text) > len(name) + 3:
        part = text[:-1].encode()
        groups[name] = part, digest(part)
    else:
        groups.pop(name, None)


def records_text(index: Index) -> str:
    """Return the lines of the records. Raises ValueError if they are damaged."""
    try:
        offset, length, wanted = index.detail
        data = index.read(index.after_watch + offset, length)
        if len(data) != length or digest(data) != wanted:
            raise ValueError("records")
        return data.decode()
    except DECODE_ERRORS as error:
        raise ValueError("records") from error


def from_bytes(data: bytes) -> Index:
    """Return the index with this content."""
    return Index(lambda offset, length: data[offset : offset + length])


def decode(index: Index) -> "list[PathEntry]":
    """Return the records of the path entries. Raises ValueError if they are damaged."""
    records = records_text(index)
    try:
        entries: list[PathEntry] = []
        for line in records.split("\n")[:-1]:
            if line[2] == '"':
                archive, problems, plain = parse_entry_line(line)
                place = len(entries)
                entries.append(
                    PathEntry(
                        index.key[place + 1],
                        index.signatures[place],
                        place not in index.racy,
                        archive,
                        problems,
                        plain,
                        [],
                    )
                )
            else:
                entries[-1].distributions.append(Distribution.read(line))
        if len(entries) != len(index.signatures):
            raise ValueError("records")
    except DECODE_ERRORS as error:
        raise ValueError("records") from error
    return entries


def _metadata_directory(text: str) -> str:
    """Return the metadata directory that a fragment belongs to.

    >>> _metadata_directory('"a-1.dist-info","a","A","1"]')
    'a-1.dist-info'
    """
    if "\\" in text:
        return texts(f"[{text}")[0]
    return text[1 : text.index('"', 1)]


def regroup(
    entries: "Sequence[PathEntry]", old: "Sequence[PathEntry]", known: "Groups"
) -> "Groups":
    """Return the groups of the records. Raises ValueError if `known` is damaged.

    `old` are the records that the groups in `known` were made from. The text of
    unchanged distributions is copied from there.
    """
    hidden = find_shadowed(entries, duplicate_keys(entries))
    now_at = {entry.path: place for place, entry in enumerate(entries)}
    places = [now_at.get(entry.path, -1) for entry in old]
    # the fragments of the distributions whose text is copied
    kept: dict[Place, dict[str, str]] = {
        (place, distribution.file): {}
        for place, entry in enumerate(entries)
        for distribution in entry.distributions
        if distribution.fragments is None
    }
    try:
        for quoted_name in known if kept else ():
            named, *lines = group_text(known, quoted_name).split("\n")[:-1]
            (name,) = texts(named)
            for line in lines:
                _, before, text = line[1:].split(",", 2)
                at = places[int(before[1:-1])], _metadata_directory(text)
                if at in kept:
                    kept[at][name] = text
    except DECODE_ERRORS as error:
        raise ValueError("groups") from error
    found: dict[str, list[str]] = {}
    for place, entry in enumerate(entries):
        for distribution in entry.distributions:
            at = place, distribution.file
            begin = f'["{int(at in hidden)}","{place}",'
            declared = distribution.fragments
            for name, text in (kept[at] if declared is None else declared).items():
                found.setdefault(name, []).append(f"{begin}{text}\n")
    groups: Groups = {}
    for name, parts in found.items():
        quoted_name = quote(name)
        set_group(groups, quoted_name, "".join([f"[{quoted_name}]\n", *parts]))
    return groups


def assemble(
    key: "list[str]",
    signatures: "list[str | None]",
    racy: "list[int]",
    reliable: bool,
    watch: "Mapping[int, WatchList]",
    groups: "Groups",
    detail: str,
) -> bytes:
    """Return the content of an index file.

    `racy` are the numbers of path entries with racy stat signatures. `reliable` is True
    if the stat signatures of all distributions are reliable. `watch` has the watched
    files by the number of their path entry; `detail` is the text of the records.
    """
    paths = quote_each(key)
    blocks, lines = blocks_of(paths[1:], watch)
    table: list[str] = []
    written: list[bytes | memoryview] = []
    offset = 0
    for name in sorted(groups):
        part, checksum = groups[name]
        table.append(f'[{name},"{offset}","{len(part)}","{checksum}"]\n')
        written += part, b"\n"
        offset += len(part) + 1
    records = detail.encode()
    header_lines = [
        texts_line(paths),
        texts_line([ABSENT if known is None else known for known in signatures]),
        texts_line([str(place) for place in racy]),
        texts_line(
            [str(int(reliable)), str(offset), str(len(records)), digest(records)]
        ),
        texts_line([digest(b"".join(lines)), *blocks]),
    ]
    header = b"".join([*header_lines, "".join(table).encode()])
    return b"".join([title(header), header, *lines, *written, records])


def encode(prefix: str, entries: "Sequence[PathEntry]", groups: "Groups") -> bytes:
    """Return the content of an index file for these path entries and groups."""
    return assemble(
        [prefix, *[entry.path for entry in entries]],
        [entry.stat_signature for entry in entries],
        [place for place, entry in enumerate(entries) if not entry.reliable],
        all(d.reliable for entry in entries for d in entry.distributions),
        build_watch_lists(entries, duplicate_keys(entries)),
        groups,
        "".join([entry.text() for entry in entries]),
    )
