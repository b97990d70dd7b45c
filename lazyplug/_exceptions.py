"""The hierarchy of errors: what, where, and what to do; each carries its data."""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from ._faults.problems import Problem
    from ._manager import Extension

_PACKAGE = __package__ or ""
# Python's own attributes: a class or metaclass may define others of these names.
TYPE_NAME: "Any" = type.__dict__["__name__"]
TRACEBACK: "Any" = BaseException.__dict__["__traceback__"]
CAUSE: "Any" = BaseException.__dict__["__cause__"]
CONTEXT: "Any" = BaseException.__dict__["__context__"]


class LazyplugError(Exception):
    """Whatever lazyplug raises by itself; a plugin's own errors keep their type."""

    __module__ = _PACKAGE


class NoUniqueMatch(LazyplugError, RuntimeError):
    """None, or more than one, where exactly one was asked for.

    `namespace` and `name` are what was asked for.
    """

    __module__ = _PACKAGE
    namespace: "str | None" = None
    name: "str | None" = None


class NoMatches(NoUniqueMatch, KeyError):
    """No extension of that name, or none at all.

    `available` are the names that there are, `near` those that look alike.
    """

    __module__ = _PACKAGE
    available: "tuple[str, ...]" = ()
    near: "tuple[str, ...]" = ()
    # KeyError shows its argument quoted
    __str__ = Exception.__str__


class MultipleMatches(NoUniqueMatch):
    """Several extensions of one name. `extensions` are they."""

    __module__ = _PACKAGE
    extensions: "tuple[Extension[Any], ...]" = ()


class InvalidEntryPoint(LazyplugError, ValueError):
    """The value of an entry point is no object reference."""

    __module__ = _PACKAGE
    extension: "Any" = None


class ProtocolMismatch(LazyplugError, TypeError):
    """A plugin does not fit what the host asked for with `protocol=`."""

    __module__ = _PACKAGE
    extension: "Any" = None
    missing: "tuple[str, ...]" = ()


class CircularLoad(LazyplugError, RuntimeError):
    """The call of a plugin waits for itself. `names` is the way it took."""

    __module__ = _PACKAGE
    names: "tuple[str, ...]" = ()


class BrokenMetadata(LazyplugError):
    """Metadata on `sys.path` has problems, where the host wants none.

    `problems` are they.
    """

    __module__ = _PACKAGE
    problems: "tuple[Problem, ...]" = ()


class InvalidChoice(LazyplugError, ValueError):
    """What a host, its configuration or its user chose is not understood.

    `source` is where it was said: code, a file, a variable.
    """

    __module__ = _PACKAGE
    source: str = ""


def clean(text: str) -> str:
    r"""Return text that is safe to print and to log, whatever metadata contains.

    Control characters, line breaks, marks of text direction and all else that
    str.isprintable() rejects are escaped.

    >>> clean("json"), clean("a\x1b[2J\nb"), clean("\u202e"), clean("\udcff")
    ('json', 'a\\x1b[2J\\nb', '\\u202e', '\\udcff')
    """
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode()
        for char in text
    )


def words_of(error: BaseException, named: bool = True) -> str:
    """Return "Type: text" of an exception; without `named`, only the text.

    If the exception has no text, since its `__str__` raises or returns none, return
    the name of its type. Its class is third-party code: only KeyboardInterrupt passes.
    """
    name: str = TYPE_NAME.__get__(type(error))
    try:
        # Join, since str() may return an object of a subclass.
        return "".join((name, ": ", str(error)) if named else ("", str(error)))
    except KeyboardInterrupt:
        raise
    except BaseException:
        return name


def repr_of(value: object) -> str:
    """Return the repr of a value, cleaned; if that fails, the name of its type."""
    try:
        return clean("".join(("", repr(value))))
    except KeyboardInterrupt:
        raise
    except BaseException:
        return f"<{TYPE_NAME.__get__(type(value))} object>"


def declared(owner: "Any", line: int) -> str:
    """Return by whom, in which file and where an entry point is declared.

    Looks at the metadata, so that name and version are what they are now.
    """
    from ._indexing.scan import identify

    name, version, file = identify(owner)
    text = f"declared by {name} {version}".rstrip()
    if file:
        text += f" in {file}"
    return clean(text) + (f", line {line}" if line else "")


