"""Write, read and remove the switch that `lazyplug on` leaves in an environment.

A line in a `.pth` file imports a module beside it at each start of Python. The module
only waits until a library that finds plugins is imported; then it calls `activate`. It
is written into the environment, not imported from lazyplug, so that it stays silent
after lazyplug was uninstalled.
"""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MODULE = "_lazyplug_switch"
PTH = "lazyplug_switch.pth"
# Python prints the traceback of a line that fails. It runs such lines up to 3.17;
# from 3.18 on, a `.start` file must name the module (PEP 829).
LINE = f"""import sys; exec("try:\\n import {MODULE}\\nexcept Exception: pass")\n"""
# The arguments of `activate`.
OPTIONS = {"as_stevedore", "lazy", "programs"}
# The libraries that find plugins.
_LIBRARIES = ("importlib.metadata", "importlib_metadata", "pluggy", "stevedore")
_SOURCE = '''\
"""Speed up plugins in this environment. Written by `lazyplug on`.

`lazyplug off` removes this file and {pth}. Without lazyplug, both do nothing, and can
be deleted.
"""

import sys

OPTIONS = {options!r}


def find_spec(name, path=None, target=None):
    if name not in {libraries!r}:
        return None
    _activate()
    return sys.modules["_frozen_importlib"]._find_spec(name, path, target)


def _activate():
    try:
        sys.meta_path.remove(_SELF)
        # Not a module of that name that belongs to the program.
        spec = sys.modules["_frozen_importlib"]._find_spec({package!r}, None)
        if spec is not None and spec.origin == {origin!r}:
            from {package}._running.activation import activate

            activate(**OPTIONS)
    except (Exception, SystemExit):
        pass


_SELF = sys.modules[__name__]
sys.meta_path.insert(0, _SELF)
if not sys.modules.keys().isdisjoint({libraries!r}):
    _activate()
'''


def source(options: "dict[str, Any]") -> str:
    """Return the text of the module, which calls `activate` with these options."""
    package = __name__.partition("._running")[0]
    return _SOURCE.format(
        options=options,
        libraries=_LIBRARIES,
        package=package,
        origin=sys.modules[package].__file__,
        pth=PTH,
    )


def read(directory: str) -> "dict[str, Any] | None":
    """Return the options of the switch in a site directory; None if there is none.

    Raises OSError if it cannot be read, ValueError if it is not one of ours.
    """
    try:
        with open(os.path.join(directory, f"{MODULE}.py"), encoding="utf-8") as file:
            text = file.read()
    except FileNotFoundError:
        return None
    from ast import literal_eval  # deferred: only for `status` and `doctor`

    from .. import _messages as messages

    _, _, rest = text.partition("\nOPTIONS = ")
    try:
        options = literal_eval(rest.partition("\n")[0])
    except (SyntaxError, TypeError, ValueError):
        options = None
    if not isinstance(options, dict) or not options.keys() <= OPTIONS:
        raise ValueError(messages.OTHER_SWITCH.format(file=f"{MODULE}.py"))
    return options
