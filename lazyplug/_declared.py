"""Declare the attributes of extensions and managers, and describe them for `help()`.

Type checkers and editors read the declarations. In the hot modules, they would cost
every program that runs from the sources 10,000 instructions.
"""

import ast
import inspect
import itertools
import sys
from typing import TYPE_CHECKING  # jedi would take a constant at its word

if TYPE_CHECKING:
    from importlib.metadata import Distribution

    from ._extension import Extension
    from ._types import *

    class ExtensionAttributes(Generic[T, Bool]):
        """The attributes of an extension."""

        _entry_point: EntryPoint
        name: str
        """The name of the entry point."""
        group: str
        """The group of the entry point."""
        value: str
        """The `module:attr` reference, as the distribution declares it.

        See https://packaging.python.org/specifications/entry-points/#data-model.
        """
        attr: str | None
        """The attribute of the module; None if the reference names only a module."""
        plugin: T
        """The object that the entry point refers to; imported on first access.

        If the load fails, the exception of the import is raised, with a note that names
        the entry point and its distribution. It is raised again at every access until
        `refresh()`.
        """
        obj: CallResult
        """The object that the plugin's call returned; None without `invoke_on_load`.

        The plugin is imported and called on first access, once, whatever the number of
        threads.
        """
        summary: str | None
        """The first line of the docstring of the plugin.

        It is read from the source; nothing of the plugin is imported. None if there is
        no source, or if the source does not show the docstring with certainty.
        """
        facts: Any
        """The facts that the plugin declares, or that its source proves: see Facts.

        A read-only mapping, or what the host's schema returned for it. A fact that is
        absent is unknown; all are, if the manager has no `facts=`. Nothing of the
        plugin is imported. Raises InvalidFacts if the schema raises an exception.
        """
        remembered: Any
        """What the host's `describe` returned when the plugin was last loaded.

        None if that is unknown, or if the manager has no `Facts(describe=...)`. This is
        a hint, which may be out of date: see Facts. Each access returns a new copy.
        Nothing of the plugin is imported.
        """
        _facts: Facts | None

        @property
        def entry_point(self) -> EntryPoint:
            """The entry point, with what importlib.metadata's EntryPoint has."""
            ...

        module_name: str
        """The module that the entry point refers to.

        Raises InvalidEntryPoint, a ValueError, if the value is not a valid reference
        (expected `module:attr`).
        """
        entry_point_target: str
        """The `module:attr` reference, as `value`."""
        extras: list[str]
        """The extras that the reference names."""
        dist: Distribution | None
        """The distribution, opened by importlib_metadata; None if it has none."""
        dist_name: str | None
        """The name of the distribution, as `dist.name`; None if it has none.

        It is read from the distribution's METADATA, once until `refresh()`, without the
        import of importlib.metadata; of an archive, by importlib_metadata.
        """
        dist_version: str | None
        """The version of the distribution, as `dist.version`; None if it has none."""
        load_error: Exception | None
        """The exception of the failed load or call, raised at each access; or None."""
        load_seconds: float | None
        """Seconds that the import took; None if this handle has not imported it."""

    class ManagerAttributes(Generic[T, Bool]):
        """The attributes of a manager."""

        extensions: list[Extension[T, Bool]]
        """The extensions, in order."""
        excluded: dict[Extension[T, Bool], str]
        """The extensions that are not enabled, with the reasons.

        They are those that the choice excludes, and those that raised an exception of
        `skip=` when they were loaded.
        """

        @property
        def failures(self) -> list[Failure]:
            """The failures of this manager since the last `refresh()`.

            They are failed loads and checks, conflicts, and values that are not a valid
            reference (expected `module:attr`). Imports no plugin.
            """
            ...

        # the names of the extensions to find; None: all
        _requested_names: Sequence[str] | None
        _package: str | None
        _choice: Choice | None
        _facts: Facts | None
        # all extensions that were registered in code, enabled or not
        _registered: tuple[Extension[T, Bool], ...]
        _candidates: list[Extension[T, Bool]]
        _load_options: tuple[Any, Any]
        # the names that were requested
        _names: Sequence[str]
        _on_missing: OnMissingEntrypointsCallback | None
        _skip: type[Exception] | tuple[type[Exception], ...]
        _known: Mapping[str, str] | None


def describe(owner: "Any", name: str) -> "Any":
    """Return a property for a computed attribute of a class.

    For `__signature__`, return the signature of the class, in which the options of all
    managers replace `**options`.
    """
    if name == "__signature__":
        return _signature(owner)

    def get(extension: "Any") -> "Any":
        return getattr(extension, name)

    kind, description = next(
        (found for each, *found in declarations() if each == name), ("Any", None)
    )
    get.__annotations__["return"] = kind
    return property(get, doc=description)


def declarations() -> "Iterator[tuple[str, str, str]]":
    """Yield the names, types and descriptions of the declared attributes.

    Python keeps no docstrings of attributes: they are read from the source, if there is
    one.
    """
    try:
        module = ast.parse(inspect.getsource(sys.modules[__name__]))
    except (OSError, TypeError, SyntaxError):
        return  # only bytecode is installed
    for node in ast.walk(module):
        body = node.body if isinstance(node, ast.ClassDef) else []
        for declared, text in itertools.pairwise(body):
            match declared, text:
                case (
                    ast.AnnAssign(target=ast.Name(id=name), annotation=kind),
                    ast.Expr(value=ast.Constant(value=str(description))),
                ):
                    yield name, ast.unparse(kind), inspect.cleandoc(description)
                case (
                    ast.FunctionDef(
                        name=name,
                        returns=ast.expr() as kind,
                        body=[ast.Expr(value=ast.Constant(value=str(description))), *_],
                    ),
                    _,
                ):
                    yield name, ast.unparse(kind), inspect.cleandoc(description)


def _signature(owner: "Any") -> inspect.Signature:
    try:
        signature = inspect.signature(owner.__init__, eval_str=True)
    except Exception:  # `types` is not imported, or a subclass names what is not
        signature = inspect.signature(owner.__init__)
    own = [*signature.parameters.values()][1:]
    if own and own[-1].kind is own[-1].VAR_KEYWORD and own[-1].name == "options":
        names = {each.name for each in own}
        everything = _signature(owner.__mro__[-2]).parameters.values()
        own[-1:] = [
            each
            for each in everything
            if each.kind is each.KEYWORD_ONLY and each.name not in names
        ]
    return signature.replace(parameters=own, return_annotation=signature.empty)
