"""A registry that is no entry point: it is named by the path of its class."""

from collections.abc import Mapping
from typing import Any

from .provider import ProviderRegistry


class RehearsalRegistry(ProviderRegistry):
    """Providers that are asked what they could keep, and keep nothing."""

    def protect(self, resources: Mapping[str, str]) -> dict[str, Any]:
        """Return what each provider would keep."""
        return {
            key: sorted(provider.plugins.keys() & resources.keys())
            for key, provider in self.providers.items()
        }
