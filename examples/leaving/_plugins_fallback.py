# SPDX-License-Identifier: Apache-2.0 OR 0BSD
# You may copy, change and use this file in any program and for any purpose, without
# conditions: no notice has to be kept. It comes without any warranty.
"""Find plugins with importlib.metadata, by the names and meanings of lazyplug."""

import logging
from functools import cached_property
from importlib.metadata import entry_points

log = logging.getLogger(__name__)


class NoMatches(RuntimeError, KeyError):
    __str__ = Exception.__str__


class MultipleMatches(RuntimeError):
    pass


class Extension:
    def __init__(self, entry_point, invoke):
        self.entry_point, self._invoke = entry_point, invoke
        self.name, self.value = entry_point.name, entry_point.value

    @cached_property
    def plugin(self):
        return self.entry_point.load()

    @cached_property
    def obj(self):
        return self._invoke and self.plugin(*self._invoke[0], **self._invoke[1])


class ExtensionManager:
    def __init__(
        self, namespace, invoke_on_load=False, invoke_args=(), invoke_kwds=None
    ):
        invoke = (invoke_args, invoke_kwds or {}) if invoke_on_load else None
        self.namespace, points = namespace, entry_points(group=namespace)
        self.extensions = [Extension(point, invoke) for point in points]

    def names(self):
        return [extension.name for extension in self.extensions]

    def map(self, func, /, *args, **kwds):
        if not self.extensions:
            raise NoMatches(f"no extensions in group {self.namespace!r}")
        results = []
        for extension in self.extensions:
            try:
                _ = extension.plugin, extension.obj
                results.append(func(extension, *args, **kwds))
            except Exception:
                log.exception("error in %r", extension.value)
        return results

    def __iter__(self):
        return iter(self.extensions)

    def __len__(self):
        return len(self.extensions)

    def __contains__(self, name):
        return name in self.names()

    def __getitem__(self, name):
        for extension in reversed(self.extensions):
            if extension.name == name:
                return extension
        raise NoMatches(f"no extension named {name!r} in group {self.namespace!r}")


class NamedExtensionManager(ExtensionManager):
    def __init__(self, namespace, names, *args, **options):
        super().__init__(namespace, *args, **options)
        self.extensions = [each for each in self.extensions if each.name in names]


class DriverManager(NamedExtensionManager):
    def __init__(self, namespace, name, *args, **options):
        super().__init__(namespace, [name], *args, **options)
        self._extension = self[name]
        if len(self) > 1:
            raise MultipleMatches(f"{len(self)} extensions are named {name!r}")

    @property
    def driver(self):
        extension = self._extension
        return extension.obj if extension._invoke else extension.plugin
