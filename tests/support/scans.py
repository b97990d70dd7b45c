"""Note which distributions are scanned."""

from typing import Any

import pytest

from lazyplug._indexing import patch, rebuild, scan


def note_scans(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the names of the metadata directories that are read from here on."""
    found: list[str] = []
    scan_distribution: Any = scan.scan_distribution

    def noted(path: str, file: str, *rest: Any, **named: Any) -> Any:
        found.append(file)
        return scan_distribution(path, file, *rest, **named)

    for module in (scan, rebuild, patch):
        monkeypatch.setattr(module, "scan_distribution", noted)
    return found
