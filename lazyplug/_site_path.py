"""Work out the `sys.path` of another Python from its files, without running it.

The rules are those of CPython (https://docs.python.org/3/library/sys_path_init.html)
and of its `site` module, and those that Debian and Fedora add to `site`.
"""

import os
import site
import sys
from importlib.machinery import EXTENSION_SUFFIXES

from . import _messages as messages
from ._files import has_elevated_privileges
from ._indexing.reading import read_file
from ._tuples import Named

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import NamedTuple
else:
    NamedTuple = Named

_IS_WINDOWS = os.name == "nt"
_CONFIGURATION = "pyvenv.cfg"
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
# The beginnings of the names of interpreters, and of their directories of libraries.
_INTERPRETERS = ("python", "pypy")
# Linux follows at most 40 symbolic links.
_MAX_LINKS = 40


class Installation(NamedTuple):
    """An environment of another Python. The names are those of `sys`, where it has one.

    `library` is the directory of the standard library, "" if it is missing. `sites` are
    the site directories, in the order of `path`. `has_unknown_code` is true if the
    effect of startup code on imports is unknown; `may_have_finders` also if an editable
    installation adds a finder behind Python's own.
    """

    prefix: str
    base_prefix: str
    executable: str
    version: "tuple[int, ...]"
    library: str
    sites: "tuple[str, ...]"
    path: "tuple[str, ...]"
    has_unknown_code: bool
    may_have_finders: bool

    def compiled_suffixes(self) -> "list[str]":
        """Return the suffixes of its compiled modules, if its platform is this one."""
        own, other = (
            "".join(map(str, version[:2]))
            for version in (sys.version_info, self.version)
        )
        threads = "t" if self.library.endswith("t") else ""
        return [
            suffix.replace(f"cpython-{own}", f"cpython-{other}{threads}").replace(
                f"cp{own}", f"cp{other}{threads}"
            )
            for suffix in EXTENSION_SUFFIXES
        ]


def find_installation(place: str) -> Installation:
    """Return the environment in a directory, or that of an interpreter.

    :param place: the directory of an environment, or of a project that has its
        environment in `.venv`; or an interpreter, or any other program in the directory
        of an interpreter.

    Raises ValueError if there is no environment.
    """
    place = os.path.abspath(place)
    if os.path.isdir(place):
        for prefix in (place, os.path.join(place, ".venv")):
            if os.path.isfile(os.path.join(prefix, _CONFIGURATION)):
                return _virtual(prefix, "")
        return _base(place, "", place)
    if not os.path.lexists(place):
        raise ValueError(messages.DOES_NOT_EXIST.format(path=place))
    name = os.path.basename(place)
    executable = place if name.startswith(_INTERPRETERS) else ""
    file = place
    for _ in range(_MAX_LINKS):
        for prefix in (os.path.dirname(file), os.path.dirname(os.path.dirname(file))):
            if os.path.isfile(os.path.join(prefix, _CONFIGURATION)):
                return _virtual(prefix, executable)
        try:
            file = os.path.join(os.path.dirname(file), os.readlink(file))
        except (OSError, ValueError):
            break
    if not os.path.exists(file):
        raise ValueError(messages.DOES_NOT_EXIST.format(path=file))
    file = os.path.realpath(file)
    prefix = os.path.dirname(file)
    if not _IS_WINDOWS:
        prefix = os.path.dirname(prefix)
    return _base(prefix, executable, place)


def _virtual(prefix: str, executable: str) -> Installation:
    """Return a virtual environment; it need not have an interpreter that works."""
    fields = _fields(os.path.join(prefix, _CONFIGURATION))
    version = _version(fields.get("version_info") or fields.get("version", ""))
    name = _choose_library(_site_libraries(prefix), version)
    if not name and not _IS_WINDOWS:
        raise ValueError(_no_environment(prefix))
    version = version or _version(name)
    home = fields.get("home", "")
    base_prefix = home if _IS_WINDOWS else os.path.dirname(home)
    standard, libraries = _standard_path(base_prefix, name, version)
    sites = [_site_directory(prefix, name)]
    if fields.get("include-system-site-packages", "true").lower() == "true":
        sites += _user_sites(name, version)
        sites += _base_sites(base_prefix, name, libraries)
    executable = executable or _interpreter_in(prefix)
    return _complete(prefix, base_prefix, executable, version, standard, sites)


def _base(prefix: str, executable: str, place: str) -> Installation:
    """Return an environment that is not virtual, such as one of conda."""
    name = os.path.basename(os.path.realpath(executable)) if executable else ""
    wanted = _version(name)
    names = [each for each in _names_in(prefix) if _library(prefix, each)]
    name = _choose_library(names, wanted)
    if not (_library(prefix, "") if _IS_WINDOWS else name):
        raise ValueError(_no_environment(place))
    version = wanted or _version(name)
    standard, libraries = _standard_path(prefix, name, version)
    sites = [*_user_sites(name, version), *_base_sites(prefix, name, libraries)]
    executable = executable or _interpreter_in(prefix)
    return _complete(prefix, prefix, executable, version, standard, sites)


def _no_environment(place: str) -> str:
    return messages.NOT_VALID.format(
        value=place, what="environment", expected=messages.AN_ENVIRONMENT
    )


