"""Processes of the same interpreter, with the options that this one has."""

import sys


def interpreter() -> "list[str]":
    """Return what begins the command of a child: the interpreter, and its options.

    So `python -I -m lazyplug check` checks what `python -I` would find.
    """
    return [sys.executable, *options_of(sys.orig_argv, sys.argv)]


def options_of(whole: "list[str]", own: "list[str]") -> "list[str]":
    """Return the interpreter's options in a command line of ours.

    >>> options_of(["py", "-I", "-X", "dev", "-m", "lazyplug", "check"], ["x", "check"])
    ['-I', '-X', 'dev']
    >>> options_of(["py", "-E", "/bin/lazyplug", "check"], ["/bin/lazyplug", "check"])
    ['-E']
    >>> options_of(["py", "-m", "pytest"], ["pytest/__main__.py"])
    []
    """
    before = whole[1 : len(whole) - len(own) + 1]
    if before[-2:] == ["-m", "lazyplug"]:
        return before[:-2]
    return before[:-1] if before[-1:] == own[:1] else []
