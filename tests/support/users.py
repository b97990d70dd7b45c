"""Become another user, or start a process as one."""

import contextlib
import importlib
import io
import json
import os
import pkgutil
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import stevedore

import lazyplug
from tests.support.attempts import Outcome, count_outcome
from tests.support.children import python
from tests.support.fixtures import Count
from tests.support.tally import OURS, RIVAL

ROOT = Path(lazyplug.__file__).parent.parent
POINTS = "[g]\na = m:f\n"
posix = pytest.mark.skipif(os.name != "posix", reason="file modes and users of POSIX")


def index_in(directory: Path) -> Path:
    (file,) = directory.glob("*.json")
    return file


# Imports first what a process without rights could not read, then gives up the rights
# of root.
AS_NOBODY = f"""
import contextlib, importlib, json, logging, os, pkgutil, sys
sys.path[:0] = [{str(ROOT)!r}]
import zipfile, lazyplug, lazyplug._indexing.archives
with contextlib.suppress(ImportError):
    import platformdirs
for module in pkgutil.iter_modules(lazyplug.__path__):
    if module.name not in ("cli", "testing", "compat", "integrations"):
        importlib.import_module("lazyplug." + module.name)
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
sys.path[:] = [sys.argv[1]]
def query():
    lazyplug.invalidate_caches()
    return [point.value for point in lazyplug.entry_points(group="g")]
print(json.dumps([query(), query()]))
"""


def query_as_nobody(site: Path, before: str = "", **env: str) -> Any:
    """Return the answers to two queries of a process without rights."""
    directory = {"LAZYPLUG_CACHE_DIR": "", **env}
    done = python("-c", before + AS_NOBODY, str(site), env=directory, cwd=site.parent)
    assert done.stderr == ""
    return json.loads(done.stdout)


RIGHT = [["m:f"], ["m:f"]]
ROOTS = hasattr(os, "geteuid") and os.geteuid() == 0
# The subject, the outcome, the right answer, and a label.
Tried = tuple[str, Outcome, Any, str]


def import_all() -> None:
    """Import all that a process without rights or descriptors could not import."""
    for module in pkgutil.iter_modules(lazyplug.__path__):
        if module.name not in ("cli", "testing", "compat", "integrations", "__main__"):
            importlib.import_module(f"lazyplug.{module.name}")
    stevedore.ExtensionManager("no such group")


def become(user: int, umask: int, group: int = 0, **environment: str) -> None:
    """Become a user for good, with these variables, and make warnings errors."""
    os.umask(umask)
    if user != os.geteuid():
        os.setgroups([group] if group else [])
        os.setgid(user)
        os.setuid(user)
    for name in ("LAZYPLUG_CACHE_DIR", "XDG_CACHE_HOME"):
        os.environ.pop(name, None)
    os.environ.update(environment)
    sys.dont_write_bytecode = True
    warnings.simplefilter("error")


def silently(act: Callable[[], Any]) -> Any:
    """Return the result of `act`; fail if it prints anything."""
    output = io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        found = act()
    assert not output.getvalue(), f"printed: {output.getvalue()}"
    return found


def count_tries(tally: Count, found: "dict[str, list[Tried]]") -> None:
    """Count the outcomes of tries, of lazyplug and of its rival."""
    for fault, tried in found.items():
        for subject in (OURS, RIVAL):
            of_subject = [each[1:] for each in tried if each[0] == subject]
            if of_subject:
                with tally(fault, subject) as count:
                    for outcome, truth, label in of_subject:
                        count_outcome(count, outcome, truth, label)


needs_root = pytest.mark.skipif(not ROOTS, reason="only root becomes other users")


MALLORY, VICTIM, SHARED = 4242, 4343, 4444


ASKERS = pytest.mark.parametrize(
    "asker",
    [pytest.param(VICTIM, marks=needs_root), pytest.param(0, marks=needs_root)],
    ids=["a user asks", "root asks"],
)
