"""Compare real programs on the drop-in with the same programs on stock stevedore."""

import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.downstream.suite import Outcome, outcome, unpack_source

SCRIPTS = Path(sys.executable).parent
INSECURE = """
import pickle, subprocess
def load(data, command):
    subprocess.call(command, shell=True)
    assert data
    return pickle.loads(data)
PASSWORD = "secret"
"""


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


def run(on: str, home: Path, program: str, *arguments: str) -> Outcome:
    """Run a console script: on "stock" stevedore, or on the "drop-in"."""
    start = {
        "stock": [sys.executable, str(SCRIPTS / program)],
        "drop-in": [sys.executable, "-m", "lazyplug", "run", "--as-stevedore", program],
    }[on]
    return outcome([*start, *arguments], home)


def compare(home: Path, program: str, *arguments: str, ordered: bool = True) -> Outcome:
    """Fail unless a program prints the same on both; return what it prints."""
    stock = run("stock", home, program, *arguments)
    for _ in range(2):  # cold, then warm
        ours = run("drop-in", home, program, *arguments)
        if ordered:
            assert ours == stock, arguments
        else:
            assert sorted(ours.out.split()) == sorted(stock.out.split())
            assert ours._replace(out="") == stock._replace(out="")
    return stock


def test_the_program_runs_on_the_drop_in(home: Path) -> None:
    script = SCRIPTS / "which-stevedore"
    script.write_text(
        f"#!{sys.executable}\nimport stevedore.extension as e\n"
        "print(e.ExtensionManager.__module__)\n"
    )
    script.chmod(0o755)
    try:
        assert run("stock", home, script.name).out == "stevedore.extension\n"
        ours = run("drop-in", home, script.name)
        assert ours.out == "lazyplug.compat.stevedore.extension\n"
    finally:
        script.unlink()


@pytest.mark.parametrize(
    "form", ["txt", "json", "csv", "xml", "html", "yaml", "screen", "custom", "sarif"]
)
def test_bandit_reports_the_same_issues_in_each_format(form: str, home: Path) -> None:
    (home / "insecure.py").write_text(INSECURE)
    done = compare(home, "bandit", "-f", form, "insecure.py")
    assert done.code in (1, 2)  # findings; or the format needs another distribution
    if done.code == 1:
        assert re.search(r"B60\d|blacklist|insecure", done.out)


def test_bandit_lists_the_same_plugins(home: Path) -> None:
    done = compare(home, "bandit", "--help")
    assert done.code == 0
    assert "B602" in done.out


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Install the demo application from the sources of the released cliff."""
    source = unpack_source("cliff", tmp_path_factory.mktemp("cliff"))
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    demo = str(source / "demoapp")
    subprocess.run([*pip, "install", "--no-deps", demo], check=True)


CLIFF: list[Sequence[str]] = [
    ("--help",),
    ("help",),
    ("simple",),
    ("two_part",),
    ("files",),
    ("list", "files"),
    ("show", "file", "insecure.py"),
    ("unicode",),
    ("hooked",),
    ("hooked", "--help"),
    ("error",),
    ("--debug", "error"),
    ("no-such-command",),
    ("complete",),
]


@pytest.mark.usefixtures("demo")
@pytest.mark.parametrize("arguments", CLIFF, ids=" ".join)
def test_the_demo_of_cliff_prints_the_same(
    arguments: Sequence[str], home: Path
) -> None:
    (home / "insecure.py").write_text(INSECURE)
    done = compare(home, "cliffdemo", *arguments)
    assert done.out or done.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("--help",),
        ("command", "list"),
        ("module", "list"),
        ("server", "list", "--help"),
    ],
    ids=" ".join,
)
def test_openstack_prints_the_same(arguments: Sequence[str], home: Path) -> None:
    # Its options are in the order of the plugins, which stock stevedore takes from the
    # directory listing.
    done = compare(home, "openstack", *arguments, ordered=arguments != ("--help",))
    assert done.code == 0
    assert len(done.out.splitlines()) > 5


def test_openstack_without_a_cloud_fails_with_the_same_error(home: Path) -> None:
    done = compare(home, "openstack", "server", "list")
    assert done.code == 1
    assert "auth" in done.err.lower()
