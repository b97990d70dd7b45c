"""Report lost plugins: those that this environment had before.

The losses are remembered when an index is written: see `_indexing.removals`. Each is
compared with what is installed now before it is reported.
"""

import os
import time

from .. import _environment
from .. import _messages as messages
from .._distribution import label
from .._files import fs
from .._index import index_name
from .._indexing.losses import is_missing, read_losses
from .._indexing.metadata import normalize, stem
from .._indexing.storage import LOST
from .._inventory import all_rows, distributions, metadata_directories
from .._printable import clean
from .._settings import MODES, get_cache_directory, get_choice
from .._tuples import Named
from .installer import install_command, is_installed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import NamedTuple

    from .._indexing.losses import Loss
    from .._types import Pair
else:
    NamedTuple = Named

# How many lost plugins an error names.
_MAX_LINES = 5


class LostPlugin(NamedTuple):
    """A plugin that was installed in this environment."""

    group: str
    name: str
    value: str
    # the distribution that declared it, with its version
    distribution: str
    # the day when that was noticed, as YYYY-MM-DD
    until: str
    # what became of it, if the distribution is still installed; else ""
    note: str
    # what to install to bring it back, such as "acme==1.4"; "" if it was renamed
    requirement: str


def lost_plugins(namespace: str = "", name: "str | None" = None) -> "list[LostPlugin]":
    """Return the lost plugins, the last ones first. Imports no plugin.

    :param namespace: a group, or a family of groups; "" for all.
    :param name: the name of the plugins; None for all.
    """
    environment = _environment.current()
    directory = get_cache_directory()
    if directory is None or get_choice("LAZYPLUG_CACHE", MODES) == "off":
        return []
    prefix = environment.key[0]
    file = index_name([prefix])[:16] + LOST
    losses = [
        loss
        for loss in read_losses(directory, file, prefix, fs.clock() // 1_000_000_000)
        if _is_in(loss.group, namespace)
        and name in (None, loss.name)
        # A directory that another `sys.path` has is not missed here, unless it is gone.
        and (loss.path in environment.entries or is_missing(loss.path))
    ]
    if not losses:
        return []
    rows = all_rows(environment)
    return [
        _describe(loss, rows)
        for loss in losses
        if all(row[0] != loss.name for row, _ in rows.get(loss.group, ()))
    ]


def _is_in(group: str, namespace: str) -> bool:
    if namespace[-2:] == ".*":
        return group.startswith(namespace[:-1])
    return namespace in ("", group)


def _describe(loss: "Loss", rows: "dict[str, list[Pair]]") -> LostPlugin:
    project, version = loss.key.replace("_", "-"), stem(loss.file)[1]
    installed = _installed_label(loss.key)
    note, requirement = "", project
    if installed:
        note = messages.DECLARES_NO_LONGER.format(distribution=installed)
        renamed = [
            messages.UNDER_ANOTHER_NAME.format(
                distribution=installed, name=row[0], group=group
            )
            for group, pairs in rows.items()
            for row, owner in pairs
            if owner[0] == loss.key and row[1] == loss.value
        ]
        note = renamed[0] if renamed else note
        requirement = "" if renamed or not version else f"{project}=={version}"
    return LostPlugin(
        loss.group,
        loss.name,
        loss.value,
        clean(f"{project} {version}".rstrip()),
        time.strftime("%Y-%m-%d", time.localtime(loss.when)),
        clean(note),
        requirement,
    )


def _installed_label(key: str) -> str:
    """Return "name version" of an installed distribution; "" if it is not installed."""
    environment = _environment.current()
    for directory in sorted(metadata_directories(environment)):
        path, file = os.path.split(directory)
        if normalize(stem(file)[0]) == key:
            return label((key, path, file, 0))
    return key if key in distributions(environment) else ""


def missing_plugins(
    namespace: str, name: "str | None", known: "Mapping[str, str] | None" = None
) -> "tuple[list[str], str]":
    """Return what is known of a missing plugin, and the command line that installs it.

    :param name: its name; None for all of the namespace.
    :param known: the distributions that declare plugins which the host knows, by name.
    """
    lost = lost_plugins(namespace, name)
    lines = [describe_lost(plugin) for plugin in lost[:_MAX_LINES]]
    if len(lost) > _MAX_LINES:
        lines.append(messages.MORE_LOST.format(count=len(lost) - _MAX_LINES))
    requirements = [plugin.requirement for plugin in lost]
    requirement = (known or {}).get(name or "", "")
    if requirement and not lost and not is_installed(requirement):
        requirements = [requirement]
        lines.append(
            messages.IS_NOT_INSTALLED.format(name=name, requirement=clean(requirement))
            + "."
        )
    command = install_command(requirements)
    if command:
        lines.append(messages.TO_INSTALL.format(command=command))
    return lines, command


def describe_lost(plugin: LostPlugin) -> str:
    """Return a sentence that says what became of a lost plugin."""
    text = messages.WAS_DECLARED.format(
        name=plugin.name, distribution=plugin.distribution, date=plugin.until
    )
    return f"{text}; {plugin.note}." if plugin.note else f"{text}."


def report_known(
    namespace: str, names: "Iterable[str]", known: "Mapping[str, str]"
) -> None:
    """Log how to install the missing plugins that the host knows."""
    from .._log import report  # deferred: few hosts know plugins

    for name in sorted(known.keys() & names):
        lines, _ = missing_plugins(namespace, name, known)
        if lines:
            report(" ".join(lines))
