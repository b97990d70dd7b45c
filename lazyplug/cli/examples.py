"""Show examples and exit codes at the end of the help of each command."""

from .._running.launch import EXAMPLES as RUN_EXAMPLES

# The lines of each command; those of "" are for the program.
EXAMPLES: "dict[str, tuple[str, ...]]" = {
    "": (
        "lazyplug list",
        "lazyplug list myapp.loaders",
        "lazyplug why myapp.loaders yaml",
        "lazyplug check myapp.loaders",
        "lazyplug run myapp --version",
    ),
    "list": (
        "lazyplug list",
        "lazyplug list myapp.loaders --summary",
        "lazyplug list 'myapp.*'",
        "lazyplug list --distribution acme-loaders --json",
        "lazyplug list --python other-project",
    ),
    "show": (
        "lazyplug show myapp.loaders yaml",
        "lazyplug show myapp.loaders yaml --facts myapp.plugins:FACTS",
    ),
    "why": (
        "lazyplug why myapp.loaders yaml",
        "lazyplug why --load myapp.loaders yaml",
    ),
    "lost": ("lazyplug lost", "lazyplug lost myapp.loaders"),
    "check": (
        "lazyplug check",
        "lazyplug check myapp.loaders --timeout 5",
        "lazyplug check --distribution acme-loaders --traceback",
    ),
    "doctor": ("lazyplug doctor", "lazyplug doctor --ignore startup-code"),
    "cache": ("lazyplug cache show", "lazyplug cache clear"),
    "refresh": ("lazyplug refresh",),
    "freeze": (
        "lazyplug freeze",
        "lazyplug freeze --check",
        "lazyplug freeze --facts myapp.loaders=myapp.plugins:FACTS",
    ),
    "thaw": ("lazyplug thaw",),
    "bench": (
        "lazyplug bench myapp.loaders",
        "lazyplug bench --python .venv myapp.loaders",
        "lazyplug bench --yes --program myapp --version",
    ),
    "trace": ("lazyplug trace myapp --version",),
    "run": RUN_EXAMPLES,
    "on": ("lazyplug on", "lazyplug on --as-stevedore --for myapp"),
    "off": ("lazyplug off",),
    "status": ("lazyplug status --json",),
}
_EXIT_CODES = """
exit codes:
  0  success
  1  a problem was found, or something is missing
  2  the command line is not valid
"""


def epilog(command: str) -> str:
    """Return the end of the help of a command; of the program if it is "".

    >>> print(epilog("refresh"))
    examples:
      lazyplug refresh
    """
    lines = ["examples:", *(f"  {line}" for line in EXAMPLES[command])]
    return "\n".join(lines) + ("" if command else f"\n{_EXIT_CODES}")
