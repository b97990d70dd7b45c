"""Record which distributions are scanned."""

from typing import Any

import pytest

from lazyplug._indexing import patch, rebuild, scan


def note_scans(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list to which each metadata directory is added that is scanned."""
    found: list[str] = []
    scan_distribution: Any = scan.scan_distribution

    def record(path: str, file: str, *rest: Any, **named: Any) -> Any:
        found.append(file)
        return scan_distribution(path, file, *rest, **named)

    for module in (scan, rebuild, patch):
        monkeypatch.setattr(module, "scan_distribution", record)
    return found
