"""Work out the `sys.path` of another Python from its files, without running it.

The rules are those of CPython (https://docs.python.org/3/library/sys_path_init.html)
and of its `site` module, and those that Debian and Fedora add to `site`.
"""

import os
import site
import sys
from errno import EACCES
from importlib.machinery import EXTENSION_SUFFIXES

from . import _messages as messages
from ._files import has_elevated_privileges
from ._indexing.reading import read_file
from ._startup_files import directories_in, effects_of_code
from ._tuples import Named

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NamedTuple
else:
    NamedTuple = Named

_IS_WINDOWS = os.name == "nt"
_CONFIGURATION = "pyvenv.cfg"
# The beginnings of the names of interpreters, and of their directories of libraries.
_INTERPRETERS = ("python", "pypy")
# Linux follows at most 40 symbolic links.
_MAX_LINKS = 40


class Installation(NamedTuple):
    """An environment of another Python. The names are those of `sys`, where it has one.

    `library` is the directory of the standard library, "" if it is missing. `sites` are
    the site directories, in the order of `path`. `has_unknown_code` is true if the
    effect of startup code or of the interpreter on imports is unknown;
    `may_have_finders` also if an editable installation adds a finder behind Python's
    own.
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
        # "t": without the global interpreter lock. Python 3.7 and older have "m".
        own += "t" * (f"{own}t" in EXTENSION_SUFFIXES[0])
        other += "t" * self.library.endswith("t") + "m" * (self.version < (3, 8))
        return [
            suffix.replace(f"cpython-{own}", f"cpython-{other}").replace(
                f"cp{own}", f"cp{other}"
            )
            for suffix in EXTENSION_SUFFIXES
        ]


def find_installation(place: str) -> Installation:
    """Return the environment in a directory, or that of an interpreter.

    :param place: the directory of an environment, or of a project that has its
        environment in `.venv`; or an interpreter, or any other program in the directory
        of an interpreter.

    Raises ValueError if there is no environment, or if it cannot be read.
    """
    place = os.path.abspath(place)
    if os.path.isdir(place):
        if not os.access(place, os.R_OK | os.X_OK):
            reason = os.strerror(EACCES)
            fault = messages.CANNOT_BE.format(done="read", reason=reason)
            text = f"{place} {fault}"
            raise ValueError(text)
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
    executable = executable or _interpreter_in(prefix)
    base_prefix = _base_prefix(fields.get("home", ""), name, executable)
    standard, libraries = _standard_path(base_prefix, name, version)
    sites = _site_directories(prefix, name, libraries)
    if fields.get("include-system-site-packages", "true").lower() == "true":
        sites += _user_sites(name, version)
        sites += _base_sites(base_prefix, name, libraries)
    return _complete(prefix, base_prefix, executable, version, standard, sites)


def _base_prefix(home: str, name: str, executable: str) -> str:
    """Return the prefix of the interpreter that made a virtual environment.

    :param home: its directory, which may have only a link to it.
    :param executable: the interpreter in the virtual environment.
    """
    if _IS_WINDOWS:
        return home
    prefix = os.path.dirname(home)
    for file in (os.path.join(home, name), executable):
        if _library(prefix, name):
            break
        prefix = os.path.dirname(os.path.dirname(os.path.realpath(file)))
    return prefix if _library(prefix, name) else os.path.dirname(home)


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
    for directory in sites:
        path += [directory, *directories_in(directory, version)]
    *_, library = "", *standard[:2]  # of CPython, the archive comes first
    unknown, editable = effects_of_code(path, sites, version)
    # PyPy has other builtin and compiled modules.
    is_unknown = unknown or not library or _is_pypy(library)
    return Installation(
        prefix,
        base_prefix,
        executable,
        version,
        library,
        tuple(sites),
        tuple(dict.fromkeys(path)),
        is_unknown,
        is_unknown or editable,
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
        if any(map(os.path.isdir, _site_directories(prefix, each, ("lib",))))
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
        return [], ("Lib",) if _IS_WINDOWS else ("lib",)
    number = "".join(map(str, version[:2]))
    if _IS_WINDOWS:
        archive = os.path.join(prefix, f"python{number}.zip")
        return [archive, library, os.path.join(prefix, "DLLs")], ("Lib",)
    if _is_pypy(library):
        return [library], ("lib",)
    home = os.path.dirname(library)
    lib = os.path.basename(home)
    archive = os.path.join(home, f"python{number}.zip")
    path = [archive, library, os.path.join(library, "lib-dynload")]
    return path, tuple(dict.fromkeys((lib, "lib")))


def _is_pypy(library: str) -> bool:
    return os.path.basename(library).startswith("pypy")


def _site_directories(
    prefix: str, name: str, libraries: "tuple[str, ...]"
) -> "list[str]":
    """Return the site directories that a prefix may have, in order."""
    parts = ("site-packages",) if _IS_WINDOWS else (name, "site-packages")
    return [os.path.join(prefix, lib, *parts) for lib in libraries]


def _base_sites(prefix: str, name: str, libraries: "tuple[str, ...]") -> "list[str]":
    """Return the site directories that a base environment may have, in order."""
    if _IS_WINDOWS:
        return [prefix, *_site_directories(prefix, name, libraries)]
    packages = os.path.join(prefix, "lib", "python3", "dist-packages")
    if os.path.isdir(packages):  # Debian
        local = os.path.join(prefix, "local", "lib", name, "dist-packages")
        own = os.path.join(prefix, "lib", name, "dist-packages")
        return [local, packages] if name.startswith("pypy") else [local, packages, own]
    # Fedora has what pip installed below /usr/local.
    prefixes = ["/usr/local", prefix] if prefix == "/usr" else [prefix]
    return [
        directory
        for each in prefixes
        for directory in _site_directories(each, name, libraries)
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
