"""Run some or all benchmarks: `python -m benchmarks [NAME…] [OPTIONS]`."""

import subprocess
import sys

from benchmarks.report import ROOT

NAMES = (
    "calls",
    "startup",
    "memory",
    "lookup",
    "formats",
    "change",
    "scale",
    "hosts",
    "hooks",
    "accelerate",
    "testing",
    "starts",
    "clients",
    "facts",
)


def main() -> None:
    """Run each benchmark in its own process; fail if one fails."""
    options = [each for each in sys.argv[1:] if each not in NAMES]
    failed = []
    for name in [each for each in sys.argv[1:] if each in NAMES] or NAMES:
        print(f"\n# {name}\n", flush=True)
        command = [sys.executable, "-m", f"benchmarks.{name}", *options]
        if subprocess.run(command, cwd=ROOT, check=False).returncode:
            failed.append(name)
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
