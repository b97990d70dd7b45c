"""What the host asks of the engine that it is run on: the rest of it is the same.

`load_plugin` takes a group and the name of an entry point, or the dotted path of
a class; `extensions` gives all of a group; `client_names` and `client` give the
modules of the directory `clients`.
"""

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING or os.environ.get("HOST_ENGINE") != "stevedore":
    from .lazy import client, client_names, extensions, load_plugin
else:
    from .by_hand import client, client_names, extensions, load_plugin

__all__ = ["client", "client_names", "extensions", "load_plugin"]
