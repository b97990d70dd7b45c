"""The Sphinx directive `list-plugins`, which documents the plugins of a namespace.

Sphinx and docutils are imported by `setup()`, and by who touches the directive.
"""

# Sphinx need not be installed where types are checked.
# pyright: reportMissingImports=false, reportMissingModuleSource=false

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


def _in_order(mgr: "ExtensionManager[Any]") -> "Iterator[Extension[Any]]":
    for name in sorted(mgr.names()):
        yield mgr[name]


def _simple_list(mgr: "ExtensionManager[Any]") -> "Iterator[tuple[str, str]]":
    """Yield a list of the names, each with the first line of its docstring.

    Each text stands with the module that it comes from.
    """
    for extension in _in_order(mgr):
        summary = _documentation(extension).partition("\n")[0].strip()
        yield f"* {extension.name} -- {summary}", extension.module_name


def _detailed_list(
    mgr: "ExtensionManager[Any]",
    over: str = "",
    under: str = "-",
    titlecase: bool = False,
) -> "Iterator[tuple[str, str]]":
    """Yield a section for each name, with its docstring or a warning that it has none.

    Each text stands with the module that it comes from.

    :param over: the character of the lines above the titles; "" for no line.
    :param under: the character of the lines below them.
    :param titlecase: should the names begin with capitals in the titles?
    """
    for extension in _in_order(mgr):
        title, length = extension.name, len(extension.name)
        if titlecase:
            title = title.title()
        said = _documentation(extension) or (
            f".. warning:: No documentation found for {extension.name}"
            f" in {extension.entry_point_target}"
        )
        heading = [line for line in (over * length, title, under * length) if line]
        for text in (*heading, "\n", said, "\n"):
            yield text, extension.module_name


def _log() -> "Any":
    from sphinx.util import logging

    return logging.getLogger("stevedore.sphinxext")


def _directive() -> "type[Any]":
    # One function, so that no module here needs Sphinx to be imported.
    from docutils import nodes
    from docutils.parsers.rst import Directive, directives
    from docutils.statemachine import StringList
    from sphinx.util.nodes import nested_parse_with_titles

    log = _log()

    def report(
        manager: "ExtensionManager[Any]", entry_point: "EntryPoint", error: object
    ) -> None:
        log.warning("Failed to load %s: %s", entry_point.module, error)

    class ListPluginsDirective(Directive):
        """A list of the plugins of a namespace. Imports them all."""

        has_content = True
        option_spec = {  # noqa: RUF012 - as docutils has it
            "class": directives.class_option,
            "detailed": directives.flag,
            "titlecase": directives.flag,
            "overline-style": directives.single_char_or_unicode,
            "underline-style": directives.single_char_or_unicode,
        }

        def run(self) -> "list[Any]":
            """Return the nodes of the list."""
            namespace = " ".join(self.content).strip()
            log.info("documenting plugins from %r", namespace)
            manager: ExtensionManager[Any] = ExtensionManager(
                namespace, on_load_failure_callback=report
            )
            if "detailed" in self.options:
                texts = _detailed_list(
                    manager,
                    self.options.get("overline-style", ""),
                    self.options.get("underline-style", "="),
                    "titlecase" in self.options,
                )
            else:
                texts = _simple_list(manager)
            lines = StringList()
            for text, module in texts:
                for line in text.splitlines():
                    lines.append(line, module)
            section = nodes.section()
            section.document = self.state.document
            nested_parse_with_titles(self.state, lines, section)
            children: list[Any] = section.children
            return children

    ListPluginsDirective.__qualname__ = "ListPluginsDirective"
    return ListPluginsDirective


if not TYPE_CHECKING:
    _MADE = {"LOG": _log, "ListPluginsDirective": _directive}

    def __getattr__(name):
        if name not in _MADE:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = _MADE[name]()
        return value


def setup(app: "Any") -> "dict[str, Any]":
    """Add the directive to a Sphinx application."""
    _log().info("loading stevedore.sphinxext")
    # its own attribute, which is made at this touch
    directive = sys.modules[__name__].ListPluginsDirective
    app.add_directive("list-plugins", directive)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
