"""Let this process use a frozen index, or none."""

import os

from . import _settings
from ._environment import invalidate_caches
from ._frozen_index import OFF, Frozen, opened

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def use_index(file: "Any", package: "str | None" = None) -> None:
    """Use a frozen index in this process; with None none, not even the environment's.

    `LAZYPLUG_INDEX` still comes before it. To be called before the first manager is
    made: those that stand stay as they are. No plugin is imported.

    :param file: its path, or with `package` its name in that package, which is
        imported.

    Raises OSError if there is no such file, and ValueError if it is no frozen index,
    is damaged, or could have been written by others.
    """
    index: Any = OFF
    if package is not None:
        from importlib.resources import files  # deferred: 15 ms, where it is asked for

        resource = files(package).joinpath(file)
        label = os.path.abspath(str(resource))
        index = label, os.path.dirname(label), resource.read_bytes()
        Frozen(*index)
    elif file is not None:
        index = os.path.abspath(file)
        opened(index)
    _settings.override_index(index)
    invalidate_caches()
