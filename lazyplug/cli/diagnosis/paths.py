"""Check what a start meets before a program: the switch, startup code, `sys.path`."""

import os

from ... import _environment
from ... import _messages as messages
from ..._printable import counted
from ..startup import startup_code
from ..switching import site_directory, switch_state
from .findings import Finding, finding, passed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

# Lines of editable installs may be very long.
_LONGEST = 100


def check_switch() -> "Iterator[Finding]":
    """Yield what is found about the switch of this environment."""
    directory = site_directory()
    found = switch_state(directory)
    if found["problem"]:
        yield finding("switch-not-ours", found["problem"], path=directory)
    elif found["state"] == "off":
        yield passed("switch", "off", path=directory)
    else:
        means = ["accelerate"]
        options = {"as-stevedore": found["as_stevedore"], "lazy": found["lazy"]}
        means += [name for name, is_set in options.items() if is_set]
        programs = ", ".join(found["programs"]) or "all programs"
        text = f"on for {programs}: {', '.join(means)}"
        yield finding("switch-on", text, path=directory)
    for other in found["inherited"]:
        yield finding("switch-inherited", f"on in {other}, too", path=other)


def check_startup() -> "Iterator[Finding]":
    """Yield the code that Python runs before a program."""
    found = [*startup_code()]
    for file, code in found:
        begin = code if len(code) <= _LONGEST else f"{code[: _LONGEST - 3]}..."
        text = f"each start of Python runs code from {file}: {begin}"
        yield finding("startup-code", text, path=file)
    count = counted(len(found), "line")
    yield passed("startup", f"Python runs {count} of code before each program")


def check_path() -> "Iterator[Finding]":
    """Yield the path entries that each start has to scan, or that do not exist."""
    environment = _environment.current("full")
    for at, entry in enumerate(environment.entries):
        if at in environment.volatile and _environment.may_contain_distributions(entry):
            text = f"{entry} contains distributions, so it is scanned at each start"
            yield finding("path-volatile", text, path=entry)
        elif not os.path.exists(entry) and not entry.endswith(".zip"):
            text = messages.DOES_NOT_EXIST.format(path=entry)
            yield finding("path-missing", text, path=entry)
    finders = _environment.third_party_finders() if environment.asks_finders else ()
    for _, finder in finders:
        kind = finder if isinstance(finder, type) else type(finder)
        text = f"third-party finder {kind.__module__}.{kind.__qualname__}"
        text = f"{text} is asked at each lookup, which imports importlib.metadata"
        yield finding("third-party-finder", text)
    yield passed("sys.path", counted(len(environment.entries), "entry", "entries"))
