"""Run monitors and print, as JSON, what they report."""

import json
import logging
import sys
from configparser import ConfigParser
from typing import Any

from .compute import monitors
from .compute.tracker import ResourceTracker


def enabled_monitors(file: str) -> list[str]:
    """Return what a configuration file enables."""
    config = ConfigParser()
    with open(file, encoding="utf-8") as opened:
        config.read_file(opened)
    names = config["compute"]["enabled_monitors"].split(",")
    return [name.strip() for name in names]


def main(how: str, *arguments: str) -> dict[str, Any]:
    """Return what the monitors report, and which are missing or failed.

    :param how: one TYPE NAME, all, enabled FILE, or named TYPE NAME...
    """
    tracker = ResourceTracker("node-1")
    failed: list[str] = []
    missing: set[str] = set()
    if how == "all":
        reports = monitors.reports_of_all(
            tracker, lambda _, entry_point, error: failed.append(entry_point.name)
        )
    elif how == "enabled":
        handler = monitors.MonitorHandler(tracker, enabled_monitors(arguments[0]))
        reports = [monitor.report() for monitor in handler.monitors]
    elif how == "named":
        kind, *names = arguments
        found = monitors.in_order(tracker, kind, names, missing.update)
        reports = [monitor.report() for monitor in found]
    else:
        reports = [monitors.one(tracker, *arguments).report()]
    return {"reports": reports, "failed": failed, "missing": sorted(missing)}


if __name__ == "__main__":
    logging.basicConfig()
    print(json.dumps(main(*sys.argv[1:])))
