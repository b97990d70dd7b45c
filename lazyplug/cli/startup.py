"""Find what Python runs before a program: `.pth` and `.start` files, sitecustomize."""

import site
import sys

from .. import _environment
from .._startup_files import STARTUP_MODULES, code_in, startup_modules_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


def startup_code() -> "Iterator[tuple[str, str]]":
    """Yield each file whose code runs before a program, and that code.

    Those of the site directories, as Python's `site` module reads them. What other
    code adds by `site.addsitedir` is not known.
    """
    other = _environment.current().installation
    if other is not None:
        for directory in other.sites:
            yield from code_in(directory, other.version)
        yield from startup_modules_in(other.path)
        return
    if sys.flags.no_site:
        return
    directories = site.getsitepackages()
    if site.ENABLE_USER_SITE:
        directories.insert(0, site.getusersitepackages())
    for directory in directories:
        yield from code_in(directory, sys.version_info[:3])
    for name in STARTUP_MODULES:
        file = getattr(sys.modules.get(name), "__file__", None)
        if isinstance(file, str):
            yield file, f"import {name}"
