"""Read the command line with which this interpreter was started."""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn


def write_command(file: str) -> "NoReturn":
    """Write the command line to a file as JSON, and end this process.

    Called just before a program starts under `run`: it is the command that starts the
    program directly.
    """
    from .._json_text import to_json  # deferred: only for `lazyplug bench --program`

    with open(file, "w", encoding="utf-8") as written:
        written.write(to_json(sys.orig_argv))
    os._exit(0)


def options_of(command: "list[str]") -> "list[str]":
    """Return the interpreter's options in a command line.

    >>> options_of(["py", "-I", "-X", "dev", "-m", "lazyplug", "check"])
    ['-I', '-X', 'dev']
    >>> options_of(["py", "-sEm", "lazyplug", "-P"]), options_of(["py", "-c", "pass"])
    (['-sE'], [])
    >>> options_of(["py", "-EWerror", "--check-hash-based-pycs", "never", "a.py", "-s"])
    ['-EWerror', '--check-hash-based-pycs', 'never']
    """
    return _split(command)[0]


def program_of(command: "list[str]") -> str:
    """Return the program in a command line: the base name of a script, or a module.

    It is "" for code after `-c`, and if there is no program.

    >>> program_of(["py", "-I", "/v/bin/openstack", "list"]), program_of(["py", "-c"])
    ('openstack', '')
    >>> program_of(["py", "-Wd", "-Imhttp.server", "80"]), program_of(["py", "-i"])
    ('http.server', '')
    """
    _, kind, rest = _split(command)
    if kind == "c" or not rest:
        return ""
    if kind == "m":
        return rest[0]
    return base_name(rest[0])


def base_name(script: str) -> str:
    """Return the name of a script without its directory and suffix.

    >>> base_name("/v/bin/openstack"), base_name("tool.py"), base_name("http.server")
    ('openstack', 'tool', 'http.server')
    """
    return os.path.basename(script).removesuffix(".exe").removesuffix(".py")


def _split(command: "list[str]") -> "tuple[list[str], str, list[str]]":
    """Return the options, "c", "m" or "", and what follows."""
    options: list[str] = []
    words = list(command[1:])
    while words:
        word = words[0]
        if word == "--":
            return options, "", words[1:]
        if word == "-" or not word.startswith("-"):
            break
        del words[0]
        options.append(word)
        if word == "--check-hash-based-pycs":
            options += words[:1]
            del words[:1]
        for at, letter in enumerate(word if word[1] != "-" else ""):
            if letter in "cm":
                options[-1:] = [word[:at]] if at > 1 else []
                attached = [word[at + 1 :]] if word[at + 1 :] else []
                return options, letter, attached + words
            if letter in "WX":
                if at + 1 == len(word):
                    options += words[:1]
                    del words[:1]
                break
    return options, "", words
