"""Name the command line that installs a distribution into this environment.

lazyplug never runs it.
"""

import os
import sys

from .._environment import current
from .._indexing.metadata import normalize
from .._indexing.reading import read_file
from .._inventory import distributions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any


def install_command(requirements: "Iterable[str]") -> str:
    """Return the command line that installs all of these; "" if there is none.

    :param requirements: names of distributions, possibly with extras and versions.
    """
    wanted = [
        each
        for each in dict.fromkeys(requirements)
        # Text of third parties must not become an option, or hide anything.
        if each.isprintable() and each[:1] not in {"", "-"}
    ]
    if not wanted:
        return ""
    prefix = current().key[0]
    ways = (_uv_tool, _pipx, _conda, _pip)
    return _join(next((words for way in ways if (words := way(prefix, wanted))), []))


def is_installed(requirement: str) -> bool:
    """Return True if a distribution is installed, whatever its version."""
    return normalize(_project(requirement)) in distributions(current())


def _join(words: "list[str]") -> str:
    if os.name == "nt":
        from subprocess import list2cmdline  # deferred: only on failure

        return list2cmdline(words)
    from shlex import join  # deferred: only on failure

    return join(words)


def _read(*path: str) -> str:
    text, _, _ = read_file(os.path.join(*path), errors="replace")
    return text or ""


def _uv_tool(prefix: str, requirements: "list[str]") -> "list[str]":
    """Return the command for a tool of uv; [] if this is none.

    `uv tool install` replaces all requirements of the tool, so the others are repeated.
    """
    text = _read(prefix, "uv-receipt.toml")
    if not text:
        return []
    import tomllib  # deferred: only on failure

    tool = os.path.basename(prefix)
    words = ["uv", "tool", "install"]
    own = [tool]
    others: list[str] = []
    new = {normalize(_project(each)) for each in requirements}
    try:
        receipt = tomllib.loads(text)["tool"]
        words += ["--python", receipt["python"]] if "python" in receipt else []
        for each in receipt["requirements"]:
            option, value = _uv_requirement(each)
            if normalize(each["name"]) == normalize(tool):
                own = [value] if option == "--with" else ["--editable", value]
            elif normalize(each["name"]) not in new:
                others += [option, value]
    except (ValueError, LookupError, TypeError, AttributeError):
        others = []  # of another version of uv
    return [
        *words,
        *own,
        *others,
        *[w for each in requirements for w in ("--with", each)],
    ]


def _uv_requirement(fields: "dict[str, Any]") -> "tuple[str, str]":
    """Return the option of `uv tool install`, and its value, for a requirement.

    >>> _uv_requirement({"name": "acme", "extras": ["x", "y"], "specifier": ">=1"})
    ('--with', 'acme[x,y]>=1')
    >>> _uv_requirement({"name": "acme", "git": "https://host/acme?tag=v1"})
    ('--with', 'acme @ git+https://host/acme@v1')
    >>> _uv_requirement({"name": "acme", "editable": "/src/acme"})
    ('--with-editable', '/src/acme')
    """
    if "editable" in fields:
        return "--with-editable", fields["editable"]
    text = fields["name"]
    if fields.get("extras"):
        text += f"[{','.join(fields['extras'])}]"
    path = fields.get("path") or fields.get("directory")
    if "git" in fields:
        url, _, query = fields["git"].partition("?")
        _, _, revision = query.partition("&")[0].partition("=")
        text += f" @ git+{url}" + (f"@{revision}" if revision else "")
    elif path or "url" in fields:
        from pathlib import Path  # deferred: few requirements are paths

        text += f" @ {Path(path).as_uri() if path else fields['url']}"
    else:
        text += fields.get("specifier", "")
    marker = fields.get("marker")
    return "--with", f"{text} ; {marker}" if marker else text


def _project(requirement: str) -> str:
    """Return the name of the distribution in a requirement.

    >>> _project("acme-loaders[x]>=1.4"), _project("acme @ https://host/acme.whl")
    ('acme-loaders', 'acme')
    """
    end = next(
        (at for at, char in enumerate(requirement) if char in "[<>=!~;@( "),
        len(requirement),
    )
    return requirement[:end]


def _pipx(prefix: str, requirements: "list[str]") -> "list[str]":
    """Return the command for a program of pipx; [] if this is none."""
    if not _read(prefix, "pipx_metadata.json"):
        return []
    return ["pipx", "inject", os.path.basename(prefix), *requirements]


def _conda(prefix: str, requirements: "list[str]") -> "list[str]":
    """Return the command for conda; [] if it has not installed the distribution here.

    Its history has a line such as "+conda-forge/noarch::acme-1.4-py_0".
    """
    installed = {
        normalize(line.rpartition("::")[2].lstrip("+-").rsplit("-", 2)[0])
        for line in _read(prefix, "conda-meta", "history").splitlines()
        if line[:1] in {"+", "-"}
    }
    if not installed.issuperset(normalize(_project(each)) for each in requirements):
        return []
    return ["conda", "install", "--prefix", prefix, *requirements]


def _pip(prefix: str, requirements: "list[str]") -> "list[str]":
    """Return the command for pip, or for uv where pip is not installed.

    Return [] if the system manages the environment, where both of them refuse.
    """
    other = current().installation
    library = os.path.dirname(os.__file__) if other is None else other.library
    python = other or sys
    if prefix == python.base_prefix and _read(library, "EXTERNALLY-MANAGED"):
        return []
    if is_installed("pip"):
        return [python.executable or "python", "-m", "pip", "install", *requirements]
    return ["uv", "pip", "install", "--python", prefix, *requirements]
