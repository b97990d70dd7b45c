# PYTHON_ARGCOMPLETE_OK
"""Run the command line: `python -m lazyplug`, and the script `lazyplug`."""

import sys


def main() -> int:
    """Run the command line of this process; return its exit code.

    `run` is handled here, since the import of argparse would cost each start of the
    program 20 million instructions.
    """
    if sys.argv[1:2] == ["run"]:
        from ._running.launch import run  # deferred: only for `run`

        # Nothing may follow: from here on, the globals of `__main__` belong to the
        # program.
        run(sys.argv[2:])
        return 0
    from .cli import main as run_command  # deferred: not for `run`

    return run_command(sys.argv[1:])


if __name__ == "__main__":
    if sys.argv[1:2] == ["run"]:
        main()
    else:
        sys.exit(main())
