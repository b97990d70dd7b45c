"""Compute the attributes of an extension on first access.

A DriverManager does not import this module: it loads, or calls, its plugin itself.
"""

from . import _environment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._extension import Extension
    from ._types import Owner, Row

# A read-only view of a dict, without the import of types.
_read_only: "Any" = type(type.__dict__)
# The facts of an extension whose manager has no `facts=`.
_NO_FACTS: "Any" = _read_only({})
_learned_facts: "Any" = None
# the names of the attributes that are computed
_names: "dict[Any, str]" = {}
# name and version of distributions, by generation and owner
_identities: "dict[Any, tuple[str, str | None]]" = {}


def compute_attribute(computed: "Any", extension: "Any", owner: "type") -> "Any":
    """Return an attribute of an extension, or a manager, that is not set yet.

    Imports nothing of the plugin, except for `plugin` and `obj`.

    :param computed: the attribute of the class.
    :param extension: None, if the attribute of the class itself was accessed.
    :param owner: the class.
    """
    name = _names.get(computed, "")
    if not name:
        for kind in owner.__mro__:
            for name, value in kind.__dict__.items():
                if value is computed:
                    _names[computed] = name
                    return compute_attribute(computed, extension, owner)
    if extension is None:
        from ._declared import describe  # deferred: for help and editors

        return describe(owner, name)
    match name:
        case "plugin" | "obj":
            return _loaded(extension, name)
        case "entry_point":
            return _entry_point(extension)
        case "failures":
            from ._faults.policy import failures  # deferred: few hosts read them

            return failures(extension)
        case "facts":
            wanted = extension.__dict__.get("_facts")
            return _NO_FACTS if wanted is None else wanted._of(extension)
        case "summary":
            try:
                return _summary(extension)
            except (ImportError, OSError):
                return None  # this process can read no more files
        case "module_name":
            if extension._module is None:
                # deferred: only on failure
                from ._faults.errors import invalid_entry_point

                raise invalid_entry_point(extension)
            return extension._module
        case "entry_point_target":
            return extension.value
        case "extras":
            return getattr(extension.entry_point, "extras", [])
        case "dist":
            return getattr(extension.entry_point, "dist", None)
        case "dist_name" | "dist_version":
            return _identity(extension._owner)[name == "dist_version"]
        case "load_error":
            return _error(extension)
        case "load_seconds":
            outcome = extension._outcomes.get(("plugin", _environment.generation))
            return None if outcome is None else outcome[2]
        case "remembered":
            return _remembered(extension)
    raise AttributeError(
        f"{owner.__name__!r} object has no attribute {name!r}",  # noqa: EM102 - Python's words
        name=name,
        obj=extension,
    )


def _loaded(extension: "Extension[Any]", name: str) -> "Any":
    from ._import_target import keep_modules  # deferred: a summary does not need it

    keep_modules()
    if name == "plugin":
        return extension._load()
    from ._calling import call  # deferred: most plugins are not called

    return call(extension)


def _identity(owner: "Owner | None") -> "tuple[str | None, str | None]":
    """Return the name and the version of a distribution, read once until `refresh()`.

    A group of a thousand extensions has few distributions.
    """
    from ._distribution import identify  # deferred: few hosts ask

    if owner is None:
        return None, None
    if not isinstance(owner[1], str):
        # The object of a third-party finder: it answers itself, and may be unhashable.
        name, version, _ = identify(owner)
        return name, version or None
    key = _environment.generation, owner
    known = _identities.get(key)
    if known is None:
        for other in [*_identities]:
            if other[0] != key[0]:
                _identities.pop(other, None)
        name, version, _ = identify(owner)
        known = _identities[key] = name, version or None
    return known


def _summary(extension: "Extension[Any]") -> "str | None":
    """Return the first line of the docstring of the target of an extension.

    It is read from the source; None if the source shows no docstring.
    """
    global _learned_facts  # noqa: PLW0603 - as in `Computed.__get__`
    if _learned_facts is None:
        from ._static.learned import learned_facts  # deferred: few starts show help

        _learned_facts = learned_facts
    text: str | None = _learned_facts().recall(extension, "summary")
    if text is not None and not isinstance(text, str):
        # deferred: imports ast, and most summaries are known
        from ._static.source import first_line
        from ._static.targets import docstring

        text = docstring(extension, "summary", first_line)
    extension.summary = text
    return text


def _remembered(extension: "Extension[Any]") -> "Any":
    wanted = extension.__dict__.get("_facts")
    if wanted is None or wanted.description is None:
        return None
    try:
        from ._description import remembered  # deferred: few hosts describe plugins

        return remembered(extension, wanted.description)
    except (ImportError, OSError):
        return None  # this process can read no more files


def _entry_point(extension: "Extension[Any]") -> "Any":
    """Return the entry point of an extension, which is made once from its row."""
    if extension._entry_point is None and extension.value:
        from ._entry_point import EntryPoint  # deferred: a summary does not need it

        extension._entry_point = EntryPoint._of(
            extension.group, row_of_extension(extension), extension._owner
        )
    return extension._entry_point


def row_of_extension(extension: "Extension[Any]") -> "Row":
    """Return the row that an extension was made from."""
    return (
        extension.name,
        extension.value,
        extension._module,
        extension.attr,
        extension._line,
    )


def update_declaration(extension: "Extension[Any]", new: "Extension[Any]") -> None:
    """Set where the entry point of an extension is declared, as in a new handle."""
    extension._owner, extension._line = new._owner, new._line
    if extension._module is not None:
        extension._entry_point = None  # type: ignore[assignment]


def _error(extension: "Extension[Any]") -> "Exception | None":
    for kind in ("plugin", "obj"):
        outcome = extension._outcomes.get((kind, _environment.generation))
        if outcome is not None and outcome[1] is not None:
            error: Exception = outcome[1][0]
            return error
    return None
