"""Lay out an index: its header, watch list, groups and records; and decode it.

Pure, without file access. The format is described in docs/index-format.md; `_index`
reads what every start needs of it.
"""

from .._index import ABSENT, DOUBT, Index, digest, quote, texts, title
from .records import Distribution, PathEntry, own_of, quoted, texts_line
from .shadowing import repeated, shadowed
from .watch import blocks_of, watched

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .records import Place
    from .watch import Watch

    # the groups as they are written, by their quoted names: text and its checksum
    Groups = dict[str, tuple[bytes | memoryview, str]]


def table_of(index: Index) -> "list[tuple[str, int, int, str]]":
    """Return of each group its name, offset, length and checksum.

    Raises ValueError if that is not how it was written.
    """
    found: list[tuple[str, int, int, str]] = []
    try:
        *lines, rest = index.front.decode().split("\n")[5:]
        for line in lines:
            group, offset, length, checksum = texts(line)
            if line != f'[{quote(group)},"{int(offset)}","{int(length)}","{checksum}"]':
                raise ValueError(line)
            found.append((group, int(offset), int(length), checksum))
        if rest:
            raise ValueError(rest)
    except DOUBT as error:
        raise ValueError("table") from error
    return found


def groups_of(index: Index) -> "Groups":
    """Return the groups as an index has them, not yet verified. Raises ValueError."""
    found: Groups = {}
    try:
        total, _, _ = index.detail
        # Most are written again as they are: views save copying them.
        data = memoryview(index.read(index.after_watch, total))
        for line in index.front.decode().split("\n")[5:-1]:
            name, offset, length, checksum = line[1:-2].rsplit(',"', 3)
            at = int(offset[:-1])
            found[name] = data[at : at + int(length[:-1])], checksum
    except DOUBT as error:
        raise ValueError("groups") from error
    return found


def group_text(groups: "Groups", name: str) -> str:
    """Return a group: its quoted name, then a line for each distribution.

    It may be a new one. Raises ValueError if it is damaged.
    """
    if name not in groups:
        return f"[{name}]\n"
    part, checksum = groups[name]
    if digest(part) != checksum:
        raise ValueError(name)
    return str(part, "ascii") + "\n"


def set_group(groups: "Groups", name: str, text: str) -> None:
    """Set the text of a group; without a distribution it goes."""
    if len(text) > len(name) + 3:
        part = text[:-1].encode()
        groups[name] = part, digest(part)
    else:
        groups.pop(name, None)


def detail_text(index: Index) -> str:
    """Return the lines of the records; ValueError if they are damaged."""
    try:
        offset, length, wanted = index.detail
        data = index.read(index.after_watch + offset, length)
        if len(data) != length or digest(data) != wanted:
            raise ValueError("detail")
        return data.decode()
    except DOUBT as error:
        raise ValueError("detail") from error


def from_bytes(data: bytes) -> Index:
    """Return the index that these bytes are."""
    return Index(lambda offset, length: data[offset : offset + length])


def decode(index: Index) -> "list[PathEntry]":
    """Return the records of the path entries; ValueError if they are damaged."""
    detail = detail_text(index)
    try:
        entries: list[PathEntry] = []
        for line in detail.split("\n")[:-1]:
            if line[2] == '"':
                archive, problems, plain = own_of(line)
                place = len(entries)
                entries.append(
                    PathEntry(
                        index.key[place + 1],
                        index.stamps[place],
                        place not in index.young,
                        archive,
                        problems,
                        plain,
                        [],
                    )
                )
            else:
                entries[-1].distributions.append(Distribution.read(line))
        if len(entries) != len(index.stamps):
            raise ValueError("detail")
    except DOUBT as error:
        raise ValueError("detail") from error
    return entries


def _owner_of(text: str) -> str:
    """Return the metadata folder that a fragment belongs to.

    >>> _owner_of('"a-1.dist-info","a","A","1"]')
    'a-1.dist-info'
    """
    if "\\" in text:
        return texts(f"[{text}")[0]
    return text[1 : text.index('"', 1)]


def regroup(
    entries: "Sequence[PathEntry]", old: "Sequence[PathEntry]", known: "Groups"
) -> "Groups":
    """Return the groups of the records. Raises ValueError if `known` is damaged.

    `old` are the records that `known` was made of. What did not change is taken
    over as the text that it is.
    """
    hidden = shadowed(entries, repeated(entries))
    now_at = {entry.path: place for place, entry in enumerate(entries)}
    places = [now_at.get(entry.path, -1) for entry in old]
    # the fragments of those that are kept as text
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
                at = places[int(before[1:-1])], _owner_of(text)
                if at in kept:
                    kept[at][name] = text
    except DOUBT as error:
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
    stamps: "list[str | None]",
    young: "list[int]",
    settled: bool,
    watch: "Mapping[int, Watch]",
    groups: "Groups",
    detail: str,
) -> bytes:
    """Return an index as it is written.

    `young` are the numbers of path entries whose stamps are not to be believed,
    `settled` says if those of all distributions are. `watch` has the watched files by
    the number of their path entry; `detail` is the text of the records.
    """
    paths = quoted(key)
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
    head = [
        texts_line(paths),
        texts_line([ABSENT if known is None else known for known in stamps]),
        texts_line([str(place) for place in young]),
        texts_line(
            [str(int(settled)), str(offset), str(len(records)), digest(records)]
        ),
        texts_line([digest(b"".join(lines)), *blocks]),
    ]
    front = b"".join([*head, "".join(table).encode()])
    return b"".join([title(front), front, *lines, *written, records])


def encode(prefix: str, entries: "Sequence[PathEntry]", groups: "Groups") -> bytes:
    """Return the index of these path entries, and their groups, as it is written."""
    return assemble(
        [prefix, *[entry.path for entry in entries]],
        [entry.stamp for entry in entries],
        [place for place, entry in enumerate(entries) if not entry.settled],
        all(d.settled for entry in entries for d in entry.distributions),
        watched(entries, repeated(entries)),
        groups,
        "".join([entry.text() for entry in entries]),
    )
