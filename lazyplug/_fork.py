"""In a forked child: what other threads of the parent were importing is given up.

Those threads are not there, but the locks that they held on their modules are: whoever
imports one of these modules in the child, by whatever means, waits for ever.
"""

import _thread
import sys


def give_up_imports() -> None:
    """Let what a thread of the parent had begun to import be imported anew.

    Only the thread that forked is there. Importlib has no public names for this.
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
