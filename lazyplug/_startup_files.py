"""Read what Python's `site` module reads at startup: `.pth` and `.start` files.

Nothing of it is run. `sitecustomize` and `usercustomize` are found here, too.
"""

import os

from ._indexing.reading import read_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_IMPORTS = ("import ", "import\t")
# The first Python that reads `.start` files (PEP 829), and indented lines of `.pth`.
_HAS_START_FILES = (3, 15)
# Startup code that adds no finder, or finders that replace no plugin, by the beginning
# or the end of the name of its file: setuptools and virtualenv (distutils only), old
# namespace packages, coverage, and lazyplug's own switch.
_HARMLESS = ("distutils-precedence", "_virtualenv", "a1_coverage", "lazyplug_switch")
_NAMESPACE = "-nspkg.pth"
# The beginning of the files of setuptools' editable installations, which add a finder
# behind Python's own.
_EDITABLE = "__editable__"
# Modules that Python imports at startup, if they exist.
STARTUP_MODULES = ("sitecustomize", "usercustomize")
# Debian's sitecustomize.
_APPORT = "apport_python_hook"


def directories_in(directory: str, version: "tuple[int, ...]") -> "Iterator[str]":
    """Yield the directories that the `.pth` files in a site directory add, in order.

    :param version: of the Python that reads them.
    """
    for name in _startup_files(directory, version):
        if not name.endswith(".pth"):
            continue
        for line in _lines(os.path.join(directory, name), version):
            if line.strip() and line[:1] != "#" and not line.startswith(_IMPORTS):
                path = os.path.abspath(os.path.join(directory, line.rstrip()))
                if os.path.exists(path):
                    yield path


def code_in(directory: str, version: "tuple[int, ...]") -> "Iterator[tuple[str, str]]":
    """Yield the files in a site directory that have startup code, with that code.

    :param version: of the Python that reads them.
    """
    names = _startup_files(directory, version)
    # A `.start` file replaces the import lines of the `.pth` file with its name.
    starts = [each for each in names if each.endswith(".start")]
    for name in names:
        if name.endswith(".pth") and f"{name[:-4]}.start" not in starts:
            path = os.path.join(directory, name)
            lines = _lines(path, version)
            yield from ((path, line) for line in lines if line.startswith(_IMPORTS))
    for name in starts:
        path = os.path.join(directory, name)
        # Python ignores a line that is not `module:function`.
        yield from ((path, s) for s in _lines(path, version) if _is_entry_point(s))


def startup_modules_in(path: "Iterable[str]") -> "Iterator[tuple[str, str]]":
    """Yield the files of the modules that Python imports at startup, with that code."""
    entries = [*path]
    for name in STARTUP_MODULES:
        files = (os.path.join(entry, f"{name}.py") for entry in entries)
        file = next(filter(os.path.isfile, files), None)
        if file is not None:
            yield file, f"import {name}"


def _startup_files(directory: str, version: "tuple[int, ...]") -> "list[str]":
    """Return the names of the files that `site` reads in a directory, in order."""
    try:
        names = sorted(os.listdir(directory))
    except OSError:
        return []
    if version >= (3, 11, 8) and not (3, 12) <= version < (3, 12, 2):
        names = [name for name in names if name[:1] != "."]
    suffixes = (".pth", ".start") if version >= _HAS_START_FILES else (".pth",)
    return [name for name in names if name.endswith(suffixes)]


def _lines(path: str, version: "tuple[int, ...]") -> "list[str]":
    text, _, _ = read_file(path, errors="surrogateescape")
    lines = (text or "").removeprefix("\ufeff").splitlines()
    # Earlier versions read an indented line as it is.
    return [line.strip() for line in lines] if version >= _HAS_START_FILES else lines


def _is_entry_point(line: str) -> bool:
    """Return True if a line of a `.start` file names a function to call.

    >>> [*map(_is_entry_point, [" pkg.mod:run", "# a:b", "", "import pkg", "pkg:"])]
    [True, False, False, False, False]
    """
    module, colon, function = line.strip().partition(":")
    names = [*module.split("."), *function.split(".")]
    return colon != "" and all(map(str.isidentifier, names))


def effects_of_code(
    path: "Iterable[str]", sites: "Iterable[str]", version: "tuple[int, ...]"
) -> "tuple[bool, bool]":
    """Return whether startup code has unknown effects, and whether it adds a finder.

    The finder is that of an editable installation, behind Python's own.

    :param path: the `sys.path`.
    :param sites: the site directories.
    :param version: of the Python that runs the code.
    """
    names = [
        os.path.basename(file)
        for directory in sites
        for file, _ in code_in(directory, version)
    ]
    is_unknown = any(map(_is_unknown, startup_modules_in(path))) or not all(
        name.startswith((*_HARMLESS, _EDITABLE)) or name.endswith(_NAMESPACE)
        for name in names
    )
    return is_unknown, any(name.startswith(_EDITABLE) for name in names)


def _is_unknown(module: "tuple[str, str]") -> bool:
    """Return False if a startup module is Debian's, which adds no finder."""
    text, _, _ = read_file(module[0], errors="replace")
    return text is None or (text.strip() != "" and _APPORT not in text)
