"""Test that a pluggy host imports plugins when their hooks are called."""

import re
import sys
import textwrap
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import Distribution
from inspect import isgenerator
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

import pluggy
import pytest
from hypothesis import example, given, reject
from hypothesis import strategies as st

from lazyplug import BrokenMetadata, Choice
from lazyplug._static import learned
from lazyplug.integrations import pluggy as integration
from lazyplug.integrations.pluggy import load_entrypoints
from lazyplug.testing import dist, plant
from tests.support.fixtures import PlantSite, SetPath
from tests.support.learned_facts import forget_plugins, imported
from tests.support.properties import examples

pytestmark = pytest.mark.usefixtures("late_clock", "clean_sys_modules")

hookspec = pluggy.HookspecMarker("host")
PLUGINS: dict[str, Any] = {
    "plug_plain": "@hookimpl\ndef greet(who): return f'hello {who}'\n",
    "plug_first": "@hookimpl(tryfirst=True)\ndef greet(who): return f'first {who}'\n",
    "plug_last": "@hookimpl(trylast=True)\ndef greet(): return 'last'\n",
    "plug_wrapper": """
        @hookimpl(wrapper=True)
        def greet(who):
            found = yield
            return [*found, f'wrapped for {who}']
        """,
    "plug_old": """
        @hookimpl(hookwrapper=True)
        def greet(who):
            outcome = yield
            outcome.force_result([*outcome.get_result(), 'old'])
        """,
    "plug_named": "@hookimpl(specname='greet')\ndef other(who): return 'named'\n",
    "plug_default": "@hookimpl\ndef greet(who='me', loud=True): return (who, loud)\n",
    "plug_pick": "@hookimpl\ndef pick(number): return number\n",
    "plug_class": "class Greeter:\n    def __init__(self): self.__doc__ = 'class'\n"
    "@hookimpl\ndef greet(): return Greeter().__doc__\n",
    "plug_unknown": "@hookimpl(optionalhook=True)\ndef nobody_has(x): return x\n",
    "plug_inline": "@pluggy.HookimplMarker('host')\ndef greet(): return 'inline'\n",
    "plug_inline_options": "NAME = 'host'\n@pluggy.HookimplMarker(NAME)(trylast=True)\n"
    "def greet(): return 'inline'\n",
}
PACKAGE = {
    "__init__.py": "from .hooks import greet as greet\n",
    "hooks.py": "import pluggy\nhookimpl = pluggy.HookimplMarker('host')\n"
    "@hookimpl\ndef greet(): return 'from below'\n",
}
HEAD = (
    "'Says.'\nimport os, sys\nimport pluggy\nhookimpl = pluggy.HookimplMarker('host')\n"
    "ON = 'PLUG_ON' in os.environ\n"
)
PICK = "@hookimpl\ndef pick(): return 1\n"
# Plugins with something that depends on more than their source.
EAGER: dict[str, Any] = {
    "plug_if": "if os.environ.get('PLUG_ON'):\n    @hookimpl\n    def greet(): ...\n",
    "plug_else": "if not os.environ.get('PLUG_ON'):\n    @hookimpl\n"
    "    def greet(): return 'else'\n",
    "plug_option": "NOW = 'PLUG_ON' in os.environ\n@hookimpl(tryfirst=NOW)\n"
    "def greet(): return 'option'\n",
    "plug_options": "HOW = {'tryfirst': True}\n@hookimpl(**HOW)\n"
    "def greet(): return 'options'\n",
    "plug_made": "def make(): return 'made'\nglobals()['greet'] = hookimpl(make)\n",
    "plug_loop": "for _ in range(1):\n    @hookimpl\n    def greet(): return 'loop'\n",
    "plug_twice": "@hookimpl\ndef greet(): return 1\n@hookimpl\n"
    "def greet(): return 'twice'\n",
    "plug_star": "from plug_plain import *\n",
    "plug_try": "try:\n    from plug_nowhere import greet\nexcept ImportError:\n"
    "    from plug_plain import greet\n",
    "plug_bare": "sys.modules['plug_patched'] = sys\n",
    "plug_marked": "def mark(f):\n    f.host_impl = {'tryfirst': True}\n    return f\n"
    "@mark\ndef greet(): return 'marked'\n",
    "plug_two_decorators": "import functools\n@hookimpl\n@functools.cache\n"
    "def greet(): return 'cached'\n@hookimpl\n@staticmethod\ndef pick(): return 2\n",
    "plug_wrapped": "def loud(f): return hookimpl(lambda who: f())\n"
    "@hookimpl\n@loud\ndef greet(): return 'wrapped'\n",
    "plug_lambda": "greet = hookimpl(lambda who: who)\n",
    "plug_dir": f"{PICK}@hookimpl\ndef greet(): return 1\n"
    "def __dir__(): return ['pick', 'greet'] if ON else ['pick']\n",
    "plug_other_name": f"__name__ = 'other'\n{PICK}",
    # The marker does more than decorate one function that exists in any case.
    "plug_mark_if": "def on(f): return hookimpl(f) if ON else f\n"
    f"@on\ndef greet(): return 'marked'\n{PICK}",
    "plug_marker_if": "if ON: hookimpl = lambda f: f\n"
    f"@hookimpl\ndef greet(): return 'marked'\n{PICK}",
    "plug_marker_named": "mark = hookimpl\nif ON:\n"
    f"    mark = lambda f: f\n@mark\ndef greet(): return 'marked'\n{PICK}",
    "plug_marker_inside": "class X: mark = staticmethod(\n"
    "    (lambda f: f) if ON else hookimpl)\n"
    f"@X.mark\ndef greet(): return 'marked'\n{PICK}",
    "plug_marker_looked_up": "marks = {'x': hookimpl if ON else str}"
    f"\ndef _made(): return 'made'\ngreet = marks['x'](_made)\n{PICK}",
    "plug_marker_imported": "from plug_markers import marker\n@marker\n"
    "def greet(): return 'marked'\n@marker\ndef pick(): return 1\n",
    "plug_called": "def make():\n    def greet(): return 'made'\n"
    f"    return hookimpl(greet) if ON else 0\ngreet = make()\n{PICK}",
    "plug_global": "def make():\n    global greet\n    @hookimpl\n"
    f"    def greet(): return 'global'\nif ON: make()\n{PICK}",
    "plug_set": "def _made(): return 'set'\nif ON:\n"
    f"    setattr(sys.modules[__name__], 'greet', hookimpl(_made))\n{PICK}",
    "plug_unmarked": f"@hookimpl\ndef greet(): return 'marked'\n{PICK}"
    "if ON: del greet.host_impl\n",
    # The project of the marker depends on more than the source.
    "plug_project": "NAME = 'other' if ON else 'host'\nmark = pluggy.HookimplMarker("
    f"NAME)\n@mark\ndef greet(): return 'marked'\n{PICK}",
    "plug_project_inline": "NAME = 'other' if ON else 'host'\n"
    "@pluggy.HookimplMarker(NAME)\ndef greet(): return 'marked'\n"
    f"{PICK}",
    # A module of a package has the name of a hook, and takes its place when imported.
    "plug_shadowed": {
        "__init__.py": f"{HEAD}{PICK}@hookimpl\ndef greet(): return 1\n"
        "if ON: from . import other\n",
        "other.py": "from .greet import x\n",
        "greet.py": "x = 1\n",
    },
    # It may become a hook when plug_plain is edited.
    "plug_from": f"from plug_plain import whom as greet\n{PICK}",
}
# What others import.
BELOW = {
    "plug_plain": PLUGINS["plug_plain"] + "def whom(who): return who\n",
    "plug_markers": "marker = hookimpl if not ON else lambda f: f\n",
}


