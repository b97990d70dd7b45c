"""Learn facts from the sources of plugins, and write them next to the index.

A process that only recalls facts does not import this module.
"""

import os

from .. import __version__, _environment
from .._files import fs, index_reader
from .._index import ABSENT, DECODE_ERRORS, digest, title
from .._json_text import to_json
from .learned import (
    MARK,
    WHOLE,
    dependencies,
    group_of,
    part_of,
    parts_in,
    place_of,
    read_fact,
    read_head,
    unwritten,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from .._extension import Extension
    from .._types import Read
    from .learned import (
        ChangedEntry,
        FactTable,
        Handle,
        LearnedFacts,
        Pair,
        Part,
    )
    from .source import Sources

# Room for the summaries of some seven thousand plugins. A process that learned
# something rewrites the whole file when it ends.
SIZE_CAP = 1 << 22
# A limit for programs that change sys.path again and again.
_MAX_UNWRITTEN = 16


def learn(
    known: "LearnedFacts",
    extension: "Extension[Any]",
    kind: str,
    answer: "Any",
    sources: "Sources",
) -> None:
    """Remember an answer, as JSON, for as long as its sources do not change.

    It is not remembered if signatures would not show a change. Raises TypeError if it
    cannot be converted to JSON.
    """
    if known.fact_key(extension) is None or not sources.reliable:
        return
    from .._content import signature  # deferred: most answers are already known
    from .._indexing.reading import is_reliable

    signatures: list[Pair] = []
    for path, was_there in sources.files.items():
        now = ABSENT
        try:
            status = fs.stat(path)
            now = signature(path, status)
        except (FileNotFoundError, NotADirectoryError, ValueError):
            status = None
        except OSError:
            return  # a temporary failure: the next attempt may succeed
        if (status is not None) != was_there:
            return  # it changed in the meantime
        if status is not None and not is_reliable(status, False, sources.clock):
            return  # racy: a change may leave the signature the same
        known.file_signatures[path] = now
        signatures.append((path, now))
    lookups: list[tuple[str, int, Sequence[Any]]] = []
    for name, (passed, *place) in sources.lookups.items():
        volatile = [at for at in known.environment.volatile if at < passed]
        lookups.append((name, passed - len(volatile), place))
    add(known, extension, kind, answer, lookups, signatures)


def add(
    known: "LearnedFacts",
    extension: "Handle",
    kind: str,
    answer: "Any",
    lookups: "Sequence[tuple[str, int, Sequence[Any]]]" = (),
    signatures: "Sequence[Pair]" = (),
) -> None:
    """Remember an answer, as JSON, while these lookups and signatures are valid.

    Raises TypeError if it cannot be converted to JSON.
    """
    fact_key = known.fact_key(extension)
    if fact_key is None:
        return
    part = kind, group_of(extension)
    fact = make_fact(answer, lookups, signatures)
    known.new.setdefault(part, {})[fact_key] = fact
    if known.may_write:
        _write_at_exit(known)


def make_fact(
    answer: "Any",
    lookups: "Sequence[tuple[str, int, Sequence[Any]]]" = (),
    signatures: "Sequence[Pair]" = (),
) -> str:
    """Return the line of a fact.

    Raises TypeError if the answer cannot be converted to JSON.

    >>> make_fact(7, [("a", 1, (None, 0, []))], [("/s/a", "-")])
    '[["a","1","","","/s/a","-"],7]'
    """
    texts: list[str] = []
    for name, passed, place in lookups:
        texts += name, f"{passed}{_text_of(*place)}"
    texts += "", ""
    for pair in signatures:
        texts += pair
    return to_json([texts, answer])


def _text_of(path: "list[str] | None", stage: int, answer: "Any") -> str:
    """Return a place as the state of a lookup has it; see `place_of` in `learned`.

    >>> _text_of(None, 0, []), _text_of(["/s/a"], 0, []), _text_of(["/s/a"], 2, [])
    ('', ' /s/a', ' [["/s/a"],2,[]]')
    """
    if (stage, answer) == (0, []):
        if path is None:
            return ""
        if len(path) == 1 and path[0][:1] not in ("", "["):
            return f" {path[0]}"
    return f" {to_json([path, stage, answer])}"


def _write_at_exit(known: "LearnedFacts") -> None:
    """Write these facts when the process ends."""
    if len(unwritten) >= _MAX_UNWRITTEN:
        unwritten.clear()
    if not unwritten:
        import atexit  # deferred: not if nothing may be written

        atexit.unregister(write_all)
        atexit.register(write_all)
    unwritten[known.path] = known


def write_all() -> None:
    """Write all facts that are not yet written."""
    while unwritten:
        _, known = unwritten.popitem()
        try:
            write(known)
        except Exception as error:  # Python would print it at exit
            from .. import _messages as messages  # deferred: only on failure
            from .._log import debug

            reason = messages.CANNOT_BE.format(done="written", reason=repr(error))
            debug(f"{messages.LEARNED_FACTS} {reason}")


def forget(directory: str) -> None:
    """Discard the facts that are not yet written to a cache directory."""
    for path in list(unwritten):
        if path.startswith(os.path.join(directory, "")):
            unwritten.pop(path, None)


if hasattr(os, "register_at_fork"):
    # The parent process writes its own facts.
    os.register_at_fork(after_in_child=unwritten.clear)


def write(known: "LearnedFacts") -> None:
    """Write the new facts of an environment, merged with those in the file.

    Nothing is written if the environment has changed, since the facts would be about
    the old one. Facts that no distribution declares any more are removed.
    """
    from .._indexing.storage import store  # deferred: when the process ends

    frozen_entries = known.environment.frozen_entries
    if known.directory is None or not (
        known.is_frozen or _environment.is_fresh(known.index, "dirs", frozen_entries)
    ):
        return
    header, found = _read_all(known)
    for part, learned in known.new.items():
        table = found.setdefault(part, {})
        for fact_key, fact in learned.items():
            if fact_key not in table or _newest_change(
                table[fact_key]
            ) <= _newest_change(fact):
                table[fact_key] = fact
    try:
        for (_, group), table in found.items():
            rows = known.index.rows(group)
            declared = {(owner[0], row[1]) for row, owner in rows}
            for fact_key in table.keys() - declared - {WHOLE}:
                del table[fact_key]
    finally:
        known.index.close()
    content = encode(known.key, known.signatures, found)
    # The header has a checksum of every part: if it is equal, all is equal.
    if not content.startswith(title(header) + header):
        store(known.directory, os.path.basename(known.path), content)


def _read_all(known: "LearnedFacts") -> "tuple[bytes, dict[Part, FactTable]]":
    """Return the header of the file, and the facts that may still be valid.

    The header is empty if any part of the file is damaged.
    """
    found: dict[Part, FactTable] = {}
    header, intact = b"", True
    read, close = index_reader(known.path)
    try:
        (*_, signatures), header, chunk = read_head(read, known.key)
        # A module in a volatile path entry may be missing in the next process.
        stable = known.key[1:]
        changed = [
            entry for entry in known.changes_since(signatures)[0] if entry[1] in stable
        ]
        for line in parts_in(header):
            try:
                part, learned = checked_part(line, read, chunk, len(header))
            except DECODE_ERRORS:
                intact = False
                continue
            found[part] = {
                fact_key: fact
                for fact_key, fact in learned.items()
                if _shows_later(known, fact, changed)
            }
    except DECODE_ERRORS:
        intact = False
    finally:
        close()
    return header if intact else b"", found


def _shows_later(
    known: "LearnedFacts", fact: str, changed: "list[ChangedEntry]"
) -> bool:
    """Return True if a later recall notices whether a fact is still valid.

    With the current signatures of these path entries in the header, no recall notices
    what was added to them before: a module of a name that was missing, a package or a
    compiled module beside a source.
    """
    lookups, signatures = dependencies(read_fact(fact)[0])
    paths = {entry for _, entry in changed}
    return not any(
        number < int(state.partition(" ")[0]) and known.may_contain(entry, name)
        for name, state in lookups
        for number, entry in changed
    ) and not any(
        fs.access(file, 0) if state == ABSENT else known.is_compiled(file)
        for file, state in signatures
        if file.rpartition(os.sep)[0] in paths
    )


def checked_part(
    line: bytes, read: "Read", chunk: bytes, length: int
) -> "tuple[Part, FactTable]":
    """Return a part of a file of facts, as `part_of`, after a check of each fact.

    Raises one of DECODE_ERRORS if the part or a fact is damaged.
    """
    part, learned = part_of(line, read, chunk, length)
    for fact in learned.values():
        texts, answer = read_fact(fact)
        lookups, _ = dependencies(texts)
        for _, state in lookups:
            passed, _, place = state.partition(" ")
            _ = int(passed), place and place_of(place)
        if to_json([texts, answer]) != fact:
            raise ValueError(fact)
    return part, learned


def _newest_change(fact: str) -> int:
    """Return the latest change time of the sources of a fact."""
    times = [0]
    for _, known in dependencies(read_fact(fact)[0])[1]:
        try:
            times.append(int(known.split(" ")[1], 16))
        except (LookupError, ValueError):
            continue  # the file was missing, or its signature is damaged
    return max(times)


def encode(
    key: "list[str]",
    signatures: "list[str | None]",
    found: "dict[Part, FactTable]",
    version: str = "",
) -> bytes:
    """Encode facts as a file, without those that would make it too large.

    :param version: the version of lazyplug that learned them; "": this one.
    """
    remaining = SIZE_CAP
    kept: dict[Part, FactTable] = {}
    for part, learned in found.items():
        for fact_key, fact in learned.items():
            size = len(to_json(fact_key)) + len(fact)
            if size < remaining:
                remaining -= size
                kept.setdefault(part, {})[fact_key] = fact
    header = [
        [MARK, version or __version__],
        key,
        [known or ABSENT for known in signatures],
    ]
    parts: list[str] = []
    offset = 0
    for part, learned in sorted(kept.items()):
        fact_keys = sorted(learned)
        keys = [text for fact_key in fact_keys for text in fact_key]
        facts = [learned[fact_key] for fact_key in fact_keys]
        text = "\n".join([to_json(part), to_json(keys), *facts])
        parts.append(text)
        header.append([*part, str(offset), str(len(text)), digest(text.encode())])
        offset += len(text) + 1
    head = "".join([to_json(line) + "\n" for line in header]).encode()
    return title(head) + head + "\n".join(parts).encode()