def origin(extension: "Any") -> str:
    """Return which entry point of which distribution this is, in words."""
    text = (
        f"entry point '{clean(extension.name)} = {clean(extension.value)}'"
        f" of group {extension.group!r}"
    )
    owner = getattr(extension, "_owner", None)
    if owner is None:
        return text
    return f"{text}, {declared(owner, extension._line)}"


def near_misses(word: str, words: "Iterable[str]") -> "tuple[str, ...]":
    """Return the words that look like a misspelt one, the nearest first.

    >>> near_misses("jsno", ["json", "yaml"])
    ('json',)
    """
    try:
        from difflib import get_close_matches
    except (ImportError, OSError):
        return ()  # no file can be read any more: no hint
    return tuple(get_close_matches(word, sorted(set(words)), n=3))


def quoted(words: "Iterable[str]") -> str:
    """Return words as an error lists them.

    >>> quoted(["json", "yaml"])
    "'json', 'yaml'"
    """
    return ", ".join([repr(word) for word in words])


def no_matches(
    namespace: str,
    name: "str | None",
    available: "Iterable[str]",
    excluded: "Mapping[Extension[Any], str] | None" = None,
) -> NoMatches:
    """Return the error for a name, or any name, that is not in the group.

    `excluded` are extensions that the host's choice leaves out, with the reasons.
    """
    from ._cache import current
    from ._inventory import served_groups

    names = tuple(dict.fromkeys(available))
    out = excluded or {}
    asked = "no extension" if name is None else f"no extension named {name!r}"
    text = f"{asked} in group {namespace!r}"
    near: tuple[str, ...] = ()
    reasons = [
        f"\n  {origin(extension)}: {reason}"
        for extension, reason in out.items()
        if name in (None, extension.name)
    ]
    if name is not None and name in names:
        text += " can be used: it is declared, and failed; see what was told before."
    elif reasons:
        text += f" that is not left out:{''.join(reasons)}\n"
        if names:
            text += f"Available: {quoted(sorted(names))}."
    elif names or out:
        near = near_misses(name or "", [*names, *(each.name for each in out)])
        text += f"; did you mean {quoted(near)}?" if near else "."
        if names:
            text += f" Available: {quoted(sorted(names))}."
        if out:
            text += f" Left out: {quoted(sorted({each.name for each in out}))}."
    else:
        snapshot = current()
        groups = list(served_groups(snapshot))
        text += ": no installed distribution declares that group"
        near = near_misses(namespace, groups)
        if near:
            text += f"; did you mean the group {quoted(near)}?"
        elif not groups:
            text += (
                "; no entry points at all are visible on sys.path:"
                " was the metadata of the distributions left out?"
            )
        else:
            text += "; is the distribution that declares it installed here?"
        if snapshot.frozen is None and (not groups or hasattr(sys, "frozen")):
            text += (
                " Where metadata is left out, as by PyInstaller, ship a frozen index:"
                " `lazyplug freeze --trust` where they are installed."
            )
    left = _left_overs(namespace, name)
    error = NoMatches((text + left + _told_frozen() + _told_problems()).rstrip())
    error.namespace, error.name = namespace, name
    error.available, error.near = names, near
    return error


def _left_overs(namespace: str, name: "str | None") -> str:
    """Return a message about missing extensions that an interrupted pip left behind."""
    from ._cache import rows
    from ._entry_point import EntryPoint
    from ._inventory import groups_of, is_left_over

    found = [
        f"\n  {origin(EntryPoint._of(group, row, owner))}"
        for group in groups_of(namespace)
        for row, owner in rows(group)
        if is_left_over(owner) and name in (None, row[0])
    ]
    if not found:
        return ""
    return (
        f"\nAn interrupted pip left behind:{''.join(found)}\n"
        "Delete that directory, and install the distribution again."
    )


def _told_frozen() -> str:
    from ._cache import current

    snapshot = current()
    if snapshot.frozen is None:
        return ""
    from ._indexing.freeze import told

    return told(snapshot)


