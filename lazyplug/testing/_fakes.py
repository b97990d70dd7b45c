"""Extensions that a test gives: as installed ones for a while, or in one manager."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from typing import Any, TypeVar

from .. import EntryPoint, Extension, Manager, entry_points
from .._distribution import identify
from ._places import Patch, install, temporary_site
from ._trees import Tree, dist

M = TypeVar("M", bound=Manager[Any, Any])

# Of each module of fakes that is planted what it gives.
_given: dict[str, dict[str, object]] = {}


def manager_of(kind: "type[M]", namespace: str, plugins: Mapping[str, object]) -> M:
    """Return a manager that has these extensions, and none that is installed.

    :param kind: its class; `DriverManager` wants exactly one.
    :param namespace: the group that they stand in.
    :param plugins: the plugins by name: an object is the plugin; text is an object
        reference, `module:attr`, that is imported on first touch.
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
    """Let a namespace have these extensions, for the length of the block.

    They are declared by a distribution in a site folder, as `site_folder` makes one:
    every manager that is made in the block, `entry_points()` and importlib.metadata
    find them as they find others. Nothing is imported until one is touched.

    The installed extensions of the namespace are hidden by distributions that stand
    before theirs, and declare the rest of what these declare.

    :param namespace: the group.
    :param plugins: the plugins by name: an object is the plugin; text is an object
        reference, `module:attr`, which may also lead nowhere.
    :param keep_installed: hide only those that have one of these names?

    Objects are there in this process; another one that loads them gets an ImportError.
    Raises ValueError of a name that cannot stand in an entry_points.txt, and of a
    family, `myapp.*`.
    """
    with temporary_site() as (folder, patch):
        install(patch, folder, faked(patch, namespace, plugins, keep_installed))
        yield


def faked(
    patch: Patch, namespace: str, plugins: Mapping[str, object], keep_installed: bool
) -> Tree:
    """Return what is to be installed for `fake_extensions`.

    What it gives is there until that is undone.
    """
    if namespace.endswith(".*"):
        raise ValueError(f"{namespace!r} is a family: say one group of it")
    number = next(n for n in count(1) if f"lazyplug_fakes_{n}" not in _given)
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

    patch.setitem(_given, module, objects)
    return {
        f"{module}.py": _source(objects),
        **dist(f"lazyplug-fakes-{number}", entry_points={namespace: values}),
        **_without(is_hidden),
    }


def _source(objects: "dict[str, object]") -> str:
    """Return the source of a module that gives these objects.

    It shows their docstrings to who reads it, for summaries.
    """
    lines = [f"from {__name__} import give\n"]
    for attr, plugin in objects.items():
        # That of any other object is its class's.
        is_own = inspect.isclass(plugin) or inspect.isroutine(plugin)
        doc = plugin.__doc__ if is_own else None
        said = doc if isinstance(doc, str) else None
        lines.append(f"def {attr}():\n    {said!r}\n")
    return "".join([*lines, "give(globals())\n"])


def give(module: "dict[str, Any]") -> None:
    """Put the objects into a module of fakes, when it is imported."""
    if module["__name__"] not in _given:
        raise ImportError(
            "fake extensions are objects of the process that has made them: give"
            " references, or plant modules in a site folder, for other processes"
        )
    module.update(_given[module["__name__"]])


def _without(is_hidden: "Callable[[EntryPoint], bool]") -> Tree:
    """Return distributions that declare what installed ones do, but for some of it."""
    points = entry_points()
    owners: dict[Any, None] = dict.fromkeys(p._owner for p in points if is_hidden(p))
    tree: dict[str, Any] = {}
    for owner in owners:
        declared = [point for point in points if point._owner == owner]
        rest = [point for point in declared if not is_hidden(point)]
        text = "".join(f"[{p.group}]\n{p.name} = {p.value}\n" for p in rest)
        name, version, _ = identify(owner)
        for folder, files in dist(name, version, text).items():
            opened = declared[0].dist
            said = opened.read_text("METADATA") or opened.read_text("PKG-INFO")
            tree[folder] = {**files, "METADATA": said or files["METADATA"]}
    return tree
