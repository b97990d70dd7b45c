"""Select the frozen index that this process uses, or none."""

import os

from . import _settings
from ._environment import invalidate_caches
from ._frozen_index import OFF, FrozenIndex, open_frozen_index

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def use_index(file: "Any", package: "str | None" = None) -> None:
    """Use a frozen index in this process, or none at all.

    The variable `LAZYPLUG_INDEX` takes precedence. Call this before the
    first manager is created: existing managers do not change. Imports no plugin.

    :param file: the path of the frozen index or, with `package`, its name in that
        package. None: use no frozen index, not even that of the environment.
    :param package: the import package that contains the file. It is imported.

    Raises OSError if the file cannot be read, ValueError if it is damaged, is not a
    frozen index, or could have been written by other users, and ImportError if
    `package` cannot be imported.
    """
    index: Any = OFF
    if package is not None:
        from importlib.resources import files  # deferred: 15 ms, for `package` only

        resource = files(package).joinpath(file)
        label = os.path.abspath(str(resource))
        index = label, os.path.dirname(label), resource.read_bytes()
        FrozenIndex(*index)
    elif file is not None:
        index = os.path.abspath(file)
        open_frozen_index(index)
    _settings.index_override = index
    invalidate_caches()
