"""Define the Sphinx directive `list-plugins`, which lists the plugins of a namespace.

Add it in `conf.py`::

    extensions = ["lazyplug.integrations.sphinx"]

A plugin is imported only if its source does not plainly show its docstring.
"""

# Sphinx need not be installed where types are checked.
# pyright: reportMissingImports=false, reportMissingModuleSource=false

from __future__ import annotations

from inspect import cleandoc, getdoc
from logging import WARNING, Handler, LogRecord, getLogger
from typing import TYPE_CHECKING, Any
from unicodedata import east_asian_width

from .. import ExtensionManager
from .._faults.errors import failed_load
from .._printable import clean
from .._static import targets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .. import Extension

    # Returns the docstring of an extension; None: the extension is skipped. Extensions
    # and their managers are those of lazyplug or of the drop-in.
    Document = Callable[[Any], str | None]
    # pairs of a text and the module that it comes from
    Texts = Iterator[tuple[str, str]]


def documentation(extension: Extension[Any]) -> str | None:
    """Return the docstring of a plugin, "" if it has none; None if it is broken.

    The plugin is imported only if its source does not plainly show the docstring. A
    failed import is logged as a warning of the Sphinx build.
    """
    doc = targets.docstring(extension, "docstring", cleandoc)
    if doc is not None:
        return doc
    try:
        return getdoc(extension.plugin) or ""
    except Exception as error:
        _log("lazyplug").warning("%s", clean(failed_load(extension, error)))
        return None


def _docstrings(manager: Any, document: Document) -> Iterator[tuple[Any, str]]:
    for name in sorted({*manager.names()}):
        extension = manager[name]
        doc = document(extension)
        if doc is not None:
            yield extension, doc


def simple_list(manager: Any, document: Document) -> Texts:
    """Yield a list of the names, each with the first line of its docstring."""
    for extension, doc in _docstrings(manager, document):
        summary = doc.partition("\n")[0].strip()
        yield f"* {extension.name} -- {summary}", extension.module_name


def detailed_list(
    manager: Any,
    document: Document,
    over: str = "",
    under: str = "-",
    titlecase: bool = False,
) -> Texts:
    """Yield a section for each name, with its docstring or a warning that it has none.

    :param over: the character of the lines above the titles; "" for no line.
    :param under: the character of the lines below the titles; "" for no line.
    :param titlecase: True to write the names in title case.
    """
    for extension, doc in _docstrings(manager, document):
        title = extension.name
        # reStructuredText requires lines that are as wide as the printed title.
        length = sum(1 + (east_asian_width(each) in "FW") for each in title)
        if titlecase:
            title = title.title()
        body = doc or (
            f".. warning:: No documentation found for {extension.name}"
            f" in {extension.entry_point_target}"
        )
        heading = [line for line in (over * length, title, under * length) if line]
        for text in (*heading, "\n", body, "\n"):
            yield text, extension.module_name


def _log(name: str) -> Any:
    from sphinx.util import logging  # deferred: the texts need no Sphinx

    return logging.getLogger(name)


def directive(log: Any, find: Callable[[str], Any], document: Document) -> type[Any]:
    """Return the class of a directive that lists the plugins of a manager.

    :param log: the log of the Sphinx build.
    :param find: returns the manager of a namespace.
    :param document: returns the docstring of an extension.
    """
    # Imported in this one function, so that this module can be imported without Sphinx.
    from docutils import nodes
    from docutils.parsers.rst import Directive, directives
    from docutils.statemachine import StringList
    from sphinx.util.nodes import nested_parse_with_titles

    class ListPluginsDirective(Directive):
        """A list of the plugins of a namespace."""

        has_content = True
        option_spec = {  # noqa: RUF012 - as docutils has it
            "class": directives.class_option,
            "detailed": directives.flag,
            "titlecase": directives.flag,
            "overline-style": directives.single_char_or_unicode,
            "underline-style": directives.single_char_or_unicode,
        }

        def run(self) -> list[Any]:
            """Return the nodes of the list."""
            namespace = " ".join(self.content).strip()
            log.info("documenting plugins from %r", namespace)
            manager = find(namespace)
            if "detailed" in self.options:
                texts = detailed_list(
                    manager,
                    document,
                    self.options.get("overline-style", ""),
                    self.options.get("underline-style", "="),
                    "titlecase" in self.options,
                )
            else:
                texts = simple_list(manager, document)
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


class _Forward(Handler):
    """Forward what lazyplug logs to the log of the Sphinx build."""

    def emit(self, record: LogRecord) -> None:
        """Log a record as Sphinx does, so that `suppress_warnings` can name it."""
        log = _log("lazyplug")
        log.log(record.levelno, "%s", record.getMessage(), type="lazyplug")


def setup(app: Any) -> dict[str, Any]:
    """Add the directive to a Sphinx application; return the metadata of the extension.

    Sphinx calls this function.
    """
    base: Any = directive(_log("lazyplug"), ExtensionManager[Any], documentation)

    class Current(base):
        def run(self) -> list[Any]:
            # Sphinx does not notice that a plugin was installed or has changed, so it
            # reads the document again at each build.
            self.state.document.settings.env.note_reread()
            logger, forward = getLogger("lazyplug"), _Forward(WARNING)
            logger.addHandler(forward)
            try:
                children: list[Any] = super().run()
            finally:
                logger.removeHandler(forward)
            return children

    app.add_directive("list-plugins", Current)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