def _complete(
    prefix: str,
    base_prefix: str,
    executable: str,
    version: "tuple[int, ...]",
    standard: "list[str]",
    sites: "list[str]",
) -> Installation:
    """Add the site directories that exist, and what their `.pth` files add."""
    sites = [each for each in dict.fromkeys(sites) if os.path.isdir(each)]
    path = [*standard]
    code: list[str] = []
    for directory in sites:
        path += [directory, *directories_in(directory, version)]
        code += [os.path.basename(file) for file, _ in code_in(directory, version)]
    library = standard[1] if standard else ""
    editable = [each for each in code if each.startswith(_EDITABLE)]
    unknown = [
        *filter(_is_unknown, startup_modules_in(path)),
        *(each for each in code if not _is_known(each)),
    ]
    return Installation(
        prefix,
        base_prefix,
        executable,
        version,
        library,
        tuple(sites),
        tuple(dict.fromkeys(path)),
        bool(unknown),
        bool(unknown or editable),
    )


def _fields(file: str) -> "dict[str, str]":
    """Return the fields of a pyvenv.cfg; none if it cannot be read."""
    text, _, _ = read_file(file, errors="replace")
    pairs = (line.partition("=") for line in (text or "").splitlines())
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


def _version(text: str) -> "tuple[int, ...]":
    """Return the numbers of a version; the name of a directory or program may have one.

    >>> _version("3.12.1.final.0"), _version("python3.13t"), _version("python3")
    ((3, 12, 1), (3, 13), ())
    """
    numbers = []
    for part in text.lstrip("abcdefghijklmnopqrstuvwxyz-").split("."):
        digits = part[: len(part) - len(part.lstrip("0123456789"))]
        if not digits:
            break
        numbers.append(int(digits))
    return tuple(numbers[:3]) if len(numbers) > 1 else ()


def _names_in(prefix: str) -> "list[str]":
    """Return the names of the directories of libraries, such as `python3.12`."""
    found = set()
    for lib in ("lib", "lib64"):
        try:
            found.update(os.listdir(os.path.join(prefix, lib)))
        except OSError:
            pass
    return sorted(
        each for each in found if each.startswith(_INTERPRETERS) and _version(each)
    )


def _site_libraries(prefix: str) -> "list[str]":
    return [
        each
        for each in _names_in(prefix)
        if os.path.isdir(_site_directory(prefix, each))
    ]


def _choose_library(names: "list[str]", version: "tuple[int, ...]") -> str:
    """Return the only name, or the only one of a version; "" if there is none."""
    of_version = [each for each in names if _version(each) == version[:2]]
    for several in (of_version, names):
        if len(several) == 1:
            return several[0]
    return ""


def _library(prefix: str, name: str) -> str:
    """Return the directory of the standard library; "" if there is none."""
    for lib in ("Lib",) if _IS_WINDOWS else ("lib", "lib64"):
        directory = os.path.join(prefix, lib, name).rstrip(os.sep)
        if os.path.isfile(os.path.join(directory, "os.py")):
            return directory
    return ""


def _standard_path(
    prefix: str, name: str, version: "tuple[int, ...]"
) -> "tuple[list[str], tuple[str, ...]]":
    """Return the path entries of the standard library, and where packages may be."""
    library = _library(prefix, name)
    if not library:
        return [], ("lib",)
    number = "".join(map(str, version[:2]))
    if _IS_WINDOWS:
        archive = os.path.join(prefix, f"python{number}.zip")
        return [archive, library, os.path.join(prefix, "DLLs")], ("Lib",)
    home = os.path.dirname(library)
    lib = os.path.basename(home)
    archive = os.path.join(home, f"python{number}.zip")
    path = [archive, library, os.path.join(library, "lib-dynload")]
    return path, tuple(dict.fromkeys((lib, "lib")))


def _site_directory(prefix: str, name: str) -> str:
    lib = "Lib" if _IS_WINDOWS else "lib"
    parts = (lib, "site-packages") if _IS_WINDOWS else (lib, name, "site-packages")
    return os.path.join(prefix, *parts)


def _base_sites(prefix: str, name: str, libraries: "tuple[str, ...]") -> "list[str]":
    """Return the site directories that a base environment may have, in order."""
    if _IS_WINDOWS:
        return [prefix, _site_directory(prefix, name)]
    packages = os.path.join(prefix, "lib", "python3", "dist-packages")
    if os.path.isdir(packages):  # Debian
        local = os.path.join(prefix, "local", "lib", name, "dist-packages")
        return [local, packages, os.path.join(prefix, "lib", name, "dist-packages")]
    # Fedora has what pip installed below /usr/local.
    prefixes = ["/usr/local", prefix] if prefix == "/usr" else [prefix]
    return [
        os.path.join(each, lib, name, "site-packages")
        for each in prefixes
        for lib in libraries
    ]


def _user_sites(name: str, version: "tuple[int, ...]") -> "list[str]":
    if has_elevated_privileges() or sys.flags.no_user_site:
        return []
    base = site.getuserbase()
    if _IS_WINDOWS:
        number = "".join(map(str, version[:2]))
        return [os.path.join(base, f"Python{number}", "site-packages")]
    return [os.path.join(base, "lib", name, "site-packages")]


def _interpreter_in(prefix: str) -> str:
    if _IS_WINDOWS:
        file = os.path.join(prefix, "Scripts", "python.exe")
        return file if os.path.exists(file) else os.path.join(prefix, "python.exe")
    bin_directory = os.path.join(prefix, "bin")
    for name in ("python", "python3"):
        file = os.path.join(bin_directory, name)
        if os.path.lexists(file):
            return file
    return os.path.join(bin_directory, "python")


def _is_known(name: str) -> bool:
    return name.startswith((*_HARMLESS, _EDITABLE)) or name.endswith(_NAMESPACE)


def _is_unknown(module: "tuple[str, str]") -> bool:
    """Return False if a startup module is Debian's, which adds no finder."""
    text, _, _ = read_file(module[0], errors="replace")
    return text is None or (text.strip() != "" and _APPORT not in text)


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