def _told_problems() -> str:
    from ._faults.problems import problems

    found = problems()
    if not found:
        return ""
    first = found[0]
    more = "; all: lazyplug.problems()" if len(found) > 1 else ""
    return f" Note: metadata with problems, {len(found)}: {first}{more}."


def multiple_matches(
    namespace: str, name: str, extensions: "Iterable[Extension[Any]]"
) -> MultipleMatches:
    """Return the error for a name that several distributions declare."""
    found = tuple(extensions)
    lines = "".join(f"\n  {origin(extension)}" for extension in found)
    error = MultipleMatches(
        f"{len(found)} extensions named {name!r} in group {namespace!r}:{lines}\n"
        f"{_advice(found)}ass conflict_resolver= to choose."
    )
    error.namespace, error.name, error.extensions = namespace, name, found
    return error


def _advice(extensions: "Iterable[Extension[Any]]") -> str:
    """Return the beginning of the advice for a name of several distributions.

    It names only those that pip can uninstall: in its environment, with a RECORD.
    """
    from ._indexing.scan import identify

    owners = {e._owner[0]: e._owner for e in extensions if e._owner is not None}
    names = [clean(identify(o)[0]) for o in owners.values() if _can_be_uninstalled(o)]
    if len(owners) < 2 or not names:
        return "P"
    return f"Uninstall {' or '.join(names)} (pip uninstall {names[0]}), or p"


def _can_be_uninstalled(owner: "Any") -> bool:
    _, path, file, _ = owner
    if not isinstance(path, str) or file[:1] == "~":
        return False
    inside = sys.prefix == sys.base_prefix or path.startswith(sys.prefix + os.sep)
    return inside and os.access(os.path.join(path, file, "RECORD"), os.F_OK)


def broken_metadata(problems: "Iterable[Problem]") -> BrokenMetadata:
    """Return the error for metadata that has problems."""
    found = tuple(problems)
    lines = "".join(f"\n  {problem}" for problem in found)
    error = BrokenMetadata(
        f"the metadata on sys.path has problems, {len(found)}:{lines}\n"
        "Install these distributions again, or remove them."
    )
    error.problems = found
    return error


def bad_choice(source: str, text: str) -> InvalidChoice:
    """Return the error for a choice that is not understood."""
    error = InvalidChoice(f"{clean(source)}: {text}")
    error.source = source
    return error


def invalid_entry_point(entry_point: "Any") -> InvalidEntryPoint:
    """Return the error for an entry point whose value is no object reference."""
    error = InvalidEntryPoint(
        f"{origin(entry_point)}: {entry_point.value!r} is not an object reference of"
        " the form 'module:attr' (https://packaging.python.org/specifications/"
        "entry-points/#data-model); its author has to correct it"
    )
    error.extension = entry_point
    return error


def circular_load(extension: "Any", names: "Iterable[str]") -> CircularLoad:
    """Return the error for a call that waits for itself."""
    way = (*names, extension.name)
    error = CircularLoad(
        f"{origin(extension)}: its call waits for itself: {clean(' -> '.join(way))};"
        " one of them must not touch .obj of the next while it is being called"
    )
    error.names = way
    return error


def unfinished(extension: "Any") -> CircularLoad:
    """Return the error for a plugin that cannot be called yet."""
    name = extension.module_name
    error = CircularLoad(
        f"{origin(extension)}: it is to be called while its module {name} is still"
        f" being imported; {name}, or what it imports, must not touch .obj of it"
    )
    error.names = extension.name, extension.name
    return error


def protocol_mismatch(
    extension: "Any", plugin: object, protocol: type, lacking: "Iterable[str]"
) -> ProtocolMismatch:
    """Return the error for a plugin that does not fit `protocol=`."""
    lacks = tuple(lacking)
    error = ProtocolMismatch(
        f"{origin(extension)}: {repr_of(plugin)} does not fit {protocol.__qualname__}"
        + (f": it lacks {quoted(lacks)}" if lacks else "")
        + "; its author has to follow the host's plugin interface"
    )
    error.extension, error.missing = extension, lacks
    return error


def failed_driver(extension: "Any") -> NoMatches:
    """Return the error for a driver whose failure went to the host's callback."""
    error = NoMatches(f"{origin(extension)} could not be loaded; see the cause above")
    error.namespace, error.name = extension.group, extension.name
    return error
