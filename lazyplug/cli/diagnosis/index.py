"""Check that the index is fresh, and that the frozen index is used and up to date."""

import os
import sys
from itertools import zip_longest

from ... import _environment, _files
from ..._content import is_by_content, signature
from ..._files import fs
from ..._frozen_index import (
    OFF,
    default_path,
    names_checksum,
    open_frozen_index,
    unreadable,
)
from ..._index import Index, stat_signature
from ..._indexing.layout import assemble, decode, from_bytes
from ..._indexing.watch import watched_files
from ..._other_environment import OtherEnvironment, selected_installation
from ..._printable import counted
from ..._settings import get_cache_directory, get_setting
from ..freezing import differences_now
from .findings import Finding, finding, passed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ..._frozen_index import FrozenIndex

_PARTS = ("mtime", "ctime", "size", "inode", "content")
# How many differences are shown.
_MOST = 5
_FROZEN = "frozen index"


class _Unread(_environment.Environment):
    """An environment that neither reads nor writes its index."""

    def load_index(self, distrusted: bytes = b"", scan: bool = False) -> Index:
        """Return an empty index."""
        return from_bytes(assemble([""], [], [], True, {}, {}, ""))


class _OtherUnread(_Unread, OtherEnvironment):
    """Another environment, as above."""


def check_index() -> "Iterator[Finding]":
    """Yield whether the index is fresh, before another check rewrites it."""
    elsewhere = selected_installation()
    if elsewhere is None:
        here = _environment.current_directory()
        classified = _environment.classify_path(sys.path, here)
        environment = _Unread(*classified, "full")
    else:
        environment = _OtherUnread(elsewhere)
    frozen = environment.frozen
    if frozen is not None and frozen.answers_alone:
        yield passed("index", "not used (a frozen index is in effect)")
        return
    directory = get_cache_directory()
    mode = get_setting("LAZYPLUG_CACHE", "on")
    if mode == "off":
        text = "not used: LAZYPLUG_CACHE=off"
        yield finding("index-not-used", text, variable="LAZYPLUG_CACHE")
        return
    if directory is None or (
        os.path.lexists(directory) and not _files.is_trusted_directory(directory)
    ):
        text = "not used: the cache directory cannot be used (see cache)"
        yield finding("index-not-used", text, path=directory)
        return
    file = os.path.join(directory, environment.file)
    if not os.path.exists(file):
        yield finding("index-missing", "none for this sys.path yet", path=file)
        return
    read, close = _files.index_reader(file)
    try:
        index = Index(read)
        differences = [*_differences(index, environment.frozen_entries)]
    except (OSError, ValueError):
        text = f"{file} cannot be read, so everything was rescanned"
        yield finding("index-not-readable", text, path=file)
        return
    finally:
        close()
    for path, text in differences[:_MOST]:
        yield finding("index-changed", text, path=path)
    if differences:
        count = counted(len(differences), "difference")
        text = f"stale ({count}), so what changed was rescanned"
        yield finding("index-stale", text, path=file)
    elif index.racy or not index.reliable:
        text = "part of it changed less than two seconds before the scan"
        text = f"up to date; {text}, so it is checked again at the next start"
        yield passed("index", text, path=file)
    else:
        yield passed("index", f"up to date: {file}", path=file)


def _differences(
    index: Index, frozen_entries: "Mapping[str, str]"
) -> "Iterator[tuple[str, str]]":
    """Yield each file or directory that has changed since the index, with a text."""
    for entry, known in zip(index.key[1:], index.signatures):
        if entry in frozen_entries:
            text = "" if frozen_entries[entry] == known else f"{entry} was frozen again"
        else:
            text = _difference(entry, known)
        if text:
            yield entry, text
    records = decode(index)
    for place, absent, present in watched_files(index):
        record = records[place]
        found = {each.file: each for each in record.distributions}
        signatures: list[tuple[str, str | None]] = [(file, None) for file in absent]
        for each in present:
            directory, _, file = each.partition(os.sep)
            # A valid index may lack the record of a watched file.
            own = found.get(directory)
            signatures.append((each, None if own is None else own.signature_of(file)))
        for file, known in signatures:
            path = os.path.join(record.path, file)
            text = _difference(path, known)
            if text:
                yield path, text


def _difference(path: str, known: "str | None") -> str:
    try:
        status = fs.stat(path)
        now = (
            signature(path, status) if is_by_content(known) else stat_signature(status)
        )
    except (OSError, ValueError):
        now = None
    if now == known:
        return ""
    if known is None:
        return f"{path} was added"
    if now is None:
        return f"{path} was removed"
    parts = zip_longest(_PARTS, known.split(" "), now.split(" "), fillvalue="")
    differing = ", ".join(part for part, was, is_ in parts if was != is_)
    return f"{path} has a different {differing}"


def check_frozen_index() -> "Iterator[Finding]":
    """Yield whether a frozen index is used, and up to date."""
    named = get_setting("LAZYPLUG_INDEX")
    environment = _environment.current("full")
    if environment.installation is not None:
        yield passed(_FROZEN, "not used for another environment")
        return
    frozen = environment.frozen
    if frozen is None:
        path = named or default_path()
        text = ""
        try:
            if named != OFF and (named or os.path.lexists(path)):
                open_frozen_index(path)
        except OSError as error:
            text = unreadable(path, error)
        except ValueError as error:
            text = str(error)
        if text:
            advice = (
                f"Run `lazyplug freeze --output {path}`, or set LAZYPLUG_INDEX=off."
            )
            yield finding("frozen-not-usable", text, advice, path=path)
        else:
            text = "none" if named != OFF else "not used: LAZYPLUG_INDEX=off"
            yield passed(_FROZEN, text)
        return
    label = frozen.label
    if not frozen.answers_alone:
        does = "is used in part" if environment.borrowed else "is not used"
        gaps = [*_gaps(environment.key[1:], frozen)] or [
            "the path entries are in another order"
        ]
        text = f"{label} {does}: {'; '.join(gaps)}"
        yield finding("frozen-in-part", text, path=label)
        return
    declaring = _entries_with_distributions(frozen)
    if frozen.trusted and declaring and not any(map(names_checksum, declaring)):
        text = f"{label} is used; the metadata is missing, so it cannot be checked"
        yield finding("frozen-not-checked", text, path=label)
        return
    try:
        found = differences_now(frozen)
    except ValueError:
        found = ["it is damaged"]
    if found:
        count = counted(len(found), "difference")
        text = f"{label} is used, but is stale: {found[0]}; {count} in total"
        options = frozen.options
        advice = f"Run `lazyplug freeze{options} --output {label}`."
        yield finding("frozen-stale", text, advice, path=label)
    else:
        yield passed(_FROZEN, f"{label} is used, and up to date", path=label)


def _entries_with_distributions(frozen: "FrozenIndex") -> "list[str]":
    """Return the path entries for which a frozen index has distributions."""
    pairs = zip(frozen.index.key[1:], frozen.names)
    return [path for path, names in pairs if names is not None]


def _gaps(stable: "list[str]", frozen: "FrozenIndex") -> "Iterator[str]":
    """Yield the reasons why a frozen index does not answer all queries."""
    declaring = _entries_with_distributions(frozen)
    for path in declaring:
        if path not in stable:
            yield f"{path} is not on sys.path"
        elif path not in frozen.frozen_entries:
            yield f"{path} has other distributions than when it was frozen"
    for entry in stable:
        if entry not in declaring and names_checksum(entry) is not None:
            yield f"{entry} is not in the frozen index"
