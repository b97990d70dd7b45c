"""Check the metadata of the installed distributions, and the plugins they declare."""

import os

from ... import _environment
from ... import _messages as messages
from ..._extension import Extension
from ..._faults.problems import problems
from ..._indexing.metadata import headers, stem
from ..._indexing.reading import find_metadata
from ..._inventory import distributions, rows_by_group
from ..._printable import counted
from ..._static import targets
from ..listing import label
from .findings import Finding, finding, passed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    Groups = dict[str, list[Extension[Any]]]

# Several distributions may declare a script of the same name: the one that is installed
# last gets the name.
_SCRIPTS = {"console_scripts", "gui_scripts"}


def extensions_by_group() -> "Groups":
    """Return all extensions of this environment; scan it if that is necessary."""
    found: Groups = {}
    for group, pairs in rows_by_group(_environment.current("full")).items():
        for row, owner in pairs:
            extension: Extension[Any] = Extension.__new__(Extension)
            found.setdefault(group, []).append(
                extension._fill(group, row, owner, None, None)
            )
    return found


def count_plugins(groups: "Groups") -> "dict[str, int]":
    """Return how many groups, entry points, distributions and problems there are."""
    return {
        "groups": len(groups),
        "entry_points": sum(map(len, groups.values())),
        "distributions": len(distributions(_environment.current("full"))),
        "problems": len(problems()),
    }


def check_metadata(groups: "Groups") -> "Iterator[Finding]":
    """Yield each of `problems()`, and the distributions without a Name or a Version."""
    nameless = set()
    for problem in problems():
        fields: dict[str, Any] = {"path": problem.path, "line": problem.line or None}
        fields["distribution"] = _distribution_of(problem.path)
        code = "metadata-broken"
        if problem.path.startswith("sys.path["):
            code, fields = "path-invalid", {}
        elif problem.reason == messages.LEFT_BEHIND:
            code = "pip-left-over"
        elif problem.reason == messages.NO_NAME:
            nameless.add(problem.path)
        yield finding(code, str(problem), **fields)
    owners = set()
    directories = set()
    for extension in (each for several in groups.values() for each in several):
        if extension._owner is not None:
            key, path, file, _ = extension._owner
            owners.add(key)
            # importlib_metadata reads archives, and what third-party finders find.
            if isinstance(path, str) and not os.path.isfile(path):
                directories.add(os.path.join(path, file))
    # Those that only a stale frozen index has are found there.
    directories = set(filter(os.path.lexists, directories))
    for directory in sorted(directories - nameless):
        values = headers(find_metadata(directory)[2] or "")
        for field, value in zip(("Name", "Version"), values):
            if not value:
                yield finding(
                    "metadata-incomplete",
                    f"{directory}: the metadata has no {field}",
                    path=directory,
                    distribution=_distribution_of(directory),
                )
    count = counted(len(distributions(_environment.current("full"))), "distribution")
    yield passed("metadata", f"{count}, {len(owners)} of them with entry points")


def _distribution_of(path: str) -> "str | None":
    """Return the name in the path of a metadata directory, or of a file in one.

    >>> _distribution_of("/s/Foo_Bar-1.0.dist-info/entry_points.txt")
    'Foo_Bar'
    >>> _distribution_of("/s") is None
    True
    """
    names = [stem(name)[0] for name in path.split(os.sep)]
    return next((name.lstrip("~") for name in names[::-1] if name), None)


def check_names(groups: "Groups") -> "Iterator[Finding]":
    """Yield the groups in which names are declared more than once."""
    for group, extensions in groups.items():
        by_name: dict[str, list[Extension[Any]]] = {}
        for extension in extensions:
            by_name.setdefault(extension.name, []).append(extension)
        several = {name for name, found in by_name.items() if len(found) > 1}
        if several and group not in _SCRIPTS:
            owners = {label(each) for name in several for each in by_name[name]}
            of = f"{group!r}, by {first_names(owners)}"
            count = counted(len(several), "name")
            yield finding(
                "name-shared",
                f"{count} declared more than once in {of}: {first_names(several)}",
                group=group,
                names=sorted(several),
            )
    points = counted(sum(map(len, groups.values())), "entry point")
    yield passed("names", f"{points} in {counted(len(groups), 'group')}")


def check_targets(groups: "Groups") -> "Iterator[Finding]":
    """Yield the distributions that declare plugins in modules that do not exist."""
    modules: dict[str, bool] = {}
    missing: dict[str, set[str]] = {}
    for extension in (each for several in groups.values() for each in several):
        module = extension._module
        if module is None:
            continue  # reported as a problem of the metadata
        if module not in modules:
            modules[module] = targets.is_missing(extension)
        if modules[module]:
            missing.setdefault(label(extension), set()).add(module)
    for owner, names in sorted(missing.items()):
        yield finding(
            "module-missing",
            f"{owner} refers to modules that do not exist: {first_names(names)}",
            distribution=owner.partition(" ")[0],
            names=sorted(names),
        )
    yield passed("targets", f"entry points refer to {counted(len(modules), 'module')}")


def first_names(names: "set[str]") -> str:
    """Return the first five names, sorted, and how many more there are.

    >>> first_names({"b", "a"}), first_names(set("abcdefgh"))
    ('a, b', 'a, b, c, d, e and 3 more')
    """
    first = ", ".join(sorted(names)[:5])
    return first + (f" and {len(names) - 5} more" if len(names) > 5 else "")
