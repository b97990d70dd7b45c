"""Test that messages are worded in one module, each once, and are used as they are."""

import ast
import re
import string
from collections.abc import Iterator
from difflib import SequenceMatcher
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import pytest

import lazyplug
from lazyplug import _messages
from lazyplug.testing import dist, plant
from tests.support.checkout import is_built
from tests.support.children import ask

PACKAGE = Path(lazyplug.__file__).parent
SOURCES = {path.relative_to(PACKAGE).as_posix(): path for path in PACKAGE.rglob("*.py")}
TEMPLATES = {
    name: text
    for name, text in vars(_messages).items()
    if name.isupper() and isinstance(text, str)
}
# The functions that raise, log, print or record a message, besides `raise`.
REPORTING = {
    *("add_note", "bad_choice", "complain", "debug", "error", "exception", "exit"),
    *("info", "log", "log_once", "Problem", "refuse", "report", "report_once", "warn"),
    *("warning", "_refuse", "deprecated", "UsageError", "ClickException"),
}
# The names of variables that hold a message before it is raised or reported.
HOLDING = {"error", "failure", "fault", "message", "note", "reason", "text"}
# The beginnings of the messages that are worded elsewhere, and the reasons.
PYTHON = "Python's own words, which hasattr() discards at each healthy start"
STEVEDORE = "stevedore's own words, which programs compare"
ELSEWHERE = {
    "__init__.py": {"module has no attribute": PYTHON},
    "_attributes.py": {"object has no attribute": PYTHON},
    "_files.py": {
        "an audit hook refused": "such a hook may refuse to open `_messages`, too",
    },
    "_static/source.py": {
        "too many parts": "the caller discards it",
        "not a file": "the caller discards it",
    },
    "compat/stevedore/__init__.py": {"module has no attribute": PYTHON},
    "compat/stevedore/_cache.py": {"No entrypoint in group": STEVEDORE},
    "compat/stevedore/_errors.py": {
        "No extensions found": STEVEDORE,
        "No driver found": STEVEDORE,
    },
    "compat/stevedore/dispatch.py": {"Missing extension": STEVEDORE},
    "compat/stevedore/enabled.py": {"ignoring extension": STEVEDORE},
    "compat/stevedore/extension.py": {
        "The verify_requirements argument": STEVEDORE,
        "Could not load": STEVEDORE,
        "error calling": STEVEDORE,
        "found extension": STEVEDORE,
        "module has no attribute": PYTHON,
    },
    "compat/stevedore/named.py": {
        "Could not load": STEVEDORE,
        "The warn_on_missing_entrypoint option": STEVEDORE,
        "pass on_missing_entrypoints_callback=None": STEVEDORE,
    },
    "compat/stevedore/sphinxext.py": {
        "Failed to load": STEVEDORE,
        "module has no attribute": PYTHON,
    },
    "integrations/sphinx.py": {"documenting plugins from": STEVEDORE},
}
# What is printed as the result of a command is worded where it is printed.
REPORTS = {
    "cli/doctor.py",
    *(f"cli/diagnosis/{name}.py" for name in ("cache", "directory", "findings")),
    *(f"cli/diagnosis/{name}.py" for name in ("index", "paths", "plugins", "settings")),
}
of_sources = pytest.mark.skipif(
    is_built(), reason="a wheel has the hot modules in one: the sources are tested"
)


class Use(NamedTuple):
    """A place where a template is used."""

    file: str
    line: int
    name: str
    # the fields that are passed; None if there is another use than `.format(name=...)`
    fields: frozenset[str] | None


def words_of(node: ast.AST) -> str:
    """Return the literal words in an expression, without what is filled in."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    if isinstance(node, ast.JoinedStr):
        return "".join(words_of(part) for part in node.values)
    return ""


def count_words(text: str) -> int:
    """Return the number of words, without the fields of `%` formatting.

    >>> count_words("no module named "), count_words("%r is %s"), count_words(", or ")
    (3, 1, 1)
    """
    return len(re.findall(r"(?<!\S)[^\W\d]\S*", re.sub(r"%\w", "", text)))


def literals(node: ast.AST) -> Iterator[ast.expr]:
    """Yield the outermost string literals in an expression."""
    if isinstance(node, (ast.Constant, ast.JoinedStr)):
        yield node
    else:
        for child in ast.iter_child_nodes(node):
            yield from literals(child)


def messages_in(tree: ast.AST) -> Iterator[ast.expr]:
    """Yield the string literals that are raised, reported or recorded as problems."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            yield from literals(node.exc)
        elif isinstance(node, ast.Call):
            function = node.func
            name = getattr(function, "attr", getattr(function, "id", ""))
            owner = getattr(getattr(function, "value", None), "id", "")
            if name in REPORTING or (name, owner) == ("append", "problems"):
                for argument in (*node.args, *node.keywords):
                    yield from literals(argument)
        elif isinstance(node, ast.Assign):
            names = {each.id for each in node.targets if isinstance(each, ast.Name)}
            if names & HOLDING:
                yield from literals(node.value)


def uses() -> Iterator[Use]:
    """Yield each place of the package where a template is used."""
    for file, path in SOURCES.items():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        parents = {
            child: node
            for node in ast.walk(tree)
            for child in ast.iter_child_nodes(node)
        }
        for node in ast.walk(tree):
            if (
                not isinstance(node, ast.Attribute)
                or ast.unparse(node.value) != "messages"
            ):
                continue
            parent = parents[node]
            fields: frozenset[str] | None = frozenset()
            if isinstance(parent, ast.Attribute):
                call = parents[parent]
                fields = None
                if isinstance(call, ast.Call) and not call.args:
                    fields = frozenset(str(each.arg) for each in call.keywords)
                if parent.attr != "format":
                    fields = None
            yield Use(file, node.lineno, node.attr, fields)


