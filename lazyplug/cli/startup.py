"""Find what Python runs before a program: `.pth` and `.start` files, sitecustomize."""

import os
import site
import sys

from .._indexing.reading import read_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_IMPORTS = ("import ", "import\t")
# The first Python that reads `.start` files (PEP 829).
_HAS_START_FILES = (3, 15)
# Modules that Python imports at startup, if they exist.
_MODULES = ("sitecustomize", "usercustomize")


def startup_code() -> "Iterator[tuple[str, str]]":
    """Yield each file whose code runs before a program, and that code.

    Those of the site directories, as Python's `site` module reads them. What other
    code adds by `site.addsitedir` is not known.
    """
    if sys.flags.no_site:
        return
    directories = site.getsitepackages()
    if site.ENABLE_USER_SITE:
        directories.insert(0, site.getusersitepackages())
    for directory in directories:
        yield from code_in(directory, sys.version_info[:3])
    for name in _MODULES:
        file = getattr(sys.modules.get(name), "__file__", None)
        if isinstance(file, str):
            yield file, f"import {name}"


def code_in(directory: str, version: "tuple[int, ...]") -> "Iterator[tuple[str, str]]":
    """Yield the files in a site directory that have startup code, with that code.

    :param version: of the Python that reads them.
    """
    try:
        names = sorted(os.listdir(directory))
    except OSError:
        return
    if version >= (3, 11, 8) and not (3, 12) <= version < (3, 12, 2):
        names = [name for name in names if name[:1] != "."]
    # A `.start` file replaces the import lines of the `.pth` file with its name.
    starts = [each for each in names if each.endswith(".start")]
    if version < _HAS_START_FILES:
        starts = []
    for name in names:
        if name.endswith(".pth") and f"{name[:-4]}.start" not in starts:
            path = os.path.join(directory, name)
            yield from ((path, s) for s in _lines(path) if s.startswith(_IMPORTS))
    for name in starts:
        path = os.path.join(directory, name)
        # Python ignores a line that is not `module:function`.
        yield from ((path, s.strip()) for s in _lines(path) if _is_entry_point(s))


def _lines(path: str) -> "list[str]":
    text, _, _ = read_file(path, errors="surrogateescape")
    return (text or "").removeprefix("\ufeff").splitlines()


def _is_entry_point(line: str) -> bool:
    """Return True if a line of a `.start` file names a function to call.

    >>> [*map(_is_entry_point, [" pkg.mod:run", "# a:b", "", "import pkg", "pkg:"])]
    [True, False, False, False, False]
    """
    module, colon, function = line.strip().partition(":")
    names = [*module.split("."), *function.split(".")]
    return colon != "" and all(map(str.isidentifier, names))
