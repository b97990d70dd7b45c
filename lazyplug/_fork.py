"""Give up, in a forked child, the imports that other threads of the parent had begun.

Those threads do not exist in the child, but the module locks that they held do: any
import of one of these modules in the child would wait forever.
"""

import _thread
import sys


def give_up_imports() -> None:
    """Let modules that other threads of the parent were importing be imported again.

    Only the thread that forked exists in the child. importlib has no public API for
    this.
    """
    locks = sys.modules["_frozen_importlib"]._module_locks
    for name, known in list(locks.items()):
        if getattr(known(), "owner", None) != _thread.get_ident():
            del locks[name]
            try:
                spec = object.__getattribute__(sys.modules.get(name), "__spec__")
                unfinished = getattr(spec, "_initializing", False) is True
            except BaseException:  # noqa: S112
                # An object that replaced the module may raise anything. The other
                # locks must still be given up.
                continue
            if unfinished:
                del sys.modules[name]
