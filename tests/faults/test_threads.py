"""Access plugins from many threads, in circles, in forks, and interrupted.

Each try is a process of its own, so that a deadlock is counted and does not stop the
tests.
"""

import importlib
import logging
import os
import random
import signal
import sys
import tempfile
import threading
import time
import traceback
import types
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

import lazyplug
from lazyplug import (
    CircularLoad,
    EnabledExtensionManager,
    ExtensionManager,
    _calling,
    _environment,
    _index,
)
from lazyplug.testing import Tree, dist, plant
from tests.support.attempts import (
    ANSWER,
    HANG,
    LIBRARY,
    Outcome,
    attempt,
    call_in_fresh_process,
    count_outcome,
)
from tests.support.clock import LATER
from tests.support.fixtures import Count
from tests.support.fs import fs
from tests.support.tally import Tally

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="forks processes"),
    pytest.mark.timeout(1200),
]
# Seconds after which Python switches to another thread, up to the default.
SWITCHES = [1e-6, 1e-5, 1e-4, 5e-3]
# Seconds after which a try is a deadlock. No plan takes a tenth of that.
STUCK = 15


def plant_plugins(root: str, tree: Tree, **options: Any) -> "ExtensionManager[Any]":
    """Create plugins, the only ones on `sys.path`; return their manager."""
    directory = plant(Path(tempfile.mkdtemp(dir=root)), tree)
    os.environ["LAZYPLUG_CACHE_DIR"] = str(directory / "cache")
    sys.path[:] = [str(directory), *LIBRARY]
    sys.dont_write_bytecode = True
    logging.getLogger("lazyplug").addHandler(logging.NullHandler())
    return ExtensionManager[Any]("g", **options)


def points(values: "dict[str, str]") -> str:
    """Return an entry_points.txt that declares the group g."""
    return "\n".join(["[g]", *[f"{name} = {at}" for name, at in values.items()], ""])


