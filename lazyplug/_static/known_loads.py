"""Remember which entry points were loaded, so that they can be listed without a load.

Only success is remembered, never a failure: whatever failed, or is new, is loaded
again, so its exception is a real one. An entry point that was loaded counts as known
until the signature of a path entry, or the version of Python, changes. So an installed
or uninstalled distribution makes all entry points unknown. A change of a source file,
an environment variable or a system library does not: a known entry point may fail.
"""

import sys

from .. import _settings
from .._index import ABSENT, digest
from .learned import LearnedFacts, learned_facts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from .learned import Handle

_KIND = "loaded"


class KnownLoads:
    """The entry points among some that were loaded before, in this environment.

    None are known if a failure could not be forgotten, since nothing is written, and if
    a change of the environment would not be noticed. Imports no plugin.
    """

    def __init__(self, handles: "Iterable[Any]") -> None:
        # The same for all of them, even if a plugin changes sys.path.
        self._facts = learned_facts()
        self._state = environment_state(self._facts)
        # By identity: a host may use entry points of its own, which cannot be hashed.
        self._known = {
            id(each): each
            for each in handles
            if self._state is not None
            and self._facts.recall(each, _KIND) == self._state
        }

    def __contains__(self, handle: "Any") -> bool:
        return id(handle) in self._known

    def remember(self, handle: "Any") -> None:
        """Remember that an entry point was loaded."""
        if self._state is not None:
            from .learning import add  # deferred: most loads are already known

            add(self._facts, handle, _KIND, self._state)


def forget(handle: "Handle") -> None:
    """Forget that an entry point was loaded, since it failed now.

    This is written at once: the process may end without its exit handlers.
    """
    from .learning import add, write  # deferred: only on failure

    known = learned_facts()
    add(known, handle, _KIND, None)
    write(known)


def environment_state(known: LearnedFacts) -> "str | None":
    """Return a text that changes with the environment; None if it may not change."""
    environment = known.environment
    if (
        known.is_racy()
        or not known.may_write
        or environment.checked not in _settings.CHECKS_ENTRIES
    ):
        return None
    signatures = [each or ABSENT for each in known.signatures]
    return digest("\n".join([sys.version, *signatures]).encode())
