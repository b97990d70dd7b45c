"""Switch an environment on or off: speed up its programs without changing them."""

import os
import py_compile
import site
import sys
import sysconfig

from .. import _messages as messages
from .._frozen_index import unreadable
from .._indexing.cache_directory import Directory
from .._indexing.storage import write
from .._other_environment import selected_installation
from .._running.command import base_name
from .._running.launch import OPTIONS
from .._running.switch import LINE, MODULE, PTH, read, source
from .children import package_home
from .output import (
    add_json,
    add_python,
    complain,
    print_fields,
    print_json,
    reason_of,
    refuse,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable
    from typing import Any


def add_to(name: str, parser: "argparse.ArgumentParser") -> None:
    """Add the arguments of a command of this file to its parser."""
    add_json(parser)
    if name == "on":
        parser.add_argument(
            "--as-stevedore",
            action="store_true",
            help=OPTIONS["--as-stevedore"][1],
        )
        parser.add_argument(
            "--lazy",
            action="store_true",
            help=OPTIONS["--lazy"][1],
        )
        parser.add_argument(
            "--for",
            dest="programs",
            metavar="PROGRAM",
            nargs="+",
            default=[],
            help="only in these programs: names of scripts, or of modules after -m",
        )
    elif name == "status":
        add_python(parser)
    parser.set_defaults(command={"on": on, "off": off, "status": status}[name])


def on(options: "argparse.Namespace") -> int:
    """Write the switch into this environment; return 1 if that is refused."""
    if options.lazy and not options.as_stevedore:
        fault = messages.ONLY_WITH.format(option="--lazy", other="--as-stevedore")
        complain(f"lazyplug on: {fault}")
        return 2
    programs = [*map(base_name, options.programs)]
    if "" in programs:
        complain(f"lazyplug on: {messages.MISSING.format(argument='PROGRAM')}")
        return 2
    directory = site_directory()
    reason = _reason_to_refuse(directory)
    if reason:
        return refuse(options.json, directory, reason)
    wanted = {
        "as_stevedore": options.as_stevedore,
        "lazy": options.lazy,
        "programs": programs,
    }
    return _change(options, directory, lambda: _write(directory, source(wanted)))


def off(options: "argparse.Namespace") -> int:
    """Remove the switch from this environment; return 1 if that is refused."""
    directory = site_directory()
    return _change(options, directory, lambda: _remove(directory))


def _change(
    options: "argparse.Namespace", directory: str, change: "Callable[[], None]"
) -> int:
    """Change the switch and print its state; return 1 if that is refused."""
    try:
        read(directory)
    except OSError as error:
        return refuse(options.json, directory, unreadable(directory, error))
    except ValueError as error:  # a module of that name that is not ours
        return refuse(options.json, directory, str(error))
    try:
        change()
    except OSError as error:
        fault = messages.CANNOT_BE.format(done="written", reason=reason_of(error))
        return refuse(options.json, directory, f"{directory} {fault}")
    return status(options)


def status(options: "argparse.Namespace") -> int:
    """Print whether this environment is switched on, and with which options."""
    found = switch_state(site_directory())
    if options.json:
        print_json(found)
    else:
        # As the options are called.
        print_fields({name.replace("_", "-"): found[name] for name in found})
    return 0


def switch_state(directory: str) -> "dict[str, Any]":
    """Return the state of the switch in a site directory, as fields."""
    try:
        wanted = read(directory)
    except (OSError, ValueError) as error:
        wanted, fault = None, str(error)
    else:
        fault = ""
    is_on = wanted is not None and os.path.isfile(os.path.join(directory, PTH))
    found: dict[str, Any] = {
        "state": "on" if is_on else "off",
        "environment": (selected_installation() or sys).prefix,
        "problem": fault,
    }
    paths = [os.path.join(directory, name) for name in (f"{MODULE}.py", PTH)]
    found |= (wanted or {}) | {"files": [*filter(os.path.lexists, paths)]}
    return found | {"inherited": _inherited(directory)}


def _inherited(directory: str) -> "list[str]":
    """Return the site directories of other environments that have a switch.

    Python reads their `.pth` files, too: those of the user's, and with
    `system-site-packages` those of the environment below.
    """
    elsewhere = selected_installation()
    others = {*(site.getsitepackages() if elsewhere is None else elsewhere.sites)}
    if elsewhere is None and site.ENABLE_USER_SITE:
        others.add(site.getusersitepackages())
    others.discard(directory)
    return sorted(each for each in others if os.path.isfile(os.path.join(each, PTH)))


def site_directory() -> str:
    """Return the site directory of the environment, into which packages go."""
    elsewhere = selected_installation()
    if elsewhere is not None:
        return next(iter(elsewhere.sites), elsewhere.prefix)
    return sysconfig.get_path("purelib")


def _write(directory: str, text: str) -> None:
    """Write the files of the switch; the line that imports the module last."""
    place = Directory(directory)
    try:
        write(place, f"{MODULE}.py", text.encode(), 0o644)
        # As pip does: another user, or PYTHONDONTWRITEBYTECODE, would never write the
        # bytecode, without which each start takes 12 million instructions more.
        py_compile.compile(os.path.join(directory, f"{MODULE}.py"), doraise=True)
        write(place, PTH, LINE.encode(), 0o644)
    except OSError:
        if not os.path.exists(os.path.join(directory, PTH)):
            try:
                _remove(directory)
            except OSError:
                pass  # the module alone does nothing
        raise


def _remove(directory: str) -> None:
    """Remove the files of the switch; the line that imports the module first."""
    pycache = os.path.join(directory, "__pycache__")
    names = [os.path.join(directory, PTH), os.path.join(directory, f"{MODULE}.py")]
    if os.path.isdir(pycache):
        names += [
            os.path.join(pycache, name)
            for name in os.listdir(pycache)
            if name.startswith(f"{MODULE}.")
        ]
    for name in names:
        try:
            os.remove(name)
        except FileNotFoundError:
            pass


def _is_only_here() -> bool:
    """Return True if lazyplug is imported from the current directory, as by `-m`."""
    home = package_home()
    places = [at for at, entry in enumerate(sys.path) if entry == home]
    return places == [0] and not sys.flags.safe_path


def _reason_to_refuse(directory: str) -> str:
    """Return why this environment must not be changed, and what to do; "" if it may."""
    marker = os.path.join(sysconfig.get_path("stdlib"), "EXTERNALLY-MANAGED")
    reason = ""
    try:
        status = os.stat(directory)
    except OSError as error:
        reason = unreadable(directory, error)
    else:
        is_own = not hasattr(os, "geteuid") or status.st_uid == os.geteuid()
        if sys.prefix == sys.base_prefix and os.path.exists(marker):
            reason = messages.MANAGED.format(environment=sys.prefix)
        elif not is_own:
            reason = messages.OF_ANOTHER_USER.format(directory=directory)
        elif not os.access(directory, os.W_OK):
            reason = messages.READ_ONLY.format(directory=directory)
        elif _is_only_here():
            return messages.NOT_INSTALLED.format(directory=package_home())
    return reason and messages.USE_ANOTHER_ENVIRONMENT.format(reason=reason)
