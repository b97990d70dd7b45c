"""Count the calls to the system, and put a fault in the place of one."""

import os
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from tests.support.seam import fs

# All by which the engine asks the system for anything, zipfile on its behalf included.
CALLS = [
    *("access", "chmod", "dup", "fchmod", "fstat", "getcwd", "listdir", "lseek"),
    *("lstat", "mkdir", "open", "pread", "read", "readlink", "replace", "scandir"),
    *("stat", "unlink", "urandom", "write"),
]


# File times move by ticks; a change behind this many seconds has another.
TICK = 0.012


class Calls:
    """Counts the calls to the system; in the place of one of them stands a fault.

    Which distributions a call is about is told by its path, or by the file that a
    descriptor was opened from.
    """

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.patch = patch
        self.armed = False
        for name in CALLS:
            patch.setattr(fs, name, self._counting(name, getattr(fs, name)))

    def arm(self, at: int, fault: "Callable[[str], Any] | None") -> None:
        """Let the call number `at`, from 0, be the fault: it is given the name.

        A fault that returns NotImplemented lets the call go on.
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
                self.armed = False  # what the fault itself does is not counted
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


# Each name by which a test may replace what the engine asks the system for.
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
