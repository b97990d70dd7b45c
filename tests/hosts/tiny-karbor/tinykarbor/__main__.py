"""Start the protection service once, and print as JSON what it did."""

import argparse
import json
import logging
from typing import Any

from .engine import client, client_names, load_plugin
from .protectables import ProtectableRegistry


def main() -> dict[str, Any]:
    """Return what the service found, and what it protected."""
    parser = argparse.ArgumentParser(prog="tinykarbor")
    parser.add_argument("providers", help="a directory of configuration files")
    parser.add_argument("--registry", default="provider-registry")
    parser.add_argument("--client", default="nova")
    options = parser.parse_args()

    registry = load_plugin("tinykarbor.provider", options.registry)(options.providers)
    protectables = ProtectableRegistry()
    return {
        "registry": type(registry).__name__,
        "rejected": registry.rejected,
        "failed": protectables.failed,
        "protected": registry.protect(protectables.resources()),
        "clients": client_names(),
        "session": client(options.client).create("admin"),
    }


if __name__ == "__main__":
    logging.basicConfig()
    print(json.dumps(main()))
