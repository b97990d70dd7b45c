"""Run the commands in the documents, and compare their output with what is shown.

Each document is one bash script, which runs in an environment of its own. The
wheels of this lazyplug, of the distributions that the documents mention and of the
tools that they use are in one directory; nothing is installed from anywhere else.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import uv

from lazyplug.testing import dist, plant

from .blocks import DOCUMENTS, ROOT, commands, differs, run_here
from .world import LOADER, WORLD, project, wheels

WITH_SHELL = [
    document
    for document in DOCUMENTS
    if {"sh", "console", "dockerfile"} & {each.language for each in run_here(document)}
]
EXAMPLES = ("texts", "texts-upper", "texts-numbered")
TOOLS = (
    "bandit",
    "editables",
    "hatchling",
    "pip",
    "pyinstaller",
    "python-openstackclient",
)
# The files that the documents assume: an application of the reader, and its sources.
HERE = {
    "other-project": {
        ".venv": {
            "bin": {"python": ""},
            "pyvenv.cfg": "home = /usr/bin\nversion = 3.12.1\n",
            "lib/python3.12/site-packages": {
                "myapp_yaml.py": LOADER,
                **dist("myapp-yaml", "1.1", {"myapp.loaders": {"yaml": "myapp_yaml"}}),
            },
        }
    },
    "main.py": "import myapp.main\n\nmyapp.main.main()\n",
    "src": {"module.py": '"""A module."""\n'},
}
# The project of a plugin in which the commands of a document are run.
WITHIN = {"docs/testing.md": "examples/texts-upper"}
# The documents that install lazyplug themselves, and where they have the checkout.
FROM_CHECKOUT = {
    "README.md": "lazyplug",
    "docs/platforms.md": "lazyplug",
    "docs/tutorial.md": "../lazyplug",
    "examples/README.md": "lazyplug",
}
# Printed before and after a command whose output is compared.
MARK = "\x1e"


def run(*command: str | Path, cwd: Path, variables: Mapping[str, str]) -> str:
    """Run a program; return its output and its errors."""
    unwanted = ("LAZYPLUG_", "PIP_", "PYTHON", "UV_", "VIRTUAL_ENV", "XDG_")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(unwanted)}
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env={**kept, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=280,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def extras(*documents: str) -> str:
    """Return lazyplug with the extras that the documents tell readers to install."""
    texts = [(ROOT / document).read_text(encoding="utf-8") for document in documents]
    named = re.findall(r"lazyplug with\sthe\sextra `(\w+)`", "".join(texts))
    return f"[{','.join(sorted(named))}]" if named else ""


@pytest.fixture(scope="session")
def wheelhouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the directory of wheels."""
    directory = tmp_path_factory.mktemp("wheelhouse")
    wheels(directory)
    # A complete pyproject.toml with the part that the README shows replaces ours.
    loader = tmp_path_factory.mktemp("myapp-yaml")
    text = project("myapp-yaml", "1.2", "README.md")
    plant(loader, {"pyproject.toml": text, "myapp_yaml.py": LOADER})
    own = [f"{ROOT}{extras(*DOCUMENTS)}", str(loader)]
    wanted = [*own, *(str(ROOT / "examples" / name) for name in EXAMPLES), *TOOLS]
    pip = (sys.executable, "-m", "pip", "wheel", "--wheel-dir", str(directory))
    done = subprocess.run([*pip, *wanted], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return directory


@pytest.fixture
def variables(tmp_path: Path, wheelhouse: Path) -> dict[str, str]:
    """Return the variables of a shell with an active environment."""
    return {
        "COLUMNS": "88",
        "HOME": str(tmp_path),
        "LC_ALL": "C.UTF-8",
        "PATH": f"{tmp_path}/venv/bin{os.pathsep}{os.environ['PATH']}",
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_FIND_LINKS": str(wheelhouse),
        "PIP_NO_INDEX": "1",
    }


def script(document: str) -> Iterator[str]:
    """Yield what a reader does, as commands: they run commands, and write files."""
    for block in run_here(document):
        if block.file is not None:
            yield f"printf %s {shlex.quote(block.text)} > {shlex.quote(block.file)}"
        elif block.language == "sh":
            yield from block.text.splitlines()
        elif block.language == "dockerfile":
            for line in block.text.splitlines():
                instruction, _, command = line.partition(" ")
                assert instruction == "RUN", line
                yield command
        elif block.language == "console":
            for command, _ in commands(block):
                # Its exit code is not shown, and not checked.
                yield f"printf '{MARK}'\n{{ {command}\n}} || :\nprintf '{MARK}'"


@pytest.mark.parametrize("document", WITH_SHELL)
def test_commands_in_documents_work_and_print_what_is_shown(
    document: str, wheelhouse: Path, variables: dict[str, str], tmp_path: Path
) -> None:
    installed = [*TOOLS, *WORLD]
    # Some install it from a checkout.
    if document not in FROM_CHECKOUT:
        installed.append(f"lazyplug{extras(document)}")
    tool = str(uv.find_uv_bin())
    run(tool, "venv", "-q", "-p", sys.executable, "venv", cwd=tmp_path, variables={})
    install = (
        tool,
        "pip",
        "install",
        "-q",
        "-p",
        "venv",
        "--no-index",
        "-f",
        wheelhouse,
    )
    run(*install, *installed, cwd=tmp_path, variables={})
    here = plant(tmp_path / "here", HERE)
    if document in FROM_CHECKOUT:
        (here / FROM_CHECKOUT[document]).symlink_to(ROOT)
    shutil.copytree(ROOT / "examples", here / "examples")
    shutil.copy(ROOT / "README.md", here)
    text = "\n".join(["set -e", *script(document)])
    where = here / WITHIN.get(document, "")
    printed = run("bash", "-c", text, cwd=where, variables=variables).split(MARK)[1::2]
    shown = [
        pair
        for block in run_here(document)
        if block.language == "console"
        for pair in commands(block)
    ]
    for (command, wanted), found in zip(shown, printed, strict=True):
        assert not differs(wanted, found), f"{command}\n{found}"
