"""Run the command line: `python -m lazyplug`."""

import sys

if __name__ == "__main__":
    if sys.argv[1:2] == ["run"]:
        from ._running.launch import run

        # Nothing may follow: from here on, these globals belong to the program.
        run(sys.argv[2:])
    else:
        from .cli import main

        sys.exit(main(sys.argv[1:]))