def run_in_threads(*functions: Callable[[], Any]) -> list[Any]:
    """Call each function in a thread; return their results or exceptions."""
    found: list[Any] = [None] * len(functions)
    start = threading.Barrier(len(functions))

    def run(at: int) -> None:
        start.wait()
        try:
            found[at] = functions[at]()
        except Exception as error:
            found[at] = error

    threads = [threading.Thread(target=run, args=(at,)) for at in range(len(found))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def tries(function: str, root: str, first: int, number: int) -> list[Outcome]:
    """Call a function of this file with several seeds, each in a child process.

    Stop when three have hung.
    """
    tried, hangs = globals()[function], 0
    found: list[Outcome] = []
    for seed in range(first, first + number):
        outcome = attempt(partial(tried, root, seed), STUCK)
        found.append(outcome)
        hangs += outcome[0] == HANG
        if hangs == 3:
            break
    return found


def count_tries(
    count: Tally,
    function: Callable[..., Any],
    root: Path,
    number: int,
    truth: Any,
) -> int:
    """Count tries with this many seeds, a hundred in each process.

    Return how often the moment that a function aims at was hit, if it reports that.
    """
    hits = 0
    for first in range(0, number, 100):
        here = min(100, number - first)
        found = call_in_fresh_process(tries, function.__name__, str(root), first, here)
        for seed, (kind, answer) in enumerate(found, first):
            if isinstance(answer, dict):
                hits += answer["hits"]
                answer = answer["found"]
            count_outcome(count, (kind, answer), truth, f"{function.__name__} {seed}")
    return hits


# ---------------------------------------------------------------------------- circles


class Plan:
    """Plugins whose import and call access others, and threads that access them.

    A step is the kind of access, and the number of the plugin.
    """

    def __init__(self, seed: int) -> None:
        some = random.Random(seed)  # noqa: S311
        self.plugins = some.randint(1, 6)
        self.guarded = some.random() < 0.7
        kinds = some.choice([["plugin"], ["obj"], ["plugin", "obj", "import", "sleep"]])
        self.imports = [self._steps(some, kinds, 3) for _ in range(self.plugins)]
        calling = some.choice([[], ["plugin"], ["plugin", "obj", "import", "sleep"]])
        self.calls = [self._steps(some, calling, 2) for _ in range(self.plugins)]
        self.packed = [some.random() < 0.3 for _ in self.imports]
        defined = ["before", "after", "other"]
        self.defined = [some.choice(defined) for _ in self.imports]
        self.threads = [
            self._steps(some, ["plugin", "obj"], 4, 1)
            for _ in range(some.randint(1, 8))
        ]
        self.switch = some.choice(SWITCHES)
        self.pause = some.choice([0, 0, 0.0005, 0.003])

    def _steps(
        self, some: random.Random, kinds: "list[str]", most: int, least: int = 0
    ) -> "list[tuple[str, int]]":
        return [
            (some.choice(kinds), some.randrange(self.plugins))
            for _ in range(some.randint(least, most) if kinds else 0)
        ]


class Host:
    """The host of the plugins of a plan, which accesses them as the plan says."""

    def __init__(self, root: str, plan: Plan) -> None:
        self.plan = plan
        self.began: list[int] = [0] * plan.plugins
        self.faults: list[str] = []
        inner = [".inner" * packed for packed in plan.packed]
        self.modules = [f"plug_{i}{inner[i]}" for i in range(plan.plugins)]
        values = {f"x{i}": f"{name}:Plugin" for i, name in enumerate(self.modules)}
        tree: dict[str, Any] = {**dist("plug", "1.0", points(values))}
        for i, packed in enumerate(plan.packed):
            if packed:
                tree[f"plug_{i}"] = {"__init__.py": self.source(i, 0, 1)}
                tree[f"plug_{i}"]["inner.py"] = self.source(i, 1)
            else:
                tree[f"plug_{i}.py"] = self.source(i)
        manager = plant_plugins(root, tree, invoke_on_load=True)
        sys.modules["plug_host"] = types.ModuleType("plug_host")
        sys.modules["plug_host"].host = self  # type: ignore[attr-defined]
        self.extensions = [manager[name] for name in values]
        self.right = [self.plugin(i) for i in range(plan.plugins)]

    def source(self, i: int, begin: int = 0, end: "int | None" = None) -> str:
        """Return the source of a plugin, with some of its steps."""
        lines = ["from plug_host import host"]
        if self.plan.defined[i] == "before":
            lines.append(f"Plugin = host.right[{i}]")
        elif self.plan.defined[i] == "other":
            lines.append(f"Plugin = host.early({i})")
        lines += [
            f"host.step({kind!r}, {j})" for kind, j in self.plan.imports[i][begin:end]
        ]
        return "\n".join([*lines, f"Plugin = host.right[{i}]\n"])

    def plugin(self, i: int) -> Callable[[], Any]:
        """Return the plugin with this number."""

        def call() -> tuple[str, int]:
            self.began[i] += 1
            for kind, j in self.plan.calls[i]:
                self.step(kind, j)
            return "object", i

        return call

    @staticmethod
    def early(i: int) -> Callable[[], Any]:
        """Return the value of `Plugin` until the module is imported completely."""
        return lambda: ("early", i)

    def step(self, kind: str, i: int) -> None:
        """Do one step of the import or the call of a plugin."""
        if self.plan.pause:
            time.sleep(random.uniform(0, self.plan.pause))  # noqa: S311
        try:
            if kind == "import":
                __import__(self.modules[i])
            elif kind != "sleep":
                self.access(kind, i)
        except Exception:
            if not self.plan.guarded:
                raise

    def access(self, kind: str, i: int) -> Any:
        """Access an extension; record a result or an error that must not come."""
        try:
            found = getattr(self.extensions[i], kind)
        except Exception as error:
            if not is_circular(error):
                self.faults.append(f"{kind} {i}: {error!r}")
            raise
        if kind == "obj" and found != ("object", i):
            self.faults.append(f"{kind} {i}: {found}")
        return found

    def try_access(self, kind: str, i: int) -> Any:
        """Access an extension; return None if that raises an exception."""
        try:
            return self.access(kind, i)
        except Exception:
            return None

    def thread(self, steps: "list[tuple[str, int]]") -> None:
        """Do the steps of a thread."""
        for kind, i in steps:
            self.try_access(kind, i)

    def find_right(self) -> "set[str]":
        """Access all until nothing changes; return the accesses that are right then."""
        found = set()
        for _ in range(self.plan.plugins + 2):
            for i, right in enumerate(self.right):
                for kind, wanted in (("plugin", right), ("obj", ("object", i))):
                    if self.try_access(kind, i) == wanted:
                        found.add(f"{kind} {i}")
        return found


def is_circular(error: BaseException) -> bool:
    """Return True if an error says that it is about a circle."""
    return (
        isinstance(error, CircularLoad)
        or type(error).__name__ == "_DeadlockError"
        or "partially initialized" in str(error)
    )


def run_plan(root: str, seed: int) -> Any:
    """Carry out a plan; return what is wrong.

    That includes every access that is right if one thread makes all of them, but not
    here.
    """
    plan = Plan(seed)
    alone = Host(root, plan).find_right()
    for name in [name for name in sys.modules if name.startswith("plug_")]:
        del sys.modules[name]
    host = Host(root, plan)
    sys.setswitchinterval(plan.switch)
    run_in_threads(*[partial(host.thread, steps) for steps in plan.threads])
    missing = alone.difference(host.find_right())
    faults = [*host.faults, *[f"{what} is missing" for what in missing]]
    if plan.guarded:
        faults += [f"called {i}: {n} times" for i, n in enumerate(host.began) if n > 1]
    return sorted(set(faults))


def test_plugins_that_access_each_other_in_circles_never_deadlock(
    tmp_path: Path, long: bool, tally: Count
) -> None:
    with tally("plugins access each other in circles, from many threads") as count:
        count_tries(count, run_plan, tmp_path, 3000 if long else 30, [])


def import_in_a_call(root: str, seed: int) -> Any:
    """Let a call import what another thread imports, which waits for the call."""
    guarded, access = seed % 2, "host.x.obj"
    if guarded:
        access = (
            f"try:\n    {access}\nexcept RuntimeError as e:\n    host.error = str(e)"
        )
    manager = plant_plugins(
        root,
        {
            "plug_host.py": "import threading\n"
            "in_call, in_import = threading.Event(), threading.Event()\n"
            "error, imports = '', 0\n",
            "plug_a.py": "import plug_host as host\n"
            "def Plugin():\n"
            "    host.in_call.set()\n"
            "    host.in_import.wait()\n"
            "    import plug_b\n"
            "    return 'a'\n",
            "plug_b.py": "import plug_host as host\n"
            "host.imports += 1\n"
            "host.in_import.set()\n"
            f"host.in_call.wait()\n{access}\nPlugin = 'b'\n",
            **dist("plug", "1", points({"x": "plug_a:Plugin", "y": "plug_b:Plugin"})),
        },
        invoke_on_load=True,
    )
    host = importlib.import_module("plug_host")
    host.x, y = manager["x"], manager["y"]  # type: ignore[attr-defined]
    found = run_in_threads(lambda: host.x.obj, lambda: y.plugin)
    error = host.error if guarded else str(found.pop())
    names_circle = "x -> the import of plug_b -> x" in error
    # Python imports a module again when the import that it waited for has failed, since
    # 3.14. Here, that import accesses the extension whose call waits for it.
    if host.imports == 2 and not guarded and is_circular(found[0]):
        found[0] = "a"
    return [found[0], names_circle, y.plugin, host.x.obj]


def test_a_call_and_an_import_that_wait_for_each_other_raise_an_error(
    tmp_path: Path, long: bool, tally: Count
) -> None:
    with tally("a call imports what another thread imports") as count:
        truth = ["a", True, "b", "a"]
        count_tries(count, import_in_a_call, tmp_path, 100 if long else 2, truth)


# How a plugin imports another one in a circle: the import system returns the partial
# module, or raises its deadlock error.
IMPORTS = [
    "from plug_a import Plugin\n",
    "import importlib\nimportlib.import_module('plug_a')\nPlugin = 'a'\n",
]


def classify_late(root: str, seed: int) -> Any:
    """Classify a failure in a circle of imports only when the circle has ended."""
    manager = plant_plugins(
        root,
        {
            "plug_host.py": "import threading\n"
            "a_inside, b_inside = threading.Event(), threading.Event()\n",
            "plug_a.py": "import plug_host as host\n"
            "host.a_inside.set()\nhost.b_inside.wait()\n"
            "try:\n    import plug_b\nexcept (ImportError, RuntimeError):\n    pass\n"
            "Plugin = 'a'\n",
            "plug_b.py": "import sys, time, plug_host as host\n"
            "host.b_inside.set()\nhost.a_inside.wait()\ntime.sleep(0.1)\n"
            + IMPORTS[seed % 2],
            **dist("plug", "1", points({"x": "plug_a:Plugin", "y": "plug_b:Plugin"})),
        },
    )
    from lazyplug._faults import failed_loads

    over = threading.Event()
    is_transient = failed_loads.is_transient

    def late(error: BaseException) -> bool:
        over.wait()
        return is_transient(error)

    failed_loads.is_transient = late

    def access_x() -> Any:
        try:
            return manager["x"].plugin
        finally:
            over.set()

    found = run_in_threads(access_x, lambda: manager["y"].plugin)
    # Since 3.15, importlib.import_module returns the partial module as well.
    returns = sys.version_info >= (3, 15) and seed % 2 and found[1] == "a"
    return [found[0], returns or is_circular(found[1]), manager["y"].plugin]


def access_unfinished(root: str, _: int) -> Any:
    """Let a plugin access itself before its object is defined."""
    source = (
        "import plug_host as host\nPlugin = None\n"
        "try:\n    host.x.plugin\n"
        "except AttributeError as e:\n    host.error = str(e)\n"
        "class Plugin:\n    real = 7\n"
    )
    tree = {"plug.py": source, "plug_host.py": ""}
    tree.update(dist("plug", entry_points=points({"x": "plug:Plugin.real"})))
    x = plant_plugins(root, tree)["x"]
    host = importlib.import_module("plug_host")
    host.x = x  # type: ignore[attr-defined]
    found = x.plugin
    return [host.error, x.load_error, found]


def test_a_failure_in_a_circle_is_not_remembered_when_the_circle_has_ended(
    tmp_path: Path, long: bool, tally: Count
) -> None:
    with tally("a load meets a module that is still being imported") as count:
        truth = ["a", True, "a"]
        count_tries(count, classify_late, tmp_path, 100 if long else 2, truth)
        truth = ["'NoneType' object has no attribute 'real'", None, 7]
        count_tries(count, access_unfinished, tmp_path, 1, truth)


# -------------------------------------------------------------------- many threads

SLOW = """
import time
made = []
time.sleep({pause})
class Plugin:
    def __init__(self):
        made.append(self)
        time.sleep({pause})
"""


def access_first(root: str, seed: int) -> Any:
    """Let 64 threads make the first query, the first import and the first call."""
    some = random.Random(seed)  # noqa: S311
    sys.setswitchinterval(some.choice(SWITCHES))
    source = SLOW.format(pause=some.choice([0, 0.001, 0.01]))
    shared = plant_plugins(
        root,
        {"plug.py": source, **dist("plug", entry_points=points({"x": "plug:Plugin"}))},
        invoke_on_load=True,
    )["x"]
    lazyplug.invalidate_caches()
    if some.random() < 0.5:
        os.environ["LAZYPLUG_CACHE"] = "off"

    def access() -> Any:
        own = ExtensionManager[Any]("g", invoke_on_load=True)["x"]
        kinds = ["plugin", "obj"]
        some.shuffle(kinds)
        results = {kind: getattr(own, kind) for kind in kinds}
        return own.obj is results["obj"], results["plugin"], shared.plugin, shared.obj

    found = run_in_threads(*[access] * 64)
    module = sys.modules["plug"]
    return [
        [error for error in map(repr, found) if error.startswith(("Ex", "Err"))],
        {same for same, *_ in found} == {True},
        {plugin for each in found for plugin in each[1:3]} == {module.Plugin},
        len({each[3] for each in found}),
        len(module.made),  # each thread's own, and the one that they share
    ]


def test_64_threads_with_a_first_access_get_one_plugin_and_one_object(
    tmp_path: Path, long: bool, tally: Count
) -> None:
    with tally("64 threads access an extension at the same time") as count:
        truth = [[], True, True, 1, 65]
        count_tries(count, access_first, tmp_path, 300 if long else 10, truth)


def share_index(root: str, seed: int) -> Any:
    """Let threads read one index in memory, while the host opens files of its own."""
    some = random.Random(seed)  # noqa: S311
    sys.setswitchinterval(some.choice(SWITCHES))
    lines = "".join(f"[g{n}]\nx = m:f{n}\n" for n in range(20))
    plant_plugins(root, dist("plug", entry_points=lines))
    # No stat signature is racy by this clock, so nothing is scanned.
    fs.clock = lambda: time.time_ns() + LATER
    lazyplug.refresh()
    faults = []
    rounds = threading.Barrier(8)

    def read() -> None:
        for n in range(100):
            if rounds.wait() == 0:
                lazyplug.invalidate_caches()
                _environment.current()
            rounds.wait()
            for group in (n % 20, (n + 7) % 20):
                try:
                    found = [row[1] for row, _ in _environment.rows(f"g{group}")]
                    if found != [f"m:f{group}"]:
                        faults.append(str(found))
                except Exception as error:
                    faults.append(repr(error))

    def host() -> None:
        while reading:
            read, write = os.pipe()
            try:
                os.write(write, b"x")
                if os.read(read, 1) != b"x":
                    faults.append("read from the host's file")
                os.close(read)
                os.close(write)
            except OSError as error:
                faults.append(f"in the host: {error!r}")

    reading = [True]
    host_thread = threading.Thread(target=host)
    host_thread.start()
    run_in_threads(*[read] * 8)
    reading.clear()
    host_thread.join()
    return sorted(set(faults))


def test_threads_that_share_an_index_do_not_close_each_others_files(
    tmp_path: Path, long: bool, tally: Count
) -> None:
    with tally("threads read the same index") as count:
        count_tries(count, share_index, tmp_path, 100 if long else 3, [])


# --------------------------------------------- a plugin that accesses its own extension

ACCESSES = {
    "plugin": "host.x.plugin",
    "obj": "host.x.obj",
    "manager": "m = ExtensionManager('g'); m.names(); m['x'].plugin",
    "map": "ExtensionManager('g').map(lambda extension: extension.plugin)",
    "eager": "ExtensionManager('g', invoke_on_load=True, lazy=False)",
    "driver": "DriverManager('g', 'x', invoke_on_load=True).driver",
    "names": "ExtensionManager('g', lazy=True).names()",
}


ACCESS = """
import plug_host as host
from lazyplug import DriverManager, ExtensionManager
def access():
    try:
        {}
    except (AttributeError, RuntimeError) as error:
        host.errors.append(error)
"""
DEFINE = """
def Plugin():
    {}
    return 7
"""


def access_itself(root: str, seed: int) -> Any:
    """Let a plugin access itself while it is imported, and while it is called."""
    access = [*ACCESSES][seed % len(ACCESSES)]
    some = random.Random(seed)  # noqa: S311
    sys.setswitchinterval(some.choice(SWITCHES))
    # Accesses that create a manager would do so in each call, and never end.
    define = DEFINE.format("access()" if access in {"plugin", "obj"} else "pass")
    begin = ACCESS.format(ACCESSES[access])
    orders = [begin + "access()\n" + define, begin + define + "access()\n"]
    manager = plant_plugins(
        root,
        {
            "plug_host.py": "errors = []\n",
            "plug.py": some.choice(orders),
            **dist("plug", entry_points=points({"x": "plug:Plugin"})),
        },
        invoke_on_load=True,
    )
    host = importlib.import_module("plug_host")
    host.x = x = manager["x"]  # type: ignore[attr-defined]
    found = run_in_threads(*[lambda: (x.obj, x.plugin)] * some.choice([1, 8]))
    others = [repr(error) for error in host.errors if not is_circular(error)]
    plugin = sys.modules["plug"].Plugin
    return [others, {*found} == {(7, plugin)}, x.load_error, x.obj, x.plugin is plugin]


def test_a_plugin_that_accesses_itself_loads_in_the_end(
    tmp_path: Path, long: bool, tally: Count
) -> None:
    with tally("a plugin accesses its own extension, or its manager") as count:
        truth = [[], True, None, 7, True]
        number = len(ACCESSES) * (100 if long else 2)
        count_tries(count, access_itself, tmp_path, number, truth)


# ------------------------------------------------------------------- failing loads

FAILING = {
    "plugin": "Plugin = 'of a module that failed'\n"
    "time.sleep({pause})\nraise OSError('no device')\n",
    "obj": "def Plugin():\n    time.sleep({pause})\n    raise OSError('no device')\n",
}


def access_failing(root: str, seed: int) -> Any:
    """Let threads access a failing plugin repeatedly."""
    kind = [*FAILING][seed % 2]
    some = random.Random(seed)  # noqa: S311
    sys.setswitchinterval(some.choice(SWITCHES))
    source = "import time\n" + FAILING[kind].format(pause=some.choice([0, 0.001, 0.01]))
    x = plant_plugins(
        root,
        {"plug.py": source, **dist("plug", entry_points=points({"x": "plug:Plugin"}))},
        invoke_on_load=True,
    )["x"]

    def access() -> Any:
        time.sleep(some.choice([0, 0.001, 0.003]))
        results = []
        for _ in range(5):
            try:
                results.append(getattr(x, kind))
            except OSError as error:
                results.append(error)
        return results

    def length() -> int:
        try:
            getattr(x, kind)
        except OSError as error:
            return len(traceback.extract_tb(error.__traceback__))
        return 0

    found = run_in_threads(*[access] * 16)
    errors = {id(error): error for each in found for error in each}
    (error,) = errors.values()
    lengths = {length() for _ in range(5)}
    return [str(error), error is x.load_error, len(lengths), len(error.__notes__)]


def test_threads_that_access_a_failing_plugin_get_one_error(
    tmp_path: Path, long: bool, tally: Count
) -> None:
    with tally("a load or a call fails under threads") as count:
        truth = ["no device", True, 1, 1]
        count_tries(count, access_failing, tmp_path, 1000 if long else 10, truth)


# ----------------------------------------------------------------------------- forks


def fork_in_threads(root: str, seed: int) -> Any:
    """Fork while threads query, import and call; access all plugins in the child."""
    some = random.Random(seed)  # noqa: S311
    warnings.simplefilter("ignore")
    sys.setswitchinterval(some.choice(SWITCHES))
    pause = some.choice([0.0005, 0.002])
    names = [f"x{i}" for i in range(6)]
    tree: dict[str, Any] = {
        "plug_below.py": f"import time\ntime.sleep({pause})\n"
        f"def below(i):\n    return lambda: (time.sleep({pause}), i)[1]\n"
    }
    for i in range(6):
        tree[f"plug_{i}.py"] = (
            "import time\nfrom plug_below import below\n"
            f"time.sleep({pause})\nPlugin = below({i})\n"
        )
    values = {f"x{i}": f"plug_{i}:Plugin" for i in range(6)}
    tree.update(dist("plug", entry_points=points(values)))
    manager = plant_plugins(root, tree, invoke_on_load=True)

    def access_all() -> list[Any]:
        order = names[:]
        random.shuffle(order)
        found = {name: manager[name].obj for name in order}
        lazyplug.invalidate_caches()
        other = ExtensionManager[Any]("g")
        return [found[name] for name in names if other[name].plugin() == found[name]]

    def access_in_child() -> Any:
        # In a thread that may have the id of one that is gone, or in the main thread.
        return run_in_threads(access_all)[0] if seed % 2 else access_all()

    threads = [threading.Thread(target=access_all) for _ in range(4)]
    for thread in threads:
        thread.start()
    time.sleep(some.uniform(0, 12 * pause))
    hits = any(thread.is_alive() for thread in threads)
    child = attempt(access_in_child, STUCK / 3)
    for thread in threads:
        thread.join()
    return {"hits": hits, "found": [child, access_all()]}


def test_a_child_that_is_forked_while_threads_load_can_load(
    tmp_path: Path, long: bool, tally: Count
) -> None:
    with tally("a fork while other threads load and call") as count:
        every = list(range(6))
        truth = [[ANSWER, every], every]
        hits = count_tries(
            count, fork_in_threads, tmp_path, 1000 if long else 15, truth
        )
        # Otherwise hardly any fork happened while a thread was at work.
        assert hits > count.tries / 2


REPLACEMENT = """
import sys, time
class Odd:
    def {}
sys.modules[__name__] = Odd()
time.sleep(1)
"""
ODD = [
    "__getattr__(self, name): raise KeyError(name)",
    "__getattribute__(self, name): raise SystemExit(name)",
]


def fork_during_odd_import(root: str, method: str) -> Any:
    """Fork while other threads import a replaced module, and then a plain one."""
    files = {
        "plug_odd.py": REPLACEMENT.format(method),
        "plug_plain.py": "import time\ntime.sleep(1)\n",
    }
    values = {"odd": "plug_odd", "plain": "plug_plain"}
    manager = plant_plugins(
        root, {**files, **dist("plug", entry_points=points(values))}
    )
    threads = []
    for name in values:
        threads.append(threading.Thread(target=getattr, args=(manager[name], "plugin")))
        threads[-1].start()
        while f"plug_{name}" not in sys.modules:
            time.sleep(0.01)
    time.sleep(0.2)
    child = attempt(lambda: manager["plain"].plugin.__name__, STUCK / 3)
    for thread in threads:
        thread.join()
    return child


@pytest.mark.parametrize("method", ODD)
def test_an_error_of_a_replaced_module_leaves_no_lock_in_a_forked_child(
    method: str, tmp_path: Path
) -> None:
    found = call_in_fresh_process(fork_during_odd_import, str(tmp_path), method)
    assert found == [ANSWER, "plug_plain"]


FORKING = """
import os, plug_host
calls = []
def Plugin():
    calls.append(os.getpid())
    for _ in range({}):
        child = os.fork()
        if child:
            os.waitpid(child, 0)
            break
    else:
        plug_host.ask()
    return len(calls)
"""


def fork_in_a_call(root: str, times: int) -> Any:
    """Call a plugin that forks, and in the last child accesses its own `.obj`."""
    manager = plant_plugins(
        root,
        {
            "plug_host.py": "",
            "plug.py": FORKING.format(times),
            **dist("plug", entry_points=points({"x": "plug:Plugin"})),
        },
        invoke_on_load=True,
    )
    read, write = os.pipe()
    x = manager["x"]

    def ask() -> None:
        try:
            x.obj  # noqa: B018
        except CircularLoad:
            os.write(write, b"circular")
        os.write(write, b" %d" % len(sys.modules["plug"].calls))
        os._exit(0)

    importlib.import_module("plug_host").ask = ask  # type: ignore[attr-defined]
    first = os.getpid()
    x.obj  # noqa: B018
    if os.getpid() != first:
        os._exit(0)
    return os.read(read, 99).decode()


@pytest.mark.parametrize("times", [1, 2])
def test_a_plugin_whose_call_forks_is_not_called_again_in_the_child(
    times: int, tmp_path: Path
) -> None:
    assert call_in_fresh_process(fork_in_a_call, str(tmp_path), times) == "circular 1"


# --------------------------------------------------------------- KeyboardInterrupt


def interrupt(root: str, seed: int) -> Any:
    """Interrupt loads or calls, while other threads access the same extensions."""
    kind = ["plugin", "obj"][seed % 2]
    some = random.Random(seed)  # noqa: S311
    sys.setswitchinterval(some.choice(SWITCHES))
    number = 40
    source = "total = sum(range(2000))\ndef Plugin():\n    return sum(range(5000))\n"
    files = {f"plug_{i}.py": source for i in range(number)}
    values = {f"x{i}": f"plug_{i}:Plugin" for i in range(number)}
    tree = {**files, **dist("plug", entry_points=points(values))}
    manager = plant_plugins(root, tree, invoke_on_load=True)
    right = sum(range(5000))
    faults = []
    hits = 0
    once = 0.0
    signal.signal(signal.SIGALRM, signal.default_int_handler)
    # Python only reports an interrupt while the import system releases a lock.
    sys.unraisablehook = lambda _: None
    for i, x in enumerate(manager):
        if kind == "obj":
            x.plugin  # noqa: B018
        # Other threads only call: if they imported, and were interrupted, Python's own
        # locks could stay locked.
        others = [threading.Thread(target=getattr, args=(x, "obj"))] * (i % 2)
        if kind == "obj":
            for other in others:
                other.start()
        began = time.perf_counter()
        try:
            if i > 1:
                signal.setitimer(signal.ITIMER_REAL, some.uniform(1e-6, 1.2 * once))
            getattr(x, kind)
            signal.setitimer(signal.ITIMER_REAL, 0)
        except KeyboardInterrupt:
            hits += 1
        signal.setitimer(signal.ITIMER_REAL, 0)
        if i <= 1:
            once = time.perf_counter() - began
        if x.load_error is not None:
            faults.append(f"{i}: remembered")
        # There is no lock that another thread, or this one, would wait for.
        again = run_in_threads(partial(getattr, x, "obj")) if kind == "obj" else []
        if {x.obj, *again} != {right}:
            faults.append(f"{i}: {x.obj} {again}")
        if kind == "obj":
            for other in others:
                other.join()
    return {"hits": hits, "found": faults}


def test_an_interrupted_load_is_not_remembered_and_leaves_no_lock(
    tmp_path: Path, long: bool, tally: Count
) -> None:
    with tally("KeyboardInterrupt at a random moment of a load or a call") as count:
        number = 600 if long else 10
        hits = count_tries(count, interrupt, tmp_path, number, [])
        # Each try has forty loads.
        count.tries *= 40
        assert hits > count.tries / 5


def interrupt_everywhere(root: str, waits: int) -> Any:
    """Interrupt a call at each place in turn where Python checks for signals.

    That is before and after each function call. If `waits`, another thread calls the
    plugin, and this one waits for it.
    """
    names = [f"x{n}" for n in range(300)]
    tree = {"plug.py": "import time\ndef Plugin():\n    return time.sleep(0.02) or 7\n"}
    tree.update(dist("plug", entry_points=points(dict.fromkeys(names, "plug:Plugin"))))
    manager = plant_plugins(root, tree, invoke_on_load=True)
    faults: list[str] = []
    for place, x in enumerate(manager):
        x.plugin  # noqa: B018
        other = threading.Thread(target=getattr, args=(x, "obj"))
        if waits:
            other.start()
            time.sleep(0.005)
        interruption = Interrupt(place)
        sys.setprofile(interruption.profile)
        try:
            x.obj  # noqa: B018
        except KeyboardInterrupt:
            pass
        finally:
            sys.setprofile(None)
        if waits:
            other.join()
        if [*run_in_threads(partial(getattr, x, "obj")), x.obj] != [7, 7]:
            faults.append(f"at {place}")
        if vars(x)["_call"].under_way() or _calling._waiting:
            faults.append(f"locked at {place}")
        if interruption.left >= 0:
            return {"hits": place, "found": faults}
    return {"hits": 0, "found": ["more places than plugins"]}


# -------------------------------------------------------- managers changed in threads


def register_and_refresh(root: str, seed: int) -> Any:
    """Let threads register in one manager, refresh it and query it at the same time."""
    some = random.Random(seed)  # noqa: S311
    sys.setswitchinterval(some.choice(SWITCHES))
    values = {f"x{i}": f"plug_{i}:Plugin" for i in range(5)}
    tree: dict[str, Any] = {
        f"plug_{i}.py": "def Plugin():\n    return 7\n" for i in range(5)
    }
    tree.update(dist("plug", entry_points=points(values)))
    options: dict[str, Any] = {"invoke_on_load": True, "lazy": some.random() < 0.5}
    plant_plugins(root, tree)
    checked: list[str] = []

    def check(extension: Any) -> bool:
        checked.append(extension.name)
        if some.random() < 0.1:
            time.sleep(0.0005)
        return True

    manager: Any
    if seed % 2:
        manager = EnabledExtensionManager[Any]("g", check, **options)
    else:
        manager = ExtensionManager[Any]("g", **options)
    # Python's finders delete cached data of path entries that do not exist.
    sys.path += [f"{root}/nowhere{i}" for i in range(20)]
    faults = []

    def register(thread: int) -> None:
        for i in range(25):
            name = f"{thread} {i}"
            extension = manager.register(name, dict)
            if manager[name] is not extension:
                faults.append(f"{name} is another")

    def refresh() -> None:
        for _ in range(some.randint(1, 5)):
            manager.refresh()

    def query() -> None:
        for _ in range(100):
            names = manager.names()
            if manager["x3"].obj != 7 or not {*values} <= {*names}:
                faults.append(f"{names}")

    threads: list[Any] = [partial(register, thread) for thread in range(4)]
    threads += [refresh] * some.randint(0, 2) + [query]
    errors = [repr(error) for error in run_in_threads(*threads) if error is not None]
    right = [*values, *(f"{thread} {i}" for thread in range(4) for i in range(25))]
    found = manager.names()
    if sorted(found) != sorted(right) or found[:5] != [*values]:
        faults.append(f"{len(found)} instead of {len(right)}: {found[:5]}")
    # An extension is checked when it is registered, and again only in a refresh.
    if refresh not in threads and sorted(checked) != sorted(right * (seed % 2)):
        faults.append(f"{len(checked)} were checked")
    manager.refresh()
    if manager.names()[:5] != [*values] or {*manager.names()} != {*right}:
        faults.append("a refresh changes the names")
    return sorted({*faults, *errors})


def test_threads_that_register_and_refresh_lose_nothing(
    tmp_path: Path, long: bool, tally: Count
) -> None:
    with tally("threads register in a manager and refresh it") as count:
        count_tries(count, register_and_refresh, tmp_path, 1000 if long else 20, [])


def request_new_name(root: str, seed: int) -> Any:
    """Let threads request a new name, while only directories are checked."""
    some = random.Random(seed)  # noqa: S311
    sys.setswitchinterval(some.choice(SWITCHES))
    os.environ["LAZYPLUG_CHECK"] = "dirs"
    fs.clock = lambda: time.time_ns() + LATER
    manager = plant_plugins(root, dist("plug", "1", points({"x": "os:sep"})))
    directory = Path(sys.path[0], "plug-1.dist-info")
    text = points({"x": "os:sep", "late": "os:sep"})
    (directory / "entry_points.txt").write_text(text, encoding="utf-8")
    found = run_in_threads(*[lambda: manager["late"]] * 8)
    return [len({*map(id, found)}), manager.names()]


def test_threads_that_request_a_new_name_get_one_extension(
    tmp_path: Path, long: bool, tally: Count
) -> None:
    with tally("threads request a name that was just installed") as count:
        truth = [1, ["x", "late"]]
        count_tries(count, request_new_name, tmp_path, 500 if long else 10, truth)


def refresh_in_threads(root: str, seed: int) -> Any:
    """Let threads rescan everything, and import, at the same time."""
    some = random.Random(seed)  # noqa: S311
    sys.setswitchinterval(some.choice(SWITCHES))
    tree = {f"plug_{i}.py": "Plugin = 7\n" for i in range(20)}
    plant_plugins(
        root, {**tree, **dist("plug", entry_points=points({"x": "plug_1:Plugin"}))}
    )
    sys.path += [f"{root}/nowhere{i}" for i in range(50)]

    def work(first: int) -> None:
        for i in range(first, 20, 4):
            lazyplug.refresh()
            importlib.import_module(f"plug_{i}")
            if [row[1] for row, _ in _environment.rows("g")] != ["plug_1:Plugin"]:
                raise AssertionError(_environment.rows("g"))

    found = run_in_threads(*[partial(work, first) for first in range(4)] * 2)
    return [repr(error) for error in found if error is not None]


def test_threads_may_refresh_at_the_same_time(
    tmp_path: Path, long: bool, tally: Count
) -> None:
    with tally("threads refresh at the same time") as count:
        count_tries(count, refresh_in_threads, tmp_path, 300 if long else 10, [])


def accelerate_in_threads(root: str, seed: int) -> Any:
    """Let threads call accelerate() and undo it, overlapping."""
    some = random.Random(seed)  # noqa: S311
    sys.setswitchinterval(some.choice(SWITCHES))
    import importlib.metadata

    plant_plugins(root, dist("plug", entry_points=points({"x": "plug:Plugin"})))
    before = importlib.metadata.entry_points, sys.meta_path[:]
    faults = []

    def work() -> None:
        active = []
        for _ in range(50):
            active.append(lazyplug.accelerate())
            if some.random() < 0.2:
                found = importlib.metadata.entry_points(group="g")
                if [point.value for point in found] != ["plug:Plugin"]:
                    faults.append(repr(found))
            while active and some.random() < 0.5:
                active.pop(some.randrange(len(active))).undo()
        for one in active:
            one.undo()

    errors = [error for error in run_in_threads(*[work] * 4) if error is not None]
    same = (importlib.metadata.entry_points, sys.meta_path) == before
    return [sorted(set(faults)), list(map(repr, errors)), same]


def test_threads_may_accelerate_and_undo_it_at_the_same_time(
    tmp_path: Path, long: bool, tally: Count
) -> None:
    with tally("threads call accelerate() and undo it at the same time") as count:
        truth = [[], [], True]
        count_tries(count, accelerate_in_threads, tmp_path, 300 if long else 10, truth)


# ------------------------------------------------------------------- signal handlers


class Handler:
    """Calls a function at one place where Python may run a signal handler.

    :param place: the number of the place, among the calls in some files.
    """

    def __init__(
        self, place: int, files: "Sequence[str | None]", function: Callable[[], Any]
    ) -> None:
        self.left = place
        self.files = files
        self.function = function
        self.found: Any = None

    def profile(self, frame: types.FrameType, event: str, about: Any) -> None:
        if frame.f_code.co_filename in self.files and event in {"call", "c_return"}:
            self.left -= 1
            if self.left == -1:
                try:
                    self.found = self.function()
                except Exception as error:
                    self.found = error

    def during(self, function: Callable[[], Any]) -> Any:
        """Call another function, and the handler at its place."""
        sys.setprofile(self.profile)
        try:
            return function()
        finally:
            sys.setprofile(None)


SLEEPS = "import time\ndef Plugin():\n    return time.sleep(0.02) or 7\n"


def handle_everywhere(root: str, kind: int) -> Any:
    """Let a signal handler access an extension at each place of a call in turn.

    The interrupted access makes the call, or waits for the call of another thread. The
    handler accesses the same extension, one that is not being called, or one that
    another thread calls.
    """
    waits, what = divmod(kind, 3)
    names = [f"x{n}" for n in range(600)]
    tree = {"plug.py": SLEEPS}
    tree.update(dist("plug", entry_points=points(dict.fromkeys(names, "plug:Plugin"))))
    extensions = iter(plant_plugins(root, tree, invoke_on_load=True))
    faults: list[str] = []
    place = misses = 0
    for x, y in zip(extensions, extensions):
        x.plugin, y.plugin  # noqa: B018
        others = [threading.Thread(target=getattr, args=(x, "obj"))] * waits
        if what == 2:
            others.append(threading.Thread(target=getattr, args=(y, "obj")))
        for other in others:
            other.start()
        time.sleep(0.005 * bool(others))
        accessed = x if what == 0 else y
        handler = Handler(place, [_calling.__file__], lambda: accessed.obj)  # noqa: B023
        found = handler.during(lambda: x.obj)  # noqa: B023
        for other in others:
            other.join()
        if [found, *run_in_threads(lambda: y.obj), x.obj] != [7, 7, 7]:  # noqa: B023
            faults.append(f"at {place}: {found}")
        if handler.left >= 0:
            # There are no more places, or the call of the other thread ended too early.
            misses += 1
            if misses > 2 * waits:
                return {"hits": place, "found": faults}
            continue
        misses = 0
        place += 1
        # A thread cannot wait for a call that it makes itself.
        circle = isinstance(handler.found, CircularLoad) and not waits and what == 0
        if handler.found != 7 and not circle:
            faults.append(f"at {place}, in the handler: {handler.found!r}")
        if _calling._waiting:
            faults.append(f"waits at {place}")
    return {"hits": 0, "found": ["more places than plugins"]}


@pytest.mark.parametrize("kind", range(6))
def test_a_signal_handler_may_access_an_extension_at_each_place_of_a_call(
    kind: int, tmp_path: Path, tally: Count
) -> None:
    with tally("a signal handler at each point of a call in turn") as count:
        (outcome,) = call_in_fresh_process(
            tries, "handle_everywhere", str(tmp_path), kind, 1
        )
        (outcome_kind, answer) = outcome
        count_outcome(count, (outcome_kind, answer["found"]), [], "")
        count.tries = answer["hits"]
        assert count.tries > 5


def handle_in_a_lookup(root: str, _: int) -> Any:
    """Let a signal handler read the index at each place of a read in turn."""
    groups = [f"g{n}" for n in range(20)]
    lines = "".join(f"[{group}]\nx = m:{group}\n" for group in groups)
    plant_plugins(root, dist("plug", entry_points=lines))
    # No stat signature is racy by this clock, so nothing is scanned.
    fs.clock = lambda: time.time_ns() + LATER
    files = [_environment.__file__, _index.__file__]

    def read(group: str) -> Any:
        return [row[1] for row, _ in _environment.rows(group)]

    lazyplug.refresh()
    faults: list[str] = []
    for place in range(1000):
        # The first read finds the file open and closes it, the second opens it again.
        lazyplug.invalidate_caches()
        _environment.current()
        for group in ("g3", "g4"):
            handler = Handler(place, files, lambda: read("g9"))
            try:
                found = handler.during(lambda: read(group))  # noqa: B023
            except Exception as error:
                found = error
            if found != [f"m:{group}"] or handler.found not in (None, ["m:g9"]):
                faults.append(f"at {place}: {found!r}, {handler.found!r}")
        if handler.left >= 0:
            return {"hits": place, "found": faults}
    return {"hits": 0, "found": ["more places than tries"]}


def test_a_signal_handler_may_read_the_index_at_each_place_of_a_lookup(
    tmp_path: Path, tally: Count
) -> None:
    with tally("a signal handler at each point of a lookup in turn") as count:
        (outcome,) = call_in_fresh_process(
            tries, "handle_in_a_lookup", str(tmp_path), 0, 1
        )
        count_outcome(count, (outcome[0], outcome[1]["found"]), [], "")
        count.tries = outcome[1]["hits"]
        assert count.tries > 10


def handle_at_random(root: str, seed: int) -> Any:
    """Let signals arrive at random moments, and their handlers access extensions."""
    some = random.Random(seed)  # noqa: S311
    sys.setswitchinterval(some.choice(SWITCHES))
    number = 30
    source = "import time\ndef Plugin():\n    return time.sleep({}) or 7\n"
    tree: dict[str, Any] = {
        f"plug_{i}.py": source.format(some.choice([0, 0.0005, 0.003]))
        for i in range(number)
    }
    values = {f"x{i}": f"plug_{i}:Plugin" for i in range(number)}
    manager = plant_plugins(
        root, {**tree, **dist("plug", entry_points=points(values))}, invoke_on_load=True
    )
    extensions = manager.extensions
    faults: list[str] = []
    names: list[str] = []
    hits = depth = 0

    def access(x: Any) -> None:
        try:
            if x.obj != 7:
                faults.append(f"{x.name}: {x.obj}")
        except Exception as error:
            if not is_circular(error):
                faults.append(f"{x.name}: {error!r}")

    def handle(*_: object) -> None:
        nonlocal hits, depth
        if depth > 5:
            return  # signals come faster than they are handled
        depth += 1
        hits += 1
        kind = some.randrange(4)
        if kind == 0:
            name = f"of {hits}"  # another signal may come before it is registered
            names.append(name)
            manager.register(name, dict)
        elif kind == 1:
            _environment.rows("g")
        access(some.choice(extensions))
        depth -= 1

    def work() -> None:
        for x in some.sample(extensions, number):
            access(x)

    # A handler cannot use modules of lazyplug that are being imported.
    manager.register("first", dict).obj  # noqa: B018
    extensions[0].obj  # noqa: B018
    # If a handler imports, Python itself may hang: the import that it interrupts holds
    # the import lock, for which the thread waits that imports the handler's module.
    for i in range(number):
        importlib.import_module(f"plug_{i}")
    signal.signal(signal.SIGALRM, handle)
    threads = [threading.Thread(target=work) for _ in range(some.randint(0, 3))]
    for thread in threads:
        thread.start()
    signal.setitimer(signal.ITIMER_REAL, 1e-4, some.choice([3e-4, 1e-3, 3e-3]))
    try:
        for _ in range(3 * number):
            access(some.choice(extensions))
    finally:
        # Not by ignoring the signal: Python prints an error if one is pending.
        signal.setitimer(signal.ITIMER_REAL, 0)
    for thread in threads:
        thread.join()
    registered = [name for name in manager.names() if name.startswith("of ")]
    if sorted(registered) != sorted(names):
        faults.append(f"{registered} instead of {names}")
    faults += [f"{x.name}: {x.obj}" for x in extensions[:number] if x.obj != 7]
    return {"hits": hits, "found": sorted(set(faults))}


def test_signal_handlers_may_access_extensions_at_any_moment(
    tmp_path: Path, long: bool, tally: Count
) -> None:
    with tally("a signal handler at a random moment of loads and calls") as count:
        hits = count_tries(count, handle_at_random, tmp_path, 500 if long else 10, [])
        count.tries = hits
        assert hits > 100


# ---------------------------------------------------------------------- greenlets


def access_in_greenlets(root: str, seed: int) -> Any:
    """Let greenlets of one thread make the first access, in a program with gevent.

    A plugin may have been called before gevent patched the program. Two greenlets wait
    for each other, which raises an error; all others get one object.
    """
    some = random.Random(seed)  # noqa: S311
    pause = some.choice([0, 0.001, 0.01])
    circle = "import plug_host as host, time\ndef Plugin():\n    time.sleep({})\n"
    circle += "    host.began.append(1)\n    return host.{}.obj\n"
    manager = plant_plugins(
        root,
        {
            "plug.py": SLOW.format(pause=pause),
            "plug_early.py": "def Plugin():\n    return 7\n",
            "plug_host.py": "began = []\n",
            "plug_a.py": circle.format(pause, "b"),
            "plug_b.py": circle.format(pause, "a"),
            **dist(
                "plug",
                entry_points=points(
                    {
                        "x": "plug:Plugin", "early": "plug_early:Plugin",
                        "a": "plug_a:Plugin", "b": "plug_b:Plugin",
                    }
                ),
            ),
        },
        invoke_on_load=True,
    )  # fmt: skip
    early = [manager["early"].obj] * (seed % 2)
    sys.path.append(os.environ["PLUG_GEVENT"])
    gevent: Any = importlib.import_module("gevent")
    importlib.import_module("gevent.monkey").patch_all()
    host = importlib.import_module("plug_host")
    a, b = host.a, host.b = manager["a"], manager["b"]  # type: ignore[attr-defined]

    def error_of(extension: Any) -> Any:
        try:
            return extension.obj
        except CircularLoad as error:
            return " -> ".join(error.names)

    jobs = [gevent.spawn(getattr, manager["x"], "obj") for _ in range(6)]
    circular = [gevent.spawn(error_of, each) for each in (a, b)]
    gevent.joinall(jobs + circular)
    module = sys.modules["plug"]
    return [
        len({id(job.value) for job in jobs}),
        {type(job.value) for job in jobs} == {module.Plugin},
        len(module.made),
        [*early, manager["early"].obj] == [7] * (1 + seed % 2),
        all(" -> " in job.value for job in circular),
        len(host.began) <= 4,
    ]


def test_greenlets_with_a_first_access_get_one_object(
    tmp_path: Path, long: bool, tally: Count,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    gevent = pytest.importorskip("gevent")
    monkeypatch.setenv("PLUG_GEVENT", str(Path(gevent.__file__).parents[1]))
    with tally("greenlets access an extension at the same time, under gevent") as count:
        truth = [1, True, 1, True, True, True]
        count_tries(count, access_in_greenlets, tmp_path, 60 if long else 6, truth)


class Interrupt:
    """Raises KeyboardInterrupt at the place of this number in `_calling`."""

    def __init__(self, place: int) -> None:
        self.left = place

    def profile(self, frame: types.FrameType, event: str, about: Any) -> None:
        # After `__enter__`, Python does not check for signals, so `with` is safe.
        entered = getattr(about, "__name__", "") == "__enter__"
        if (
            frame.f_code.co_filename == _calling.__file__
            and event in {"call", "return", "c_return"}
            and not entered
        ):
            self.left -= 1
            if self.left == -1:
                raise KeyboardInterrupt


@pytest.mark.parametrize("waits", [0, 1])
def test_a_call_is_interrupted_wherever_python_checks_for_signals(
    waits: int, tmp_path: Path, tally: Count
) -> None:
    with tally("KeyboardInterrupt at each point of a call in turn") as count:
        found = call_in_fresh_process(
            tries, "interrupt_everywhere", str(tmp_path), waits, 1
        )
        (outcome,) = found
        count_outcome(count, (outcome[0], outcome[1]["found"]), [], "")
        count.tries = outcome[1]["hits"]
        assert count.tries > 10


# ------------------------------------------------------------------- subinterpreters

IN_SUBINTERPRETER = """
import sys
sys.path[:] = {path!r}
import lazyplug
x = lazyplug.ExtensionManager("g", invoke_on_load=True)["x"]
assert type(x.obj) is x.plugin is sys.modules["plug"].Plugin
assert x.entry_point.value == "plug:Plugin"
try:
    lazyplug.DriverManager("g", "nonesuch")
except lazyplug.NoMatches:
    pass
else:
    raise AssertionError("found what is not there")
assert "orjson" not in sys.modules
"""


def run_in_subinterpreter(code: str, own_lock: bool) -> "str | None":
    """Run code in a new subinterpreter; return the message of its exception."""
    interpreters: Any
    if sys.version_info >= (3, 13):
        interpreters = importlib.import_module("_interpreters")
        made = interpreters.create("isolated" if own_lock else "legacy")
    else:
        interpreters = importlib.import_module("_xxsubinterpreters")
        made = interpreters.create(isolated=own_lock)
    try:
        failed = interpreters.run_string(made, code)
    except interpreters.RunFailedError as error:
        return str(error)
    finally:
        interpreters.destroy(made)
    return failed and str(failed.formatted)


def load_in_subinterpreters(root: str, seed: int) -> Any:
    """Query and load in four subinterpreters, one after the other or all at once."""
    own_lock = bool(seed & 2)
    tree = {**dist("plug", entry_points=points({"x": "plug:Plugin"}))}
    tree["plug.py"] = "class Plugin:\n    pass\n"
    plant_plugins(root, tree)
    code = IN_SUBINTERPRETER.format(
        path=[*sys.path, str(Path(lazyplug.__file__).parents[1])]
    )
    runs = [partial(run_in_subinterpreter, code, own_lock)] * 4
    found = [run() for run in runs] if seed % 2 else run_in_threads(*runs)
    return [error for error in map(str, found) if error != "None"]


def test_a_subinterpreter_finds_and_loads(
    tmp_path: Path, long: bool, tally: Count
) -> None:
    if not any(map(find_spec, ("_interpreters", "_xxsubinterpreters"))):
        pytest.skip("this Python has no module for subinterpreters")
    with tally("a plugin is loaded in a subinterpreter") as count:
        count_tries(count, load_in_subinterpreters, tmp_path, 100 if long else 4, [])
