"""Find what the source shows of the target of an extension. Imports no plugin."""

from .learned import learned_facts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .._extension import Extension
    from .source import Scope, Sources

# The kind of the fact.
_PLACE = "place"


def missing_module(extension: "Extension[Any]") -> str:
    """Return the reason why an extension whose module is missing cannot be loaded."""
    from .. import _messages as messages  # deferred: only on failure

    return messages.NO_MODULE.format(name=extension._module)


def docstring(
    extension: "Extension[Any]", kind: str, part: "Callable[[str], str | None]"
) -> "str | None":
    """Return a part of the docstring in the source; None if there is no docstring.

    :param kind: the kind of fact as which the part is remembered.
    :param part: returns the part of a docstring. It is not called if the part is
        remembered.
    """
    known = learned_facts()
    text: str | None = known.recall(extension, kind)
    if text is None or isinstance(text, str):
        return text
    found = source_of(extension)
    if found is None:
        return None
    scope, sources = found
    text = None if scope is None or scope.doc is None else part(scope.doc)
    from .learning import learn  # deferred: most answers are known

    # Parsing a source takes longer than importing it, so it is done once.
    learn(known, extension, kind, text, sources)
    return text


def source_of(extension: "Extension[Any]") -> "tuple[Scope | None, Sources] | None":
    """Return the scope of the target of an extension, and the sources it comes from.

    The scope is None if the source does not show it. The result is None if the entry
    point is not a valid reference. Imports nothing of the plugin.
    """
    module, attr = target_of(extension)
    return None if module is None else learned_facts().search().target(module, attr)


def place(extension: "Extension[Any]") -> "tuple[str, int] | None":
    """Return the file and the line of the target of an extension, as Search.place does.

    None if its module has no file, or the entry point is not a valid reference.
    Imports nothing of the plugin.
    """
    found = known_place(extension)
    if found is not None:
        return found
    module, attr = target_of(extension)
    if module is None:
        return None
    known = learned_facts()
    found, sources = known.search().place(module, attr)
    if found is not None:
        from .learning import learn  # deferred: most answers are known

        learn(known, extension, _PLACE, [found[0], str(found[1])], sources)
    return found


def known_place(extension: "Extension[Any]") -> "tuple[str, int] | None":
    """Return what `place` has remembered; None if that is nothing."""
    match learned_facts().recall(extension, _PLACE):
        case [str(file), str(line)] if line.isdecimal():
            return file, int(line)
    return None


def is_missing(extension: "Extension[Any]") -> bool:
    """Return True if the module of an extension certainly does not exist.

    Imports nothing of the plugin.
    """
    module, _ = target_of(extension)
    return module is not None and learned_facts().search().is_missing(module)


def target_of(extension: "Extension[Any]") -> "tuple[str | None, str | None]":
    """Return the module and the attribute of an entry point; None if it has none."""
    if extension._module is None:
        from .._indexing.metadata import split_value  # deferred: rows are already split

        return split_value(extension.value)
    return extension._module, extension.attr
