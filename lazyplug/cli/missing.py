"""Tell a plugin whose host or extra is not installed from a broken one."""

import re

from .. import _environment
from .. import _messages as messages
from .._distribution import requirements_of
from .._indexing.metadata import normalize
from .._inventory import distributions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .._extension import Extension

_EXTRA = re.compile(r"""\bextra\s*==\s*['"]([^'"]+)['"]""")
_NAME = re.compile(r"\s*([\w.-]+)")


def need(extension: "Extension[Any]", module: str) -> str:
    """Return what a plugin needs that need not be installed, or "".

    That is a module of an extra of its distribution, or the host of its group, if the
    distribution does not require it: pytest for the group `pytest11`. Nothing says
    which project has a module that is not installed. So its name must be like that of
    a project that the extra requires, or the entry point must name the extra.

    :param module: the name of the module that was not found.
    """
    owner = extension._owner
    if owner is None or not module:
        return ""
    names = _projects(module)
    installed = distributions(_environment.current())
    if names & installed:
        return ""  # that distribution is damaged
    own = set(map(normalize, extension.extras))
    extras = []
    for requirement in requirements_of(owner):
        text, _, marker = requirement.partition(";")
        name = _NAME.match(text)
        key = normalize(name[1]) if name else ""
        extra = _EXTRA.search(marker)
        if extra is None and key in names:
            return ""  # a requirement is not installed: a problem
        is_missing = key not in installed and extra and normalize(extra[1]) in own
        if extra and (key in names or is_missing):
            extras.append(extra[1])
    if extras:
        return messages.NEEDS_EXTRA.format(module=module, extra=extras[0])
    if len(module) > 1 and extension.group.lower().startswith(module.lower()):
        return messages.NEEDS_MODULE.format(module=module)
    return ""


def _projects(module: str) -> "set[str]":
    """Return the usual names of the projects that have a module.

    >>> sorted(_projects("google.auth"))[:3]
    ['google', 'google_auth', 'google_auth_python']
    """
    parts = module.split(".")
    found = set()
    for number in range(len(parts)):
        name = normalize("_".join(parts[: number + 1]))
        found |= {name, f"py{name}", f"python_{name}", f"{name}_python"}
    return found
