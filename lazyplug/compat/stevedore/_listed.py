"""Load the plugin of an extension that was listed, since it is known to load."""

from lazyplug._faults.failed_loads import note_known

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from lazyplug._entry_point import EntryPoint


def load(entry_point: "EntryPoint") -> "Any":
    """Load an entry point. If that fails, forget that it loads, and add a note."""
    try:
        return entry_point.load()
    except BaseException as error:
        note_known(entry_point, error)
        raise
