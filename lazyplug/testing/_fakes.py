"""Provide fake extensions to a test: as if installed, or in one manager."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from typing import Any, TypeVar

from .. import EntryPoint, Extension, Manager, entry_points
from .. import _messages as messages
from .._distribution import identify
from ._places import Patch, install, temporary_site
from ._trees import Tree, dist

M = TypeVar("M", bound=Manager[Any])

# the objects of each generated module, by its name
_objects: dict[str, dict[str, object]] = {}


def manager_of(kind: "type[M]", namespace: str, plugins: Mapping[str, object]) -> M:
    """Return a manager that has these extensions, and no installed ones.

    :param kind: the class of the manager; `DriverManager` needs exactly one extension.
    :param namespace: the group of the extensions.
    :param plugins: the plugins by name. An object is the plugin; a string is a
        `module:attr` reference, which is imported on first access.
    """
    extensions: list[Extension[Any]] = []
    for name, plugin in plugins.items():
        value = plugin if isinstance(plugin, str) else ""
        extension: Extension[Any] = Extension(name, EntryPoint(name, value, namespace))
        if plugin is not value:
            extension.plugin = plugin
        extensions.append(extension)
    return kind.make_test_instance(extensions, namespace)


@contextmanager
def fake_extensions(
    namespace: str, plugins: Mapping[str, object], *, keep_installed: bool = False
) -> Iterator[None]:
    """Give a namespace these extensions for the duration of the block.

    A distribution in a temporary site directory declares them (see `site_directory`):
    managers that are created in the block, `entry_points()` and importlib.metadata find
    them like any other. No plugin is imported before first access.

    The installed extensions of the namespace are hidden by copies of their
    distributions, which come first on `sys.path` and lack these declarations.

    :param namespace: the group.
    :param plugins: the plugins by name. An object is the plugin; a string is a
        `module:attr` reference, whose target need not exist.
    :param keep_installed: True hides only installed extensions of the same names.

    Objects exist only in this process; a child process that loads them gets an
    ImportError. Raises ValueError if a name is not valid in an entry_points.txt, or if
    the namespace is a family, `myapp.*`.
    """
    with temporary_site() as (directory, patch):
        install(patch, directory, faked(patch, namespace, plugins, keep_installed))
        yield


def faked(
    patch: Patch, namespace: str, plugins: Mapping[str, object], keep_installed: bool
) -> Tree:
    """Return the tree to install for `fake_extensions`.

    The objects are available until the patch is undone.
    """
    if namespace.endswith(".*"):
        raise ValueError(messages.ONE_GROUP.format(namespace=namespace))
    number = next(n for n in count(1) if f"lazyplug_fakes_{n}" not in _objects)
    module = f"lazyplug_fakes_{number}"
    values: dict[str, str] = {}
    objects: dict[str, object] = {}
    for name, plugin in plugins.items():
        if isinstance(plugin, str):
            values[name] = plugin
        else:
            attr = f"plugin_{len(objects)}"
            objects[attr], values[name] = plugin, f"{module}:{attr}"

    def is_hidden(point: EntryPoint) -> bool:
        return point.group == namespace and (
            point.name in plugins or not keep_installed
        )

    patch.setitem(_objects, module, objects)
    return {
        f"{module}.py": _source(objects),
        **dist(f"lazyplug-fakes-{number}", entry_points={namespace: values}),
        **_without(is_hidden),
    }


def _source(objects: "dict[str, object]") -> str:
    """Return the source of a module that provides these objects.

    It contains their docstrings, so that summaries can be read from the source.
    """
    lines = [f"from {__name__} import give\n"]
    for attr, plugin in objects.items():
        # Any other object has the docstring of its class.
        is_own = inspect.isclass(plugin) or inspect.isroutine(plugin)
        doc = plugin.__doc__ if is_own else None
        text = doc if isinstance(doc, str) else None
        lines.append(f"def {attr}():\n    {text!r}\n")
    return "".join([*lines, "give(globals())\n"])


def give(module: "dict[str, Any]") -> None:
    """Put the objects into a generated module, which calls this when it is imported."""
    if module["__name__"] not in _objects:
        raise ImportError(messages.FAKE_IN_ANOTHER_PROCESS)
    module.update(_objects[module["__name__"]])


def _without(is_hidden: "Callable[[EntryPoint], bool]") -> Tree:
    """Return copies of installed distributions that lack the hidden entry points."""
    points = entry_points()
    owners: dict[Any, None] = dict.fromkeys(p._owner for p in points if is_hidden(p))
    tree: dict[str, Any] = {}
    for owner in owners:
        declared = [point for point in points if point._owner == owner]
        rest = [point for point in declared if not is_hidden(point)]
        text = "".join(f"[{p.group}]\n{p.name} = {p.value}\n" for p in rest)
        name, version, _ = identify(owner)
        for directory, files in dist(name, version, text).items():
            opened = declared[0].dist
            metadata = opened.read_text("METADATA") or opened.read_text("PKG-INFO")
            tree[directory] = {**files, "METADATA": metadata or files["METADATA"]}
    return tree
