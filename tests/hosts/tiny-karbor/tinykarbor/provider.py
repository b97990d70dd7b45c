"""Providers: each keeps in one bank what its plugins protect."""

import logging
import os
from collections.abc import Mapping
from configparser import ConfigParser
from typing import Any

from .engine import load_plugin

LOG = logging.getLogger(__name__)
NAMESPACE = "tinykarbor.protections"


class Provider:
    """What one configuration file describes.

    :param config: its section.
    """

    def __init__(self, config: Mapping[str, str]) -> None:
        self.id = config["id"]
        self.name = config["name"]
        self.bank = load_plugin(NAMESPACE, config["bank"])()
        self.plugins: dict[str, Any] = {}
        for name in config["plugins"].split(","):
            plugin = load_plugin(NAMESPACE, name.strip())()
            self.plugins[plugin.resource_type] = plugin

    def protect(self, resources: Mapping[str, str]) -> dict[str, Any]:
        """Keep these resources, by type, as far as there is a plugin for them."""
        for kind in sorted(self.plugins.keys() & resources.keys()):
            self.bank.keep(kind, self.plugins[kind].copy_of(resources[kind]))
        return {"name": self.name, "kept": self.bank.content()}


class ProviderRegistry:
    """The providers of a directory of configuration files, by id.

    :param directory: where they are. One that cannot be made is rejected and logged.
    """

    def __init__(self, directory: str) -> None:
        self.providers: dict[str, Provider] = {}
        self.rejected: list[str] = []
        for file in sorted(os.listdir(directory)):
            if not file.endswith(".conf"):
                continue
            config = ConfigParser()
            config.read(os.path.join(directory, file), encoding="utf-8")
            try:
                provider = Provider(config["provider"])
            except Exception as error:
                self.rejected.append(file)
                LOG.error("provider %s is rejected: %s", file, error)
            else:
                self.providers[provider.id] = provider

    def protect(self, resources: Mapping[str, str]) -> dict[str, Any]:
        """Let each provider keep these resources."""
        return {
            key: provider.protect(resources) for key, provider in self.providers.items()
        }
