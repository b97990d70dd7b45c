"""Plant plugins of which facts are learned, and end processes that learned them."""

from lazyplug import _environment
from lazyplug._static import facts as facts_module


def end() -> None:
    """End a process, and begin another."""
    facts_module.write()
    facts_module._latest = None
    _environment.invalidate_caches()
