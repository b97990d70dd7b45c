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
    def __init__(self, point, invoke):
        self.name, self.value, self.group = point.name, point.value, point.group
        self.entry_point, self._invoke = point, invoke

    @cached_property
    def plugin(self):
        return self.entry_point.load()

    @cached_property
    def obj(self):
        return self._invoke and self.plugin(*self._invoke[0], **self._invoke[1])

    @property
    def summary(self):
        try:  # imports the plugin: lazyplug reads its source
            return (self.plugin.__doc__ or "").strip().partition("\n")[0] or None
        except Exception:
            return None


class ExtensionManager:
    def __init__(
        self, namespace, invoke_on_load=False, invoke_args=(), invoke_kwds=None, *,
        propagate_map_exceptions=False, on_load_failure_callback=None,
    ):  # fmt: skip
        invoke = (invoke_args or (), invoke_kwds or {}) if invoke_on_load else None
        self.namespace, self._propagate = namespace, propagate_map_exceptions
        self._on_failure, self._reported = on_load_failure_callback, set()
        points = entry_points(group=namespace)
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
            except Exception as error:
                self._report(extension, error)
                continue
            try:
                results.append(func(extension, *args, **kwds))
            except Exception:
                if self._propagate:
                    raise
                log.exception("error in %r", extension.value)
        return results

    def _report(self, extension, error):
        if extension in self._reported:
            return
        self._reported.add(extension)
        if self._on_failure is not None:
            self._on_failure(self, extension.entry_point, error)
        else:
            log.error("could not load %r", extension.value, exc_info=error)

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
    def __init__(
        self, namespace, names, *args, name_order=False,
        on_missing_entrypoints_callback=lambda names: log.warning("missing: %s", names),
        **options,
    ):  # fmt: skip
        super().__init__(namespace, *args, **options)
        self.extensions = [each for each in self if each.name in names]
        missing = set(names).difference(self.names())
        if missing and on_missing_entrypoints_callback is not None:
            on_missing_entrypoints_callback(missing)
        if name_order:
            self.extensions = [self[name] for name in names if name in self]


class DriverManager(NamedExtensionManager):
    def __init__(self, namespace, name, *args, **options):
        options.setdefault("on_missing_entrypoints_callback", None)
        super().__init__(namespace, (name,), *args, **options)
        self._extension = self[name]
        if len(self) > 1:
            raise MultipleMatches(f"{len(self)} extensions are named {name!r}")

    @property
    def driver(self):
        extension = self._extension
        try:
            return extension.obj if extension._invoke else extension.plugin
        except Exception as error:
            self._report(extension, error)
            raise NoMatches(f"could not load {extension.value!r}") from error

    def _report(self, extension, error):
        if self._on_failure is None:
            raise error
        super()._report(extension, error)
