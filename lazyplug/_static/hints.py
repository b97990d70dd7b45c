"""Remember what a function of the host returned for plugins when they were loaded.

It is a hint: it may depend on anything. So it is remembered only for as long as all
that is known to matter stays the same: the sources of the plugin, of its classes and of
the function; the path entries; the version of Python; and what the host declares. If
the function returns something else all the same, its answer is not remembered again.
"""

import os
import sys

from .. import _settings
from .._index import DECODE_ERRORS, digest
from .._json_text import scan_once, to_json
from .learned import LearnedFacts, learned_facts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from .._description import Description
    from .._extension import Extension
    from .source import Sources

    # the modules of the classes of a plugin, and the files of their functions
    Origins = list[list[str]]
    # by state, the newest last: what was returned for it, as JSON text; None if that is
    # not remembered any more
    Texts = dict[str, str | None]

# For how many states the answers are kept, as of shells with different variables.
_MAX_STATES = 8
# Python's own attributes: a metaclass may define others with these names.
_MRO: "Any" = type.__dict__["__mro__"]
_DICT: "Any" = type.__dict__["__dict__"]
_MODULE: "Any" = type.__dict__["__module__"]
_FUNCTION = type(learned_facts)


def recall(extension: "Extension[Any]", wanted: "Description") -> "str | None":
    """Return what the host's function returned at the last load, as JSON text.

    None if that is not known. Imports nothing of the plugin.
    """
    known = learned_facts()
    _, texts = _recall(known, extension, wanted)
    return texts.get(_state(known, wanted) or "")


def remember(
    extension: "Extension[Any]",
    plugin: "Any",
    wanted: "Description",
    text: "str | None",
    began: int,
) -> None:
    """Remember what the host's function has returned for a loaded plugin.

    An answer that differs from the remembered one, though nothing that it is known to
    depend on has changed, depends on something else: neither is remembered any more.

    :param text: the answer as JSON text; None if the function failed.
    :param began: the time since which sources may differ from the imported modules.
    """
    known = learned_facts()
    state = _state(known, wanted)
    if state is None:
        return
    origins = _origins(plugin)
    before, texts = _recall(known, extension, wanted)
    if state in texts:
        old = texts[state]
        if old is None:
            return
        if not _are_equal(old, text):
            _log_difference(extension, wanted, old, text)
            text = None
        elif before == origins:
            return
    elif text is None:
        return
    if before != origins:
        texts = {}  # their sources are not compared from now on
    texts.pop(state, None)
    texts = {**dict([*texts.items()][1 - _MAX_STATES :]), state: text}
    sources = _sources(known, extension, wanted, origins)
    sources.clock = min(sources.clock, began)
    from .learning import learn  # deferred: as in `_sources`

    learn(known, extension, wanted.kind, [origins, texts], sources)


def _recall(
    known: LearnedFacts, extension: "Extension[Any]", wanted: "Description"
) -> "tuple[Origins, Texts]":
    """Return the answers whose sources have not changed; none if they are damaged."""
    try:
        origins, texts = known.recall(extension, wanted.kind)
        return origins, dict(texts)
    except DECODE_ERRORS:
        return [], {}


def _state(known: LearnedFacts, wanted: "Description") -> "str | None":
    """Return a text that changes with what the answers depend on besides files.

    None if a change may not be noticed, so that nothing is remembered.
    """
    environment = known.environment
    if (
        not wanted.file
        or known.is_racy()
        or environment.checked not in _settings.CHECKS_ENTRIES
        # Distributions in volatile path entries, or of third-party finders, may be
        # others in every process.
        or (wanted.distributions and environment.overlay() is not None)
    ):
        return None
    state = [
        # -OO removes docstrings
        *(sys.version, sys.flags.optimize, known.signatures),
        [os.environ.get(name) for name in wanted.variables],
    ]
    return digest(to_json(state).encode())


