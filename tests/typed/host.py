"""Use the public names as hosts do: checked by mypy and pyright, never run."""

from typing import Any, Literal, Protocol, Unpack, assert_type, runtime_checkable

from lazyplug import (
    DriverManager,
    EnabledExtensionManager,
    EntryPoint,
    Extension,
    ExtensionManager,
    HookManager,
    Manager,
    NamedExtensionManager,
    first_on_conflict,
    version,
)
from lazyplug.annotations import (
    ConflictResolver,
    OnFailure,
    OnLoadFailureCallback,
    OnMissingEntrypointsCallback,
    Options,
)


@runtime_checkable
class Loader(Protocol):
    """What a plugin must have."""

    def load(self, path: str) -> str:
        """Load a file."""
        ...


plain = DriverManager("g", "n", protocol=Loader)
assert_type(plain.driver, Loader)
assert_type(plain["n"].plugin, Loader)

called = DriverManager("g", "n", invoke_on_load=True, protocol=Loader)
assert_type(called.driver, Loader)
assert_type(called["n"].obj, Loader)

explicit = ExtensionManager[Loader, Literal[True]]("g", True)
for extension in explicit:
    assert_type(extension.obj.load(""), str)
    assert_type(extension.summary, str | None)

several = NamedExtensionManager("g", ["a"], protocol=Loader, on_failure="error")
assert_type([each.plugin for each in several], list[Loader])
checked = EnabledExtensionManager("g", lambda each: each.name != "b", protocol=Loader)
assert_type(checked["a"].plugin, Loader)
hook = HookManager("g", "n", protocol=Loader)
assert_type([each.plugin for each in hook["n"]], list[Loader])


class HostManager(ExtensionManager[Loader]):
    """A manager of a host."""

    def __init__(self, invoke: bool) -> None:
        super().__init__("g", invoke, on_failure="ignore")


class CallingManager(ExtensionManager[Loader, Literal[True]]):
    """A manager of a host that calls its plugins."""

    def __init__(self, namespace: str = "g") -> None:
        super().__init__(namespace, invoke_on_load=True, on_failure="ignore")


class OpenManager(ExtensionManager[Loader]):
    """A manager of a host that accepts all options."""

    def __init__(self, **options: Unpack[Options[Loader]]) -> None:
        super().__init__("g", **options)


def use_called(extension: Extension[Loader, Literal[True]]) -> str:
    """Load a file with an extension that is called."""
    return extension.obj.load("")


def use_any(extension: Extension[Loader]) -> str:
    """Load a file with an extension of either kind."""
    assert_type(extension.obj, Loader | None)
    if extension.obj is not None:
        return extension.obj.load("")
    return extension.plugin.load("")


# With `invoke_on_load`, `.obj` is what the call returned.
assert_type(ExtensionManager("g", True)["a"].obj, Any)
assert_type(ExtensionManager("g", True, protocol=Loader)["a"].obj, Loader)
assert_type(HookManager("g", "n", True, protocol=Loader)["n"][0].obj, Loader)
assert_type([each.obj for each in CallingManager()], list[Loader])
for manager in (
    NamedExtensionManager("g", ["a"], invoke_on_load=True, protocol=Loader),
    EnabledExtensionManager("g", lambda each: True, True, protocol=Loader),
):
    assert_type(manager.map(use_called), list[str])
    assert_type(manager.map(use_any), list[str])
    assert_type(manager.map(lambda each: each.obj.load("")), list[str])
# Without it, `.obj` is None: no checker accepts its use.
assert_type(ExtensionManager("g", False, protocol=Loader)["a"].obj, None)
plain["n"].obj.load("")  # type: ignore[union-attr] # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
plain(use_called)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
plain(use_any)
# If that is not known, it is either.
either = DriverManager("g", "n", bool(plain), protocol=Loader)
assert_type(either["n"].obj, Loader | None)
assert_type(either.driver, Loader)
assert_type(HostManager(True)["a"].obj, Loader | None)


def take_last(
    namespace: str, name: str, found: list[Extension[Loader]]
) -> Extension[Loader]:
    """Return the last of several extensions."""
    print(namespace, name)
    return found[-1]


def note(names: set[str]) -> None:
    """Print the names that are missing."""
    print(sorted(names))


resolvers: list[ConflictResolver] = [take_last, first_on_conflict]
how: OnFailure = "error"
missing: OnMissingEntrypointsCallback = note
OpenManager(conflict_resolver=resolvers[0], on_failure=how, protocol=Loader)
NamedExtensionManager("g", ["a"], on_missing_entrypoints_callback=missing)


def run(extension: Extension[Loader]) -> str:
    """Return the version that a distribution has."""
    assert extension.dist is not None
    return extension.dist.version + version("host")


run(plain["n"])
run(called["n"])


def report(manager: Manager[Any], entry_point: EntryPoint, error: Exception) -> None:
    """Report a failed load."""
    print(manager.namespace, entry_point.name, error)


callback: OnLoadFailureCallback = report
ExtensionManager("g", on_load_failure_callback=callback).map(run)

# Each of these is an error.
plain["n"].pugin()  # type: ignore[attr-defined] # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
ExtensionManager("g", on_failure="raise")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
ExtensionManager("g", on_fail="warn")  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]
