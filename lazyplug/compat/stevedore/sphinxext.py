"""Provide the Sphinx directive `list-plugins`, which imports a namespace's plugins.

Sphinx and docutils are imported by `setup()`, and on first access to the directive.
"""

import sys

from .extension import ExtensionManager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from lazyplug._entry_point import EntryPoint

    from .extension import Extension

    LOG: Any
    ListPluginsDirective: type[Any]


def _documentation(extension: "Extension[Any]") -> str:
    from inspect import getdoc  # deferred: 10 ms

    return getdoc(extension.plugin) or ""


def _simple_list(mgr: "ExtensionManager[Any]") -> "Iterator[tuple[str, str]]":
    """Yield the lines of a list of names, each with the first line of its docstring.

    Each line is paired with the module that it comes from.
    """
    from lazyplug.integrations.sphinx import simple_list  # deferred: only in a build

    return simple_list(mgr, _documentation)


def _detailed_list(
    mgr: "ExtensionManager[Any]",
    over: str = "",
    under: str = "-",
    titlecase: bool = False,
) -> "Iterator[tuple[str, str]]":
    """Yield a section for each name, with its docstring or a warning that it has none.

    Each line is paired with the module that it comes from.

    :param over: the character of the lines above the titles; "" for no line.
    :param under: the character of the lines below them.
    :param titlecase: whether to capitalize the names in the titles.
    """
    from lazyplug.integrations.sphinx import detailed_list  # deferred: only in a build

    return detailed_list(mgr, _documentation, over, under, titlecase)


def _log() -> "Any":
    # deferred: sphinx may not be installed
    from sphinx.util import logging  # pyright: ignore[reportMissingImports]

    return logging.getLogger("stevedore.sphinxext")


def _directive() -> "type[Any]":
    from lazyplug.integrations.sphinx import directive  # deferred: imports docutils

    log = _log()

    def report(
        manager: "ExtensionManager[Any]", entry_point: "EntryPoint", error: object
    ) -> None:
        log.warning("Failed to load %s: %s", entry_point.module, error)

    def find(namespace: str) -> "ExtensionManager[Any]":
        return ExtensionManager(namespace, on_load_failure_callback=report)

    return directive(log, find, _documentation)


if not TYPE_CHECKING:
    _FACTORIES = {"LOG": _log, "ListPluginsDirective": _directive}

    def __getattr__(name):
        if name not in _FACTORIES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")  # noqa: EM102 - Python's words
        value = globals()[name] = _FACTORIES[name]()
        return value


def setup(app: "Any") -> "dict[str, Any]":
    """Add the directive to a Sphinx application."""
    _log().info("loading stevedore.sphinxext")
    # An attribute of this module, which `__getattr__` creates on first access.
    directive = sys.modules[__name__].ListPluginsDirective
    app.add_directive("list-plugins", directive)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
