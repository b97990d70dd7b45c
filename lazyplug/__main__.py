"""The command line, `python -m lazyplug`."""

import sys

if __name__ == "__main__":
    if sys.argv[1:2] == ["run"]:
        from ._run import run

        # Nothing may follow: these globals are the program's own by then.
        run(sys.argv[2:])
    else:
        print(
            "usage: python -m lazyplug run [OPTIONS] PROGRAM [ARGS...]", file=sys.stderr
        )
        sys.exit(2)