class Specs:
    """The hooks of the host."""

    @hookspec
    def greet(self, who: str, loud: bool) -> object:
        """Greet somebody."""

    @hookspec(firstresult=True)
    def pick(self, number: int) -> object:
        """Return the first number."""

    @hookspec(historic=True)
    def began(self, at: int) -> object:
        """Report the start."""

    @hookspec(warn_on_impl=FutureWarning("greeting goes"))
    def going(self) -> object:
        """Warn about implementations."""


def host(manager: type[pluggy.PluginManager] = pluggy.PluginManager) -> Any:
    pm = manager("host")
    pm.add_hookspecs(Specs)
    return pm


@pytest.fixture(autouse=True)
def began_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the plugins be older than this process: tests have just written them."""
    monkeypatch.setattr(integration, "_BEGAN", 1 << 62)


class Install(Protocol):
    """Install a distribution of plugins, whose modules are these: `install`."""

    def __call__(
        self, modules: dict[str, Any], points: str = "", name: str = "plugs"
    ) -> Path: ...


@pytest.fixture
def install(site: PlantSite, prepend_path: SetPath) -> Install:
    """Return a function that installs a distribution of plugins."""

    def make(modules: dict[str, Any], points: str = "", name: str = "plugs") -> Path:
        tree = {
            f"{name}.py" if isinstance(source, str) else name: (
                HEAD + textwrap.dedent(source) if isinstance(source, str) else source
            )
            for name, source in modules.items()
        }
        points = points or "".join(
            f"{module.removeprefix('plug_')} = {module}\n" for module in modules
        )
        directory = site(tree, name)
        # What is learned is not written where a path entry changed meanwhile, as it
        # would by the first bytecode in it.
        declared = dist(name, entry_points=f"[host]\n{points}")
        plant(directory, {"__pycache__": {}, **declared})
        prepend_path(directory)
        return directory

    return make


def learned_pm() -> Any:
    """Return a host whose plugins were loaded once in a process before."""
    load_entrypoints(host(), "host", lazy=True)
    forget_plugins()
    pm = host()
    load_entrypoints(pm, "host", lazy=True)
    return pm


def state_of(pm: Any) -> dict[str, Any]:
    """Return what a host sees of its plugins."""
    pick = pm.hook.pick(number=3)
    return {
        "names": [name for name, _ in pm.list_name_plugin()],
        "dists": {(p.__name__, d.project_name) for p, d in pm.list_plugin_distinfo()},
        "canonical": {pm.get_canonical_name(p) for p in pm.get_plugins()},
        "hooks": {
            name: [
                (i.plugin_name, i.argnames, i.kwargnames, i.opts)
                for i in getattr(pm.hook, name).get_hookimpls()
            ]
            for name in ("greet", "pick", "nobody_has")
            if hasattr(pm.hook, name)
        },
        # Of a generator that is no wrapper, each call returns another.
        "greet": [
            type(each) if isgenerator(each) else each
            for each in pm.hook.greet(who="you", loud=False)
        ],
        "pick": type(pick) if isgenerator(pick) else pick,
    }


# --------------------------------------------------------------------- the same plugins


@pytest.mark.parametrize("lazy", [False, True])
def test_the_host_gets_the_same_plugins_as_with_pluggy_itself(
    install: Install, lazy: bool
) -> None:
    install({**PLUGINS, **EAGER, **BELOW, "plug_package": PACKAGE})
    stock, ours = host(), host()
    count = stock.load_setuptools_entrypoints("host")
    forget_plugins()
    assert load_entrypoints(ours, "host", lazy=lazy) == count
    assert state_of(ours) == state_of(stock)
    again = host()
    forget_plugins()
    assert load_entrypoints(again, "host", lazy=lazy) == count
    assert state_of(again) == state_of(stock)


@pytest.mark.parametrize("lazy", [False, True])
def test_blocked_registered_and_unselected_names_are_not_loaded(
    install: Install, lazy: bool
) -> None:
    install(PLUGINS)
    pm = host()
    pm.set_blocked("plain")
    pm.register(ModuleType("mine"), "first")
    assert load_entrypoints(pm, "host", lazy=lazy) == len(PLUGINS) - 2
    assert load_entrypoints(pm, "host", lazy=lazy) == 0
    one = host()
    assert load_entrypoints(one, "host", "last", lazy=lazy) == 1
    assert [name for name, _ in one.list_name_plugin()] == ["last"]


def test_plugins_that_a_choice_excludes_are_not_imported(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    install({"plug_broken": "raise ZeroDivisionError", **PLUGINS})
    pm = host()
    allowed = Choice(allow=["plain", "pick"])
    assert load_entrypoints(pm, "host", choice=allowed) == 2
    assert imported() == {"plug_plain", "plug_pick"}
    monkeypatch.setenv("LAZYPLUG_DENY", "host=broken")
    pm = host()
    assert load_entrypoints(pm, "host", lazy=True) == len(PLUGINS)
    assert not pm.has_plugin("broken")


def test_plugins_are_ordered_by_distribution_and_line_not_by_directory_listing(
    install: Install,
) -> None:
    install({"plug_b": PLUGINS["plug_plain"]}, "z = plug_b\na = plug_b:greet\n", "zeta")
    install({"plug_a": PLUGINS["plug_plain"]}, "m = plug_a\n", "alpha")
    pm = host()
    load_entrypoints(pm, "host")
    assert [name for name, _ in pm.list_name_plugin()] == ["m", "z", "a"]


def test_a_plugin_of_a_shadowed_distribution_is_not_loaded(
    site: PlantSite, prepend_path: SetPath
) -> None:
    new = dist("plugs", "2.0", "[host]\nnew = plug_new\n")
    old = dist("plugs", "1.0", "[host]\nold = plug_old\n")
    one = site({**new, "plug_new.py": HEAD}, "one")
    prepend_path(one, site({**old, "plug_old.py": HEAD}, "two"))
    pm = host()
    assert load_entrypoints(pm, "host") == 1
    assert pm.has_plugin("new")
    assert not pm.has_plugin("old")


def test_list_plugin_distinfo_returns_importlib_metadata_distributions(
    install: Install,
) -> None:
    install({"plug_plain": PLUGINS["plug_plain"]})
    pm = host()
    load_entrypoints(pm, "host")
    ((_, found),) = pm.list_plugin_distinfo()
    assert (found.project_name, found.version) == ("plugs", "1.0")
    assert isinstance(found._dist, Distribution)
    assert found.metadata["Name"] == "plugs"


def test_an_import_error_is_raised_with_a_note_that_names_the_distribution(
    install: Install,
) -> None:
    install({"plug_broken": "raise ZeroDivisionError('broken')\n"})
    raising: list[dict[str, Any]] = [{}, {"lazy": True, "on_failure": "error"}]
    for options in raising:
        with pytest.raises(ZeroDivisionError, match="broken") as caught:
            load_entrypoints(host(), "host", **options)
        assert "declared by plugs 1.0" in "".join(caught.value.__notes__)


@pytest.mark.parametrize(
    ("options", "logged"),
    [
        ({"lazy": True}, 1),
        ({"lazy": True, "on_failure": "ignore"}, 0),
        ({"on_failure": "warn"}, 1),
        ({"on_failure": "ignore"}, 0),
    ],
)
def test_a_plugin_that_cannot_be_imported_is_skipped_and_logged_once(
    install: Install,
    caplog: pytest.LogCaptureFixture,
    options: dict[str, Any],
    logged: int,
) -> None:
    broken = {
        "plug_broken": "raise ZeroDivisionError('broken')\n",
        "plug_gone": "import plug_that_is_not_there\n",
        "plug_wrong": "this is no Python\n",
    }
    install(
        {**broken, "plug_last": PLUGINS["plug_last"]},
        "broken = plug_broken\ngone = plug_gone\nwrong = plug_wrong\n"
        "attribute = plug_last:nothing\nnowhere = plug_nowhere\nlast = plug_last\n",
    )
    for _ in range(2):
        pm = host()
        assert load_entrypoints(pm, "host", **options) == 1
        assert [name for name, _ in pm.list_name_plugin()] == ["last"]
        assert pm.hook.greet(who="you", loud=True) == ["last"]
        forget_plugins()
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == logged * 5
    assert all(text.startswith("entry point '") for text in messages)
    assert all(" could not be loaded: " in text for text in messages)
    assert all("declared by plugs 1.0" in text for text in messages)


def test_an_invalid_reference_does_not_stop_a_lazy_host(
    install: Install, caplog: pytest.LogCaptureFixture
) -> None:
    install({"plug_last": PLUGINS["plug_last"]}, "odd = not valid\nlast = plug_last\n")
    pm = host()
    assert load_entrypoints(pm, "host", lazy=True) == 1
    assert "'odd = not valid'" in caplog.text
    with pytest.raises(BrokenMetadata, match="not valid"):
        load_entrypoints(host(), "host", lazy=True, on_failure="error")


@pytest.mark.parametrize("lazy", [False, True])
def test_an_unknown_failure_policy_is_rejected(lazy: bool) -> None:
    with pytest.raises(ValueError, match="'raise' is not a valid on_failure: expected"):
        load_entrypoints(host(), "host", lazy=lazy, on_failure="raise")  # type: ignore[arg-type]


# What binds the name of a hook, or changes what it means.
WRAPPER = "@hookimpl(wrapper=True)\ndef {0}():\n    return 'wrapped', (yield)\n"
BINDS = [
    "@hookimpl\ndef {0}(): return '{0}'\n",
    "@hookimpl(tryfirst=True)\ndef {0}(who=0): return 'first', who\n",
    "@hookimpl(trylast=ON)\ndef {0}(): return 'last'\n",
    "@hookimpl(None, False, False, ON)\ndef {0}(): return 'by position'\n",
    WRAPPER,
    "@pluggy.HookimplMarker('host')\ndef {0}(): return 'inline'\n",
    "@pluggy.HookimplMarker('host')(trylast=ON)\ndef {0}(): return 'inline'\n",
    "@hookimpl(hookwrapper=True)\ndef {0}(): yield\n",
    "@hookimpl(specname='greet')\ndef {0}_too(): return 'named'\n",
    "@on\ndef {0}(): return 'on'\n",
    "@hookimpl\n@on\ndef {0}(): return 'on too'\n",
    "def {0}(): return 'no hook'\n",
    "async def {0}(): return 'no hook'\n",
    "{0} = hookimpl(lambda: 'lambda')\n",
    "{0} = on(lambda: 'lambda on')\n",
    "{0} = None\n",
    "{0}: object = None\n",
    "{0}, _ = None, None\n",
    "({0} := None)\n",
    "for {0} in range(2): pass\n",
    "with open(os.devnull) as {0}: pass\n",
    "try: int('x')\nexcept ValueError as {0}: pass\n",
    "match None:\n    case {0}: pass\n",
    "match [0]:\n    case [*{0}]: pass\n",
    "match dict(a=0):\n    case {{**{0}}}: pass\n",
    "try: del {0}\nexcept NameError: pass\n",
    "def bind():\n    global {0}\n    {0} = None\nbind()\n",
    "def bind():\n    global {0}\n    from plug_below import pick as {0}\nbind()\n",
    "def bind(): globals()['{0}'] = on(lambda: 'bound')\nbind()\n",
    "class Bind: globals()['{0}'] = None\n",
    "def bind(to=vars().__setitem__('{0}', None)): pass\n",
    "exec('{0} = None')\n",
    "eval('sys.modules[__name__]').{0} = None\n",
    "setattr(sys.modules[__name__], '{0}', None)\n",
    "sys.modules[__name__].{0} = None\n",
    "sys.modules[__name__].__dict__['{0}'] = None\n",
    "on.__globals__['pick'] = None\nfrom plug_below import pick as {0}\n",
    "import plug_below as {0}\n",
    "from plug_below import {0}\n",
    "from plug_below import pick as {0}\n",
    "from plug_below import *\n",
    "try: on({0})\nexcept Exception: pass\n",
    "try: {0}.__code__ = (lambda who: who).__code__\nexcept Exception: pass\n",
    "try: del {0}.host_impl\nexcept Exception: pass\n",
    "mark = hookimpl\n@mark\ndef {0}(): return 'mark'\n",
    "class {0}: pass\n",
    "@on\nclass {0}: pass\n",
    "hookimpl = on\n",
    "def hookimpl(f=None, **options): return f or (lambda f: f)\n",
    "from plug_below import on as hookimpl\n",
    "hookimpl = pluggy.HookimplMarker('host' if ON else 'other')\n",
]
# The statements that may contain it.
TRY = "try:\n    assert ON\n{1}except AssertionError: pass\n"
CONTEXTS = [
    "{0}",
    "if ON:\n{1}",
    "if not ON:\n{1}",
    TRY,
    "try:\n    assert ON\nexcept AssertionError:\n{1}",
    "try:\n    assert ON\nexcept AssertionError: pass\nelse:\n{1}",
    "try: pass\nfinally:\n{1}",
    "for _ in range(ON):\n{1}",
    "while ON:\n{1}    break\n",
    "with open(os.devnull):\n{1}",
    "match ON:\n  case True:\n{1}",
]
# Those that cannot contain a star import.
INSIDE = ["class Inside:\n{1}", "def inside():\n{1}", "def inside():\n{1}inside()\n"]
ON = "def on(f): return hookimpl(f) if ON else f\n"
BELOW_IT = (
    f"{HEAD}def on(f=None, *, mark=hookimpl, **options):\n"
    "    return mark(f, **options) if ON else f or (lambda f: f)\n"
    f"{PICK}"
    "if ON:\n    @hookimpl\n    def greet(): return 'below'\nelse:\n    greet = 0\n"
)
Part = tuple[str, str, str]
NAMES = st.sampled_from(["greet", "pick"])
PLAINLY = st.tuples(st.sampled_from(BINDS), NAMES, st.sampled_from(["{0}", *CONTEXTS]))
DEEPER = st.tuples(
    st.sampled_from([binds for binds in BINDS if "*" not in binds]),
    NAMES,
    st.sampled_from(INSIDE),
)
MODULE = st.lists(PLAINLY | PLAINLY | DEEPER, max_size=3)


PLAIN, BY_POSITION = BINDS[0], BINDS[3]
IF_ON = CONTEXTS[1]
TOP = "greet", "{0}"
# Modules whose hooks were once thought to be those that were learned.
FORMERLY_WRONG: list[list[Part]] = [
    *(
        [(WRAPPER, *TOP), (binds, "greet", TRY)]
        for binds in (
            "class {0}: pass\n",
            "@on\nclass {0}: pass\n",
            "@on\ndef {0}(): return 'on'\n",
            "def {0}(): return 'no hook'\n",
            "async def {0}(): return 'no hook'\n",
            "{0} = on(lambda: 'lambda on')\n",
            "import plug_below as {0}\n",
            "from plug_below import pick as {0}\n",
            "on.__globals__['pick'] = None\nfrom plug_below import pick as {0}\n",
        )
    ),
    *(
        [(WRAPPER, *TOP), (binds, "greet", IF_ON)]
        for binds in (
            "try: int('x')\nexcept ValueError as {0}: pass\n",
            "def bind():\n    global {0}\n    {0} = None\nbind()\n",
            "def bind(): globals()['{0}'] = on(lambda: 'bound')\nbind()\n",
            "class Bind: globals()['{0}'] = None\n",
            "def bind(to=vars().__setitem__('{0}', None)): pass\n",
            "exec('{0} = None')\n",
            "eval('sys.modules[__name__]').{0} = None\n",
            "setattr(sys.modules[__name__], '{0}', None)\n",
            "sys.modules[__name__].{0} = None\n",
            "sys.modules[__name__].__dict__['{0}'] = None\n",
        )
    ),
    [(BY_POSITION, *TOP)],
    [(PLAIN, *TOP), ("{0}.__code__ = on.__code__\n", "greet", IF_ON)],
    [
        ("def {0}(): return 'marked'\n", *TOP),
        ("on({0})\n", *TOP),
        (PLAIN, "pick", "{0}"),
    ],
    [
        ("def bind():\n    global {0}\n    from plug_below import pick as {0}\n", *TOP),
        ("if ON: bind()\n", *TOP),
        (PLAIN, "pick", "{0}"),
    ],
    [
        ("hookimpl = pluggy.HookimplMarker('host' if ON else 'other')\n", "", "{0}"),
        (PLAIN, *TOP),
    ],
]


def with_known_examples(test: Any) -> Any:
    """Add the modules of FORMERLY_WRONG as examples of a property."""
    for parts in FORMERLY_WRONG:
        for on in (False, True):
            test = example(modules=[parts], below=[], on=on)(test)
    return test


@given(modules=st.lists(MODULE, min_size=1, max_size=3), below=MODULE, on=st.booleans())
@with_known_examples
@examples(100)
def test_plugins_of_any_kind_behave_as_with_pluggy_itself(
    modules: list[list[Part]],
    below: list[Part],
    on: bool,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    def with_parts(text: str, parts: list[Part]) -> str:
        for binds, name, context in parts:
            body = binds.format(name)
            text += context.format(body, textwrap.indent(body, "    "))
        return text

    tree: dict[str, Any] = {"__pycache__": {}}
    tree["plug_below.py"] = with_parts(BELOW_IT, below)
    for number, parts in enumerate(modules):
        text = HEAD + "from plug_below import on\n"
        tree[f"plug_{number}.py"] = with_parts(text, parts)
    points = "".join(f"{n} = plug_{n}\n" for n in range(len(modules)))
    directory = plant(tmp_path_factory.mktemp("any"), tree)
    plant(directory, dist("any", entry_points=f"[host]\n{points}"))

    def seen(load: Callable[[Any], object], on: bool) -> Any:
        forget_plugins()
        with pytest.MonkeyPatch.context() as patch:
            patch.syspath_prepend(str(directory))
            if on:
                patch.setenv("PLUG_ON", "1")
            pm = host()
            load(pm)
            return state_of(pm)

    def stock(pm: Any) -> object:
        return pm.load_setuptools_entrypoints("host")

    def ours(pm: Any) -> object:
        return load_entrypoints(pm, "host", lazy=True)

    for is_on in (on, not on, on):
        try:
            expected = seen(stock, is_on)
        except Exception:  # what pluggy refuses cannot be the same
            reject()
        assert seen(ours, is_on) == expected
        assert seen(ours, is_on) == expected


# ------------------------------------------------------------------------ lazily


def test_a_learned_plugin_is_imported_at_the_first_call_of_its_hook(
    install: Install,
) -> None:
    install({**PLUGINS, "plug_package": PACKAGE})
    pm = learned_pm()
    assert imported() == set()
    assert pm.hook.pick(number=3) == 3
    assert imported() == {"plug_pick"}
    pm.hook.greet(who="you", loud=True)
    assert imported() == {*PLUGINS, "plug_package", "plug_package.hooks"} - {
        "plug_unknown"
    }


def test_the_source_of_a_plugin_may_be_nested_deeper_than_the_stack(
    install: Install,
) -> None:
    deep = f"TEXT = {' + '.join(['ON'] * 1500)}\n"
    install({"plug_deep": deep + PLUGINS["plug_plain"]})
    pm = learned_pm()
    assert imported() == set()
    assert pm.hook.greet(who="you", loud=True) == ["hello you"]


def test_a_lazy_plugin_is_a_module_that_is_imported_on_first_attribute_access(
    install: Install,
) -> None:
    install({"plug_plain": "VALUE = 3\n" + PLUGINS["plug_plain"]})
    pm = learned_pm()
    plugin = pm.get_plugin("plain")
    assert isinstance(pm.get_plugin("plain"), ModuleType)
    assert plugin in pm.get_plugins()
    assert plugin.__name__ == "plug_plain"
    assert repr(plugin) == "<module 'plug_plain', not imported yet>"
    assert [hook.name for hook in pm.get_hookcallers(plugin)] == ["greet"]
    assert imported() == set()
    assert plugin.VALUE == 3
    plugin.VALUE = 4
    module = sys.modules["plug_plain"]
    assert module.__dict__["VALUE"] == 4
    del plugin.VALUE
    assert not hasattr(module, "VALUE")
    assert repr(plugin) == repr(module)
    assert {*dir(plugin)} == {*dir(module)}
    assert plugin.greet("you") == "hello you"


@pytest.mark.parametrize("name", ["__doc__", "__file__", "__spec__", "__path__"])
def test_module_attributes_of_a_lazy_plugin_are_those_of_the_imported_module(
    install: Install, name: str
) -> None:
    install({"plug_package": PACKAGE})
    plugin = learned_pm().get_plugin("package")
    assert imported() == set()
    found = getattr(plugin, name)
    assert found == getattr(sys.modules["plug_package"], name)


def test_the_same_module_cannot_be_registered_under_two_names(
    install: Install,
) -> None:
    install({"plug_plain": PLUGINS["plug_plain"]}, "one = plug_plain\nb = plug_plain\n")
    with pytest.raises(ValueError, match="already registered under a different name"):
        host().load_setuptools_entrypoints("host")
    for _ in range(2):
        pm = host()
        with pytest.raises(ValueError, match="under a different name"):
            load_entrypoints(pm, "host", lazy=True)
        forget_plugins()
    pm = host()
    load_entrypoints(pm, "host", "one", lazy=True)
    assert imported() == set()
    assert pm.get_plugin("one") != ModuleType("plug_plain")
    module = __import__("plug_plain")
    assert pm.is_registered(module)
    assert pm.unregister(name="one") == module
    assert pm.hook.greet(who="you", loud=True) == []


def test_a_plugin_that_was_unregistered_by_name_is_no_longer_called(
    install: Install,
) -> None:
    install({"plug_plain": PLUGINS["plug_plain"], "plug_last": PLUGINS["plug_last"]})
    pm = learned_pm()
    pm.unregister(name="plain")
    assert pm.hook.greet(who="you", loud=True) == ["last"]
    assert imported() == {"plug_last"}


def test_a_subset_hook_caller_does_not_import_the_excluded_plugins(
    install: Install,
) -> None:
    install({"plug_plain": PLUGINS["plug_plain"], "plug_last": PLUGINS["plug_last"]})
    pm = learned_pm()
    call = pm.subset_hook_caller("greet", [pm.get_plugin("plain")])
    assert call(who="you", loud=True) == ["last"]
    assert imported() == {"plug_last"}


def test_a_historic_hook_that_was_already_called_is_called_at_registration(
    install: Install,
) -> None:
    install({"plug_hist": "@hookimpl\ndef began(at): return at\n"})
    learned_pm()
    forget_plugins()
    pm = host()
    results: list[object] = []
    pm.hook.began.call_historic(results.append, {"at": 5})
    load_entrypoints(pm, "host", lazy=True)
    assert results == [5]
    assert imported() == {"plug_hist"}


def test_a_hook_with_warn_on_impl_is_imported_and_named_in_the_warning(
    install: Install,
) -> None:
    directory = install({"plug_going": "@hookimpl\ndef going(): return 1\n"})
    for _ in range(2):
        with pytest.warns(FutureWarning, match="greeting goes") as caught:
            load_entrypoints(host(), "host", lazy=True)
        assert caught[0].filename == str(directory / "plug_going.py")
        forget_plugins()


def test_arguments_that_a_hook_does_not_take_are_rejected_as_by_pluggy(
    install: Install,
) -> None:
    install({"plug_wrong": "@hookimpl\ndef greet(whom): return whom\n"})
    texts = []
    for load in (
        lambda pm: pm.load_setuptools_entrypoints("host"),
        lambda pm: load_entrypoints(pm, "host", lazy=True),
        lambda pm: load_entrypoints(pm, "host", lazy=True),
    ):
        with pytest.raises(pluggy.PluginValidationError, match="'whom'") as caught:
            load(host())
        texts.append(str(caught.value))
        forget_plugins()
    assert texts[0] == texts[1] == texts[2]


@pytest.mark.parametrize(
    "source",
    [
        "@hookimpl\ndef greet(whom: int, loud=True) -> str: return whom\n",
        "@hookimpl(wrapper=True)\ndef greet(): return 1\n",
        "@hookimpl(hookwrapper=True)\ndef greet(): return 1\n",
    ],
)
def test_a_hook_that_pluggy_rejects_is_rejected_with_the_same_message(
    install: Install, source: str
) -> None:
    install({"plug_wrong": source})
    texts = []
    for lazy in (False, True, True):
        with pytest.raises(pluggy.PluginValidationError, match="definition") as caught:
            load_entrypoints(host(), "host", lazy=lazy)
        texts.append(str(caught.value))
        forget_plugins()
    assert texts[0] == texts[1] == texts[2]


def test_arguments_and_hooks_with_any_names_are_passed(
    install: Install,
) -> None:
    class Odd:
        @hookspec
        def _(self, name: str, positional: int, call: int, _real: int) -> object: ...

        @hookspec
        def print(self, __: int, ___: int) -> object: ...

    source = """
        @hookimpl
        def _(_real, name, positional=1, call=2): return name, positional, call, _real
        @hookimpl
        def print(__, ___=5): return __, ___
        """
    install({"plug_odd": source})
    for _ in range(2):
        pm = host()
        pm.add_hookspecs(Odd)
        load_entrypoints(pm, "host", lazy=True)
        lazy = imported() == set()
        ((name, positional, call, real),) = pm.hook._(
            name="n", positional=3, call=4, _real=5
        )
        assert (name, real) == ("n", 5)
        assert (positional, call) in {
            (3, 4),
            (1, 2),
        }  # pluggy before 1.7 leaves them out
        assert [each for each, _ in pm.hook.print(__=7, ___=8)] == [7]
        forget_plugins()
    assert lazy


@pytest.mark.parametrize(
    "source",
    [
        "@hookimpl\ndef greet(): return FOUND\n",
        "@hookimpl(wrapper=True)\ndef greet(): return [*(yield), FOUND]\n",
        "@hookimpl(hookwrapper=True)\ndef greet(): (yield).force_result([0, FOUND])\n",
    ],
)
def test_a_hook_call_during_the_import_of_a_plugin_skips_that_plugin(
    install: Install,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    source: str,
) -> None:
    call = "import host_app\nFOUND = host_app.pm.hook.greet(who='', loud=0)\n"
    install({"plug_last": PLUGINS["plug_last"], "plug_calls": call + source})
    found: list[Any] = []
    for lazy in (False, True, True):
        pm = host()
        there = ModuleType("host_app")
        there.__dict__["pm"] = pm
        monkeypatch.setitem(sys.modules, "host_app", there)
        load_entrypoints(pm, "host", lazy=lazy)
        assert ("plug_calls" in imported()) == (len(found) < 2)
        found += [pm.hook.greet(who="", loud=False)]
        forget_plugins()
    assert found[0] == found[1] == found[2]
    assert ["last"] in found[0]
    assert not caplog.text


def test_a_plugin_that_is_loaded_during_its_own_import_is_learned_later(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = (
        "@hookimpl\ndef greet(): return 1\nimport host_app\nhost_app.load()\n" + PICK
    )
    install({"plug_early": source})
    there = ModuleType("host_app")
    hosts: list[Any] = []
    there.__dict__["load"] = lambda: load_entrypoints(hosts[-1], "host", lazy=True)
    monkeypatch.setitem(sys.modules, "host_app", there)
    for _ in range(2):
        hosts.append(host())
        __import__("plug_early")
        assert hosts[-1].hook.greet(who="you", loud=True) == [1]
        assert hosts[-1].hook.pick(number=1) is None
        forget_plugins()
    there.__dict__["load"] = int
    pm = learned_pm()
    assert imported() == set()
    assert pm.hook.pick(number=1) == 1


def test_threads_that_call_a_hook_at_once_import_a_plugin_once(
    install: Install,
) -> None:
    source = """
        import time
        sys.plug_count = getattr(sys, "plug_count", 0) + 1
        time.sleep(0.05)
        @hookimpl
        def greet(who): return who
        """
    install({"plug_slow": source})
    pm = learned_pm()
    before = vars(sys).pop("plug_count")
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda n: pm.hook.greet(who=n, loud=True), range(8)))
    assert found == [[n] for n in range(8)]
    assert (before, vars(sys).pop("plug_count")) == (1, 1)


def test_an_exception_of_a_hook_passes_through_wrappers_to_the_host(
    install: Install,
) -> None:
    install(
        {
            "plug_raises": "@hookimpl\ndef greet(): raise LookupError('gone')\n",
            "plug_saves": "@hookimpl(wrapper=True)\ndef greet():\n    try:\n"
            "        return (yield)\n    except LookupError as e:\n"
            "        return [f'saved {e.args[0]}']\n",
        }
    )
    pm = learned_pm()
    assert pm.hook.greet(who="you", loud=True) == ["saved gone"]
    pm.unregister(name="saves")
    with pytest.raises(LookupError, match="gone"):
        pm.hook.greet(who="you", loud=True)


@pytest.mark.parametrize("policy", [None, "warn", "ignore", "error"])
def test_a_learned_plugin_whose_import_fails_is_handled_by_the_failure_policy(
    install: Install, caplog: pytest.LogCaptureFixture, policy: str | None
) -> None:
    needs = "import plug_needed\n"
    install(
        {
            "plug_needs": f"{needs}{PICK}{PLUGINS['plug_first']}",
            "plug_wraps": needs + textwrap.dedent(PLUGINS["plug_wrapper"]),
            "plug_forces": needs + textwrap.dedent(PLUGINS["plug_old"]),
            "plug_hist": f"{needs}@hookimpl\ndef began(at): return at\n",
            "plug_needed": "",
            "plug_last": PLUGINS["plug_last"],
        },
        "needs = plug_needs\nwraps = plug_wraps\nforces = plug_forces\n"
        "hist = plug_hist\nlast = plug_last\n",
    )
    learned_pm()
    forget_plugins()
    sys.modules["plug_needed"] = None  # type: ignore[assignment]
    pm = host()
    load_entrypoints(pm, "host", lazy=True, on_failure=policy)  # type: ignore[arg-type]
    assert imported() == {"plug_needed"}
    if policy == "error":
        with pytest.raises(ModuleNotFoundError, match="plug_needed") as caught:
            pm.hook.pick(number=1)
        assert "declared by plugs 1.0" in "".join(caught.value.__notes__)
        with pytest.raises(ModuleNotFoundError, match="plug_needed"):
            pm.hook.greet(who="you", loud=True)
        return
    found: list[object] = []
    for _ in range(2):
        assert pm.hook.pick(number=1) is None
        assert pm.hook.greet(who="you", loud=True) == ["last"]
        pm.hook.began.call_historic(found.append, {"at": 5})
    assert found == []
    names = ("needs", "wraps", "forces", "hist")
    for name in names:
        failed = f"entry point '{name} = plug_{name}' of .* could not be loaded: "
        times = len(re.findall(failed, caplog.text))
        assert times == (policy != "ignore"), name
    # Direct access raises the error, whatever the policy.
    with pytest.raises(ModuleNotFoundError, match="plug_needed"):
        pm.get_plugin("needs").__doc__  # noqa: B018
    assert len(caplog.records) == (len(names) if policy != "ignore" else 0)


def test_an_exception_raised_in_a_hook_is_not_an_import_failure(
    install: Install, caplog: pytest.LogCaptureFixture
) -> None:
    install({"plug_raises": "@hookimpl\ndef greet(): import plug_nowhere\n"})
    pm = learned_pm()
    with pytest.raises(ModuleNotFoundError, match="plug_nowhere"):
        pm.hook.greet(who="you", loud=True)
    assert not caplog.records


# ------------------------------------------------------------- eager where it matters


@pytest.mark.parametrize("module", EAGER)
def test_a_plugin_that_depends_on_more_than_its_source_is_imported_at_once(
    install: Install, module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    install({module: EAGER[module], **BELOW}, f"x = {module}")
    learned_pm()
    assert module in imported()
    monkeypatch.setenv("PLUG_ON", "1")
    stock, ours = host(), host()
    forget_plugins()
    stock.load_setuptools_entrypoints("host")
    forget_plugins()
    load_entrypoints(ours, "host", lazy=True)
    assert state_of(ours) == state_of(stock)


def test_a_plugin_that_is_not_a_module_is_imported_at_once(
    install: Install,
) -> None:
    text = (
        "class P:\n    @hookimpl\n    def greet(self): return 'object'\nplugin = P()\n"
    )
    install({"plug_object": text}, "object = plug_object:plugin\n")
    pm = learned_pm()
    assert type(pm.get_plugin("object")).__name__ == "P"
    assert pm.hook.greet(who="you", loud=True) == ["object"]


@pytest.mark.parametrize("method", ["register", "parse_hookimpl_opts"])
def test_a_host_that_inspects_plugins_itself_cannot_be_lazy(
    install: Install, method: str
) -> None:
    install(PLUGINS)

    def own(self: Any, *args: Any, **kwargs: Any) -> Any:
        return getattr(pluggy.PluginManager, method)(self, *args, **kwargs)

    manager = type("Manager", (pluggy.PluginManager,), {method: own})
    with pytest.raises(
        TypeError, match=rf"Manager overrides {method}\(\), which inspects"
    ):
        load_entrypoints(host(manager), "host", lazy=True)
    assert load_entrypoints(host(manager), "host") == len(PLUGINS)


def test_pytest_cannot_be_lazy(pytestconfig: pytest.Config) -> None:
    with pytest.raises(TypeError, match=r"PytestPluginManager overrides register\(\)"):
        load_entrypoints(pytestconfig.pluginmanager, "host", lazy=True)


# ---------------------------------------------------------------- what is remembered


def test_an_edited_plugin_is_learned_again(install: Install) -> None:
    directory = install({"plug_plain": PLUGINS["plug_plain"], "plug_package": PACKAGE})
    learned_pm()
    forget_plugins()
    text = "@hookimpl\ndef pick(): return 'edited'\n"
    (directory / "plug_plain.py").write_text(HEAD + text, encoding="utf-8")
    below = PACKAGE["hooks.py"].replace("def greet()", "def greet(who)")
    plant(directory / "plug_package", {"hooks.py": below})
    pm = host()
    load_entrypoints(pm, "host", lazy=True)
    assert imported() == {"plug_plain", "plug_package", "plug_package.hooks"}
    assert pm.hook.pick(number=1) == "edited"
    (impl,) = pm.hook.greet.get_hookimpls()
    assert impl.argnames == ("who",)


def test_a_plugin_that_gains_its_first_hook_is_lazy_from_the_next_load(
    install: Install,
) -> None:
    directory = install({"plug_bare": EAGER["plug_bare"]})
    learned_pm()
    assert imported() == {"plug_bare", "plug_patched"}
    text = HEAD + PLUGINS["plug_plain"]
    (directory / "plug_bare.py").write_text(text, encoding="utf-8")
    forget_plugins()
    pm = learned_pm()
    assert imported() == set()
    assert pm.hook.greet(who="you", loud=True) == ["hello you"]


def test_nothing_is_remembered_about_files_newer_than_the_process(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    install({"plug_plain": PLUGINS["plug_plain"]})
    monkeypatch.setattr(integration, "_BEGAN", time.time_ns())
    pm = learned_pm()
    assert imported() == {"plug_plain"}
    assert pm.hook.greet(who="you", loud=True) == ["hello you"]


def test_a_host_with_new_hook_specifications_checks_plugins_for_them(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    class More:
        @hookspec
        def farewell(self) -> object:
            """Say good-bye."""

    source = f"{PICK}if ON:\n    from plug_more import farewell\n"
    install(
        {"plug_old": source, "plug_more": "@hookimpl\ndef farewell(): return 'bye'\n"},
        "old = plug_old\n",
    )
    learned_pm()
    assert imported() == set()
    monkeypatch.setenv("PLUG_ON", "1")
    pm = host()
    pm.add_hookspecs(More)
    load_entrypoints(pm, "host", lazy=True)
    assert pm.hook.farewell() == ["bye"]


def test_hosts_with_other_project_names_learn_separately(
    install: Install,
) -> None:
    install({"plug_plain": PLUGINS["plug_plain"]})
    learned_pm()
    forget_plugins()
    other = pluggy.PluginManager("other")
    load_entrypoints(other, "host", lazy=True)
    assert imported() == {"plug_plain"}
    assert other.get_hookcallers(other.get_plugin("plain")) == []


ALL_OFF = {**dict.fromkeys(integration._OPTIONS, False), "specname": None}


@pytest.mark.parametrize(
    "damage",
    [
        "text",
        [[["greet"]], []],
        [[["greet", ["a b"], [], {}]], []],
        [[["import os", [], [], {}]], []],
        [[["greet", ["who"], [], {"tryfirst": True}]], []],
        [[[1, 2, 3, 4]], []],
        [[["greet", [], [], {}]]],
        [[["class", [], [], ALL_OFF]], []],
        [[["greet", ["def"], [], ALL_OFF]], []],
        [[["greet", ["who"], ["who"], ALL_OFF]], []],
        [[["greet", [1], [], ALL_OFF]], []],
        [[], [1]],
        {"a": 1},
        None,
    ],
)
def test_malformed_facts_are_ignored_and_the_plugin_is_imported(
    install: Install, damage: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    install({"plug_plain": PLUGINS["plug_plain"]})
    monkeypatch.setattr(learned.LearnedFacts, "recall", lambda *_: damage)
    pm = host()
    load_entrypoints(pm, "host", lazy=True)
    assert imported() == {"plug_plain"}
    assert pm.hook.greet(who="you", loud=True) == ["hello you"]


def test_a_plugin_with_unexpected_hooks_is_logged_and_then_imported_eagerly(
    install: Install,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # A function of another module, which nothing of the source shows, takes it away.
    text = "import plug_other\n" + PLUGINS["plug_plain"] + "plug_other.done()\n"
    other = "import os, sys\ndef done():\n    if 'PLUG_ON' in os.environ:\n"
    other += "        del sys.modules['plug_plain'].greet\n"
    install({"plug_plain": text, "plug_other": other}, "plain = plug_plain\n")
    pm = learned_pm()
    assert imported() == set()
    monkeypatch.setenv("PLUG_ON", "1")
    with pytest.raises(AttributeError, match="greet"):
        pm.hook.greet(who="you", loud=True)
    assert "plug_plain has other hooks than its source shows" in caplog.text
    forget_plugins()
    load_entrypoints(host(), "host", lazy=True)
    assert "plug_plain" in imported()
