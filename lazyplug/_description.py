"""Let a function of the host describe each plugin that is loaded."""

import os
import sys

from . import _messages as messages
from ._arguments import refuse, words
from ._files import fs
from ._index import DECODE_ERRORS, digest
from ._json_text import scan_once, to_json
from ._log import debug, report_once
from ._printable import clean, describe_error, repr_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ._extension import Extension

# A source that changed after this time may differ from the imported module.
_BEGAN: int = fs.clock()
# The variables that select a language, as gettext reads them.
_LANGUAGE = ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG")
_KEYS = {"distributions", "files", "language", "variables"}


class Description:
    """The function of a host that describes plugins, and what its results depend on.

    :param function: the function. Refused if other processes would not find it.
    :param depends: as of Facts.
    """

    __slots__ = (
        *("distributions", "file", "files", "function", "kind", "name", "variables"),
    )

    def __init__(self, function: "Any", depends: "Any" = None) -> None:
        if not _is_found_by_name(function):
            refuse("describe", function)
        depends = {} if depends is None else depends
        if not hasattr(depends, "keys") or not _KEYS.issuperset(depends):
            refuse("depends", depends)
        language = depends.get("language", False)
        if not isinstance(language, bool):
            refuse("depends['language']", language)

        def several(key: str, is_valid: "Callable[[Any], bool]") -> "tuple[Any, ...]":
            return words(f"depends[{key!r}]", depends.get(key, ()), is_valid)

        self.distributions: tuple[str, ...] = several("distributions", _is_distribution)
        files = several("files", _is_absolute)
        self.files: tuple[str, ...] = tuple(map(os.fspath, files))
        self.variables: tuple[str, ...] = several("variables", _is_variable)
        self.variables += _LANGUAGE if language else ()
        self.function = function
        self.name: str = f"{function.__module__}.{function.__qualname__}"
        # The file of the function; "" if it has none, so that nothing is remembered.
        file = getattr(sys.modules.get(function.__module__), "__file__", None)
        self.file: str = os.path.abspath(file) if isinstance(file, str) else ""
        # The results of other functions are other facts; so are those of another
        # script, whose module is called `__main__`, too.
        key = self.name, self.file, self.distributions, self.files, self.variables
        self.kind: str = f"hints {digest(to_json(key).encode())}"


def _is_found_by_name(function: "Any") -> bool:
    """Return True if a function has a name by which every process finds it."""
    names = [getattr(function, name, None) for name in ("__module__", "__qualname__")]
    # A bound method of an object depends on the object.
    owner = getattr(function, "__self__", None)
    return (
        callable(function)
        and all(isinstance(name, str) and "<" not in name for name in names)
        and (owner is None or isinstance(owner, (type, type(sys))))
    )


def _is_distribution(word: "Any") -> bool:
    return isinstance(word, str) and word.strip("-_.") != ""


def _is_absolute(path: "Any") -> bool:
    if isinstance(path, os.PathLike):
        path = os.fspath(path)
    return isinstance(path, str) and os.path.isabs(path) and "\0" not in path


def _is_variable(word: "Any") -> bool:
    return isinstance(word, str) and word != "" and not {"=", "\0"} & {*word}


def describe_loaded(
    extension: "Extension[Any]", plugin: "Any", wanted: Description
) -> None:
    """Let the host describe a plugin that was just loaded, and remember the result.

    A failure of the host's function is logged, once, and does not affect the load.
    """
    text: str | None = None
    failure = ""
    try:
        described = wanted.function(plugin)
    except Exception as error:  # code of the host
        failure = messages.RAISED.format(error=clean(describe_error(error)))
    else:
        try:
            text = to_json(described)
        except Exception:  # another type, a cycle, or NaN
            failure = messages.RETURNED_NO_JSON.format(value=repr_of(described))
    extension._outcomes["described"] = (text,)
    try:
        if failure:
            from ._faults.origin import origin  # deferred: only on failure

            failure = messages.CANNOT_DESCRIBE.format(
                function=wanted.name, failure=failure, extension=origin(extension)
            )
            report_once(failure, wanted.name)
        from ._static.hints import remember  # deferred: few hosts describe plugins

        remember(extension, plugin, wanted, text, _BEGAN)
    except Exception as error:  # for example, files can no longer be read
        reason = messages.CANNOT_BE.format(done="remembered", reason=repr(error))
        debug(f"{wanted.name}(): {reason}")


def remembered(extension: "Extension[Any]", wanted: Description) -> "Any":
    """Return what the host's function returned when a plugin was last loaded.

    None if that is unknown. Imports nothing of the plugin.
    """
    known: tuple[str | None] | None = extension._outcomes.get("described")
    if known is None and "plugin" in extension.__dict__:
        # It was registered, or another thread loaded it and has not described it yet.
        describe_loaded(extension, extension.plugin, wanted)
        known = extension._outcomes.get("described")
    if known is None:
        from ._static.hints import recall  # deferred: few hosts describe plugins

        known = (recall(extension, wanted),)
    (text,) = known
    try:
        return None if text is None else scan_once(text, 0)[0]
    except DECODE_ERRORS:
        return None  # damaged