USES = [*uses()]


def fields_of(text: str) -> frozenset[str]:
    """Return the names of the fields of a template."""
    return frozenset(name for _, name, *_ in string.Formatter().parse(text) if name)


def without_fields(text: str) -> str:
    """Return the text of a template without its fields."""
    return "".join(literal for literal, *_ in string.Formatter().parse(text))


@of_sources
@pytest.mark.parametrize("file", sorted({*SOURCES} - {"_messages.py"}))
def test_no_other_module_words_a_message(file: str) -> None:
    tree = ast.parse(SOURCES[file].read_text(encoding="utf-8"))
    worded = {
        " ".join(words_of(each).split())
        for each in messages_in(tree)
        if count_words(words_of(each)) > 2
    }
    allowed = ELSEWHERE.get(file, {})
    found = {
        text
        for text in worded
        if not any(re.sub(r"%\w *", "", text).startswith(each) for each in allowed)
    }
    assert found == set() or file in REPORTS


@of_sources
def test_each_exception_is_needed() -> None:
    for file, allowed in ELSEWHERE.items():
        tree = ast.parse(SOURCES[file].read_text(encoding="utf-8"))
        worded = [" ".join(words_of(each).split()) for each in messages_in(tree)]
        for each in allowed:
            assert any(
                re.sub(r"%\w *", "", text).startswith(each) for text in worded
            ), f"{file} does not say {each!r}"


def test_each_template_is_used() -> None:
    assert {*TEMPLATES} == {use.name for use in USES}


def test_each_use_fills_exactly_the_fields_of_its_template() -> None:
    wrong = [use for use in USES if use.fields != fields_of(TEMPLATES[use.name])]
    assert wrong == []


@pytest.mark.once
def test_no_two_templates_say_almost_the_same() -> None:
    alike = [
        (one, two)
        for one, two in combinations(TEMPLATES, 2)
        if SequenceMatcher(
            None,
            without_fields(TEMPLATES[one]).lower(),
            without_fields(TEMPLATES[two]).lower(),
        ).ratio()
        > 0.85
    ]
    assert alike == []


@pytest.mark.parametrize(("name", "text"), TEMPLATES.items(), ids=list(TEMPLATES))
def test_a_template_ends_as_a_sentence_or_as_a_phrase(name: str, text: str) -> None:
    assert text == text.strip()
    has_sentence = re.match(r"[A-Z][a-z ]", text) or re.search(
        r"[.?] [A-Z]|\n[A-Z]", text
    )
    if not has_sentence:
        assert not text.endswith(".")
    elif not re.search(r"(\}|https://\S+)$", text):
        assert text.endswith((".", "?"))


def test_the_module_has_nothing_but_constants() -> None:
    tree = ast.parse(SOURCES["_messages.py"].read_text(encoding="utf-8"))
    kinds = {type(node) for node in tree.body[1:]}
    assert kinds == {ast.Assign}


@of_sources
def test_hot_modules_import_it_only_where_they_fail() -> None:
    hot = {
        "_index.py", "_files.py", "_settings.py", "_environment.py", "_extension.py",
        "_manager.py", "_named.py", "__init__.py", "_frozen_index.py",
    }  # fmt: skip
    for file in hot:
        tree = ast.parse(SOURCES[file].read_text(encoding="utf-8"))
        imported = [
            alias.name
            for node in tree.body
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
        ]
        assert "_messages" not in imported


HEALTHY = {
    "a driver": "lazyplug.DriverManager('g', 'a').driver",
    "a manager that calls its extensions": "lazyplug.ExtensionManager('g').map(str)",
    "entry points": "[p.load() for p in lazyplug.entry_points(group='g')]",
    "a plugin by its name": "lazyplug.load('g', 'a')",
    "a rescan": "lazyplug.refresh()",
    "a registration": "lazyplug.ExtensionManager('g').register('b', 'json:loads')",
    "a third-party finder": (
        "sys.meta_path.append(type('Finder', (), {'find_spec': lambda *_: None,"
        " 'find_distributions': lambda *_: []})());"
        " lazyplug.entry_points(group='g')"
    ),
    "modules of a package": "lazyplug.ExtensionManager('g', package='json').names()",
}


@pytest.mark.parametrize("code", HEALTHY.values(), ids=list(HEALTHY))
def test_a_healthy_start_does_not_import_it(code: str, tmp_path: Path) -> None:
    site = plant(
        tmp_path / "site", dist("foo", entry_points={"g": {"a": "json:dumps"}})
    )
    # Without the distributions that are installed for these tests.
    (site / "lazyplug").symlink_to(Path(lazyplug.__file__).parent)
    environment = {"LAZYPLUG_CACHE_DIR": str(tmp_path / "cache")}
    for _ in range(2):  # cold, then warm
        imported = ask(
            f"""
            import sys
            sys.path[:] = [e for e in sys.path if "site-packages" not in e]
            sys.path.append({str(site)!r})
            import lazyplug
            {code}
            import json
            print(json.dumps([*sys.modules]))
            """,
            env=environment,
        )
        assert "lazyplug" in imported
        assert "lazyplug._messages" not in imported
