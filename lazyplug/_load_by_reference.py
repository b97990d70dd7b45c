"""Load one plugin by its name, or by a reference from a configuration file."""

from ._exceptions import NoMatches
from ._import_target import import_module
from ._indexing.metadata import split_value
from ._inventory import rows_of_namespace
from ._named import DriverManager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._selection.choice import Choice


def load(
    namespace: str, name_or_reference: str, *, choice: "Choice | None" = None
) -> "Any":
    """Return the plugin of an entry point, or the object that a reference refers to.

    An entry point with that name takes precedence. Otherwise the text is interpreted as
    `package.module:attr`, or as a dotted path, `package.module.Class`, of which the
    longest part that is a module is imported. Text with neither a dot nor a colon is
    only a name.

    :param namespace: the group of the entry points, or a family, `myapp.*`.
    :param name_or_reference: the name of an entry point, or a reference.
    :param choice: which entry points are enabled, as for Manager; it does not apply to
        references.

    Imports the plugin. Raises NoMatches if the choice excludes the entry point, or if
    neither such an entry point nor the object of the reference exists (the text then
    describes both attempts); MultipleMatches if several distributions declare the name;
    otherwise what the import raises.
    """
    if rows_of_namespace(namespace, (name_or_reference,)):
        return DriverManager(namespace, name_or_reference, choice=choice).driver
    from . import _messages as messages  # deferred: only without such an entry point
    from ._faults.errors import no_matches

    names = [row[0] for _, (row, _) in rows_of_namespace(namespace)]
    no_match = no_matches(namespace, name_or_reference, names)
    module, attr = split_value(name_or_reference)
    if module is None or (attr is None and "." not in module):
        raise no_match
    try:
        return _resolve(module, attr)
    except _UnresolvedError as error:
        reason = messages.REFERENCE_FAILED.format(reason=error)
        failure = NoMatches(f"{no_match}\n{reason}")
        failure.__dict__.update(no_match.__dict__)
        raise failure from error.__cause__


class _UnresolvedError(Exception):
    """The module or attribute of a reference does not exist."""


def _resolve(module: str, attr: "str | None") -> "Any":
    """Return the object of a reference; raise _UnresolvedError if there is none.

    Raises what the import raises if the module exists.
    """
    from . import _messages as messages  # deferred: only without such an entry point

    if module[0] == ".":
        raise _UnresolvedError(messages.RELATIVE_NAME.format(module=module))
    names = [*filter(None, attr.split("."))] if attr else []
    dotted = attr is None
    missing = ""
    while True:
        try:
            found = import_module(module)
            break
        except ModuleNotFoundError as error:
            # A module that exists, but fails to import another one, raises.
            if error.name is None or not f"{module}.".startswith(f"{error.name}."):
                raise
            above, dot, last = module.rpartition(".")
            reason = messages.NO_MODULE.format(name=error.name)
            if not dotted or not dot:
                raise _UnresolvedError(reason) from error
            missing = f"{reason}, and "
            module, names = above, [last, *names]
    for name in names:
        try:
            found = getattr(found, name)
        except AttributeError as error:
            reason = f"{missing}{error}"
            raise _UnresolvedError(reason) from error
    return found
