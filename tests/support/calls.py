"""Count the system calls, and replace one of them by a fault."""

import os
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from tests.support.fs import fs

# All functions of `fs` that call the system for lazyplug, or for zipfile on its behalf.
CALLS = [
    *("access", "chmod", "dup", "fchmod", "fstat", "getcwd", "listdir", "lseek"),
    *("lstat", "mkdir", "open", "pread", "read", "readlink", "replace", "scandir"),
    *("stat", "unlink", "urandom", "write"),
]


# Seconds until the next change gets a later file time, since file times move by ticks.
TICK = 0.012


class Calls:
    """Count the system calls, and replace one of them by a fault.

    `about` names the call and its path, or the path that its descriptor was opened for.
    """

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.patch = patch
        self.armed = False
        for name in CALLS:
            patch.setattr(fs, name, self._counting(name, getattr(fs, name)))

    def arm(self, at: int, fault: "Callable[[str], Any] | None") -> None:
        """Replace call number `at`, from 0, by the fault, which gets its name.

        If the fault returns NotImplemented, the call is made after it.
        """
        self.made, self.at, self.fault = 0, at, fault
        self.about: str | None = None
        self.files: dict[int, str] = {}
        self.armed = True

    def _counting(self, name: str, real: "Callable[..., Any]") -> "Callable[..., Any]":
        def call(*arguments: Any, **options: Any) -> Any:
            if not self.armed:
                return real(*arguments, **options)
            number, self.made = self.made, self.made + 1
            path = self._path(arguments, options)
            if number == self.at and self.fault is not None:
                self.about = f"{name} {path}"
                self.armed = False  # calls by the fault itself are not counted
                try:
                    result = self.fault(name)
                finally:
                    self.armed = True
                if result is not NotImplemented:
                    return result
            result = real(*arguments, **options)
            if name == "open" and isinstance(result, int):
                self.files[result] = path
            return result

        return call

    def _path(self, arguments: "tuple[Any, ...]", options: Mapping[str, Any]) -> str:
        path = arguments[0] if arguments else ""
        if isinstance(path, int):
            return self.files.get(path, "")
        base = options.get("dir_fd")
        return os.path.join(self.files.get(base, "") if base else "", os.fsdecode(path))


# The functions that programs usually call the system by, and that their tests mock.
NAMES = [
    *(
        f"os.{name}"
        for name in ("access", "getcwd", "listdir", "lstat", "open", "read")
    ),
    *(f"os.{name}" for name in ("scandir", "stat", "fstat", "pread", "close", "lseek")),
    *(
        f"os.path.{name}"
        for name in ("exists", "isfile", "isdir", "getmtime", "islink")
    ),
    *("builtins.open", "io.open", "pathlib.Path.read_text", "pathlib.Path.exists"),
]