def _origins(plugin: "Any") -> "Origins":
    """Return the modules of the classes of a plugin, and the files of their functions.

    The class of a plugin that is no class counts, and the metaclass of one that is.
    """
    kind = plugin if issubclass(type(plugin), type) else type(plugin)
    classes = [*_MRO.__get__(kind), *_MRO.__get__(type(kind))]
    modules = dict.fromkeys(str(_MODULE.__get__(each)) for each in classes)
    # A class may name another module than the one that defines it.
    members = [
        plugin,
        *(value for each in classes for value in _DICT.__get__(each).values()),
    ]
    # Built-in modules change with the version of Python.
    names = [name for name in modules if name not in sys.builtin_module_names]
    return [names, [*dict.fromkeys(filter(None, map(_file_of, members)))]]


def _file_of(value: "Any") -> str:
    """Return the file of a function; "" if this is not a function, or has no file."""
    file: str = value.__code__.co_filename if type(value) is _FUNCTION else ""
    return "" if file[:1] == "<" else file


def _sources(
    known: LearnedFacts,
    extension: "Extension[Any]",
    wanted: "Description",
    origins: "Origins",
) -> "Sources":
    """Return the sources of what was returned for a plugin."""
    # deferred: they import ast, and most answers are known
    from .source import kind_of
    from .targets import target_of

    search = known.search()
    module, attr = target_of(extension)
    # These are the modules through which the entry point leads to the plugin.
    _, sources = search.target(module or "", attr)
    modules, files = origins
    for name in (module or "", *modules):
        parts = name.split(".")
        for number in range(1, len(parts) + 1):
            found = search.find(".".join(parts[:number]), sources)
            if found is not None and found[0]:
                sources.files[found[0]] = True
            elif number == len(parts):
                sources.mark_incomplete()  # it has no source, or is no longer there
    for file in (
        *(wanted.file, _file_of(wanted.function), *files, *wanted.files),
        *_metadata(known, wanted.distributions),
    ):
        if file:
            sources.files[file] = kind_of(file, sources) != 0
    return sources


def _metadata(known: LearnedFacts, names: "tuple[str, ...]") -> "Iterator[str]":
    """Yield the files that have the versions of distributions.

    The version in the name of a metadata directory changes only with the path entry.
    """
    if not names:
        return
    from .._indexing.metadata import normalize, stem  # deferred: few hosts name any
    from .._inventory import metadata_directories

    keys = set(map(normalize, names))
    for directory in sorted(metadata_directories(known.environment)):
        if normalize(stem(os.path.basename(directory))[0]) in keys:
            yield directory
            yield os.path.join(directory, "METADATA")
            yield os.path.join(directory, "PKG-INFO")


def _are_equal(one: "str | None", other: "str | None") -> bool:
    """Return True if two JSON texts have equal values, in any order of keys.

    >>> _are_equal('{"a":1,"b":2}', '{"b":2,"a":1}'), _are_equal("1", "true")
    (True, False)
    """
    if one is None or other is None or one == other:
        return one == other
    from json import dumps, loads  # deferred: 6 ms, and most texts are the same

    one, other = (dumps(loads(text), sort_keys=True) for text in (one, other))
    return one == other


def _log_difference(
    extension: "Extension[Any]", wanted: "Description", old: str, text: "str | None"
) -> None:
    """Log an answer that has changed without a known reason."""
    from .. import _messages as messages  # deferred: only on failure
    from .._log import debug
    from .._printable import clean

    before = scan_once(old, 0)[0]
    now = None if text is None else scan_once(text, 0)[0]
    if isinstance(before, dict) and isinstance(now, dict):
        before, now = _without_equal(before, now), _without_equal(now, before)
    changed = messages.DESCRIBED_OTHERWISE.format(
        function=wanted.name,
        extension=messages.ENTRY_POINT.format(
            name=extension.name, value=extension.value, group=extension.group
        ),
        before=to_json(before),
        now=messages.AN_EXCEPTION if text is None else to_json(now),
    )
    debug(clean(changed))


def _without_equal(one: "dict[str, Any]", other: "dict[str, Any]") -> "dict[str, Any]":
    """Return the items of a dict that another one does not have.

    >>> _without_equal({"a": 1, "b": 2, "c": None}, {"a": 1, "b": 3})
    {'b': 2, 'c': None}
    """
    return {
        name: value
        for name, value in one.items()
        if name not in other or to_json(other[name]) != to_json(value)
    }
