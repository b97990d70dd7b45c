"""The managers that the host uses, from the engine that it is run on.

The rest of the host is the same on both.
"""

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING or os.environ.get("HOST_ENGINE") != "stevedore":
    from lazyplug import (
        DriverManager,
        EnabledExtensionManager,
        ExtensionManager,
        NamedExtensionManager,
    )
else:
    from stevedore import driver, enabled, extension, named

    DriverManager = driver.DriverManager
    EnabledExtensionManager = enabled.EnabledExtensionManager
    ExtensionManager = extension.ExtensionManager
    NamedExtensionManager = named.NamedExtensionManager

__all__ = [
    "DriverManager",
    "EnabledExtensionManager",
    "ExtensionManager",
    "NamedExtensionManager",
]
