"""Load one plugin by its name, or by a reference from a configuration file."""

from ._exceptions import NoMatches
from ._faults.messages import no_matches
from ._import_target import import_module
from ._indexing.metadata import split_value
from ._inventory import served
from ._named import DriverManager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._selection.choice import Choice


def load(
    namespace: str, name_or_reference: str, *, choice: "Choice | None" = None
) -> "Any":
    """Return the plugin of an entry point, or else what a reference refers to.

    An entry point of that name wins. Else it is read as `package.module:attr`, or as
    a dotted path, `package.module.Class`, whose longest part that is a module is
    imported. A word without dot and colon is a name only.

    :param namespace: the group of the entry points.
    :param name_or_reference: the name of an entry point, or a reference.
    :param choice: which entry points are taken, as of Manager; references are not
        judged.

    Imports the plugin. Raises NoMatches, with both attempts in its text, if there
    is no such entry point and nothing that the reference refers to, or the entry
    point is left out;
    MultipleMatches if several distributions declare the name; else what the import
    raises.
    """
    if served(namespace, (name_or_reference,)):
        return DriverManager(namespace, name_or_reference, choice=choice).driver
    names = [row[0] for _, (row, _) in served(namespace)]
    missing = no_matches(namespace, name_or_reference, names)
    module, attr = split_value(name_or_reference)
    if module is None or (attr is None and "." not in module):
        raise missing
    try:
        return _referred(module, attr)
    except _NotThereError as error:
        text = f"{missing}\nNor can it be imported as a reference: {error}."
        failure = NoMatches(text)
        failure.__dict__.update(missing.__dict__)
        raise failure from error.__cause__


class _NotThereError(Exception):
    """A reference refers to nothing."""


def _referred(module: str, attr: "str | None") -> "Any":
    """Return what a reference refers to. Raises _NotThereError, or what import does."""
    if module[0] == ".":
        raise _NotThereError(f"{module!r} is relative, to no package")
    names = [*filter(None, attr.split("."))] if attr else []
    dotted = attr is None
    missing = ""
    while True:
        try:
            found = import_module(module)
            break
        except ModuleNotFoundError as error:
            # Only that it is not there: what a module misses inside is its fault.
            if error.name is None or not f"{module}.".startswith(f"{error.name}."):
                raise
            above, dot, last = module.rpartition(".")
            if not dotted or not dot:
                raise _NotThereError(f"no module named {error.name!r}") from error
            missing = f"no module named {error.name!r}, and "
            module, names = above, [last, *names]
    for name in names:
        try:
            found = getattr(found, name)
        except AttributeError as error:
            raise _NotThereError(f"{missing}{error}") from error
    return found
