"""Plugins are touched from many threads, in circles, in forks, and interrupted.

Each try is a process of its own, so that a dead-lock is counted and does not stop the
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
from tests.support.apart import (
    ANSWER,
    HANG,
    LIBRARY,
    Outcome,
    apart,
    attempt,
    count_outcome,
)
from tests.support.clock import LATER
from tests.support.fixtures import Count
from tests.support.seam import fs
from tests.support.tally import Tally

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="forks processes"),
    pytest.mark.timeout(1200),
]
# Seconds between two threads' turns: from after each step to Python's own.
SWITCHES = [1e-6, 1e-5, 1e-4, 5e-3]
# Seconds after which a try has dead-locked. No plan takes a tenth of that.
STUCK = 15


def world(root: str, tree: Tree, **options: Any) -> "ExtensionManager[Any]":
    """Plant plugins and see them alone, beside the library; return their manager."""
    directory = plant(Path(tempfile.mkdtemp(dir=root)), tree)
    os.environ["LAZYPLUG_CACHE_DIR"] = str(directory / "cache")
    sys.path[:] = [str(directory), *LIBRARY]
    sys.dont_write_bytecode = True
    logging.getLogger("lazyplug").addHandler(logging.NullHandler())
    return ExtensionManager[Any]("g", **options)


def points(values: "dict[str, str]") -> str:
    """Return an entry_points.txt of the group g."""
    return "\n".join(["[g]", *[f"{name} = {at}" for name, at in values.items()], ""])


def in_threads(*functions: Callable[[], Any]) -> list[Any]:
    """Call each function in a thread; return what each returned, or raised."""
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
    """Try a function of this file with each of so many seeds, each in a child.

    That ends where a few hang.
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
    """Count tries with so many seeds; a hundred are made by one process.

    Return how often they met what they were to meet, where they tell it.
    """
    met = 0
    for first in range(0, number, 100):
        here = min(100, number - first)
        found = apart(tries, function.__name__, str(root), first, here)
        for seed, (kind, said) in enumerate(found, first):
            if isinstance(said, dict):
                met += said["met"]
                said = said["found"]
            count_outcome(count, (kind, said), truth, f"{function.__name__} {seed}")
    return met


# ---------------------------------------------------------------------------- circles


class Plan:
    """Plugins whose import and whose call touch others, and threads that begin.

    A step is what is touched, and the number of the plugin.
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
    """The host of planned plugins: it gives them what they touch."""

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
        manager = world(root, tree, invoke_on_load=True)
        sys.modules["plug_host"] = types.ModuleType("plug_host")
        sys.modules["plug_host"].host = self  # type: ignore[attr-defined]
        self.extensions = [manager[name] for name in values]
        self.right = [self.plugin(i) for i in range(plan.plugins)]

    def source(self, i: int, begin: int = 0, end: "int | None" = None) -> str:
        """Return the source of a plugin, with these of its steps."""
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
        """Return what stands in a plugin's place until its module is imported."""
        return lambda: ("early", i)

    def step(self, kind: str, i: int) -> None:
        """Touch, in the import or the call of a plugin."""
        if self.plan.pause:
            time.sleep(random.uniform(0, self.plan.pause))  # noqa: S311
        try:
            if kind == "import":
                __import__(self.modules[i])
            elif kind != "sleep":
                self.touch(kind, i)
        except Exception:
            if not self.plan.guarded:
                raise

    def touch(self, kind: str, i: int) -> Any:
        """Touch an extension, and see if what comes is what may come."""
        try:
            found = getattr(self.extensions[i], kind)
        except Exception as error:
            if not told(error):
                self.faults.append(f"{kind} {i}: {error!r}")
            raise
        if kind == "obj" and found != ("object", i):
            self.faults.append(f"{kind} {i}: {found}")
        return found

    def touched(self, kind: str, i: int) -> Any:
        """Touch; return nothing where that raises, which is told or recorded."""
        try:
            return self.touch(kind, i)
        except Exception:
            return None

    def thread(self, steps: "list[tuple[str, int]]") -> None:
        """Do what a thread does."""
        for kind, i in steps:
            self.touched(kind, i)

    def right_ones(self) -> "set[str]":
        """Touch all until nothing changes; return what is right then."""
        found = set()
        for _ in range(self.plan.plugins + 2):
            for i, right in enumerate(self.right):
                for kind, wanted in (("plugin", right), ("obj", ("object", i))):
                    if self.touched(kind, i) == wanted:
                        found.add(f"{kind} {i}")
        return found


def told(error: BaseException) -> bool:
    """Return True if an error says that it is about a circle."""
    return (
        isinstance(error, CircularLoad)
        or type(error).__name__ == "_DeadlockError"
        or "partially initialized" in str(error)
    )


def circles(root: str, seed: int) -> Any:
    """Carry out a plan; return what is wrong.

    That includes what comes right where one thread touches all, but not here.
    """
    plan = Plan(seed)
    alone = Host(root, plan).right_ones()
    for name in [name for name in sys.modules if name.startswith("plug_")]:
        del sys.modules[name]
    host = Host(root, plan)
    sys.setswitchinterval(plan.switch)
    in_threads(*[partial(host.thread, steps) for steps in plan.threads])
    missing = alone.difference(host.right_ones())
    faults = [*host.faults, *[f"{what} is missing" for what in missing]]
    if plan.guarded:
        faults += [f"called {i}: {n} times" for i, n in enumerate(host.began) if n > 1]
    return sorted(set(faults))


def test_plugins_that_touch_each_other_in_circles_never_dead_lock(
    tmp_path: Path, long: bool, tally: Count
) -> None:
    with tally("plugins access each other in circles, from many threads") as count:
        count_tries(count, circles, tmp_path, 3000 if long else 30, [])


def import_in_a_call(root: str, seed: int) -> Any:
    """Let a call import what another thread imports, which waits for that call."""
    guarded, touch = seed % 2, "host.x.obj"
    if guarded:
        touch = f"try:\n    {touch}\nexcept RuntimeError as e:\n    host.met = str(e)"
    manager = world(
        root,
        {
            "plug_host.py": "import threading\n"
            "in_call, in_import = threading.Event(), threading.Event()\n"
            "met = ''\n",
            "plug_a.py": "import plug_host as host\n"
            "def Plugin():\n"
            "    host.in_call.set()\n"
            "    host.in_import.wait()\n"
            "    import plug_b\n"
            "    return 'a'\n",
            "plug_b.py": "import plug_host as host\n"
            "host.in_import.set()\n"
            f"host.in_call.wait()\n{touch}\nPlugin = 'b'\n",
            **dist("plug", "1", points({"x": "plug_a:Plugin", "y": "plug_b:Plugin"})),
        },
        invoke_on_load=True,
    )
    host = importlib.import_module("plug_host")
    host.x, y = manager["x"], manager["y"]  # type: ignore[attr-defined]
    found = in_threads(lambda: host.x.obj, lambda: y.plugin)
    met = host.met if guarded else str(found.pop())
    way = "x -> the import of plug_b -> x" in met
    return [found[0], way, y.plugin, host.x.obj]


def test_a_call_that_waits_for_an_import_that_waits_for_it_is_told(
    tmp_path: Path, long: bool, tally: Count
) -> None:
    with tally("a call imports what another thread imports") as count:
        truth = ["a", True, "b", "a"]
        count_tries(count, import_in_a_call, tmp_path, 100 if long else 2, truth)


# How a plugin meets one in a circle: the import system gives it what there is, or tells
# that it would dead-lock.
MEETS = [
    "from plug_a import Plugin\n",
    "import importlib\nimportlib.import_module('plug_a')\nPlugin = 'a'\n",
]


def judged_late(root: str, seed: int) -> Any:
    """Let a failure in a circle of imports be judged once the circle is over."""
    manager = world(
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
            + MEETS[seed % 2],
            **dist("plug", "1", points({"x": "plug_a:Plugin", "y": "plug_b:Plugin"})),
        },
    )
    from lazyplug._faults import failed_loads

    over = threading.Event()
    judge = failed_loads.is_transient

    def late(error: BaseException) -> bool:
        over.wait()
        return judge(error)

    failed_loads.is_transient = late

    def touch_x() -> Any:
        try:
            return manager["x"].plugin
        finally:
            over.set()

    found = in_threads(touch_x, lambda: manager["y"].plugin)
    return [found[0], told(found[1]), manager["y"].plugin]


def unfinished(root: str, _: int) -> Any:
    """Let a plugin touch itself before what it refers to is whole."""
    source = (
        "import plug_host as host\nPlugin = None\n"
        "try:\n    host.x.plugin\nexcept AttributeError as e:\n    host.met = str(e)\n"
        "class Plugin:\n    real = 7\n"
    )
    tree = {"plug.py": source, "plug_host.py": ""}
    tree.update(dist("plug", entry_points=points({"x": "plug:Plugin.real"})))
    x = world(root, tree)["x"]
    host = importlib.import_module("plug_host")
    host.x = x  # type: ignore[attr-defined]
    found = x.plugin
    return [host.met, x.load_error, found]


def test_a_failure_in_a_circle_is_not_remembered_though_the_circle_is_over(
    tmp_path: Path, long: bool, tally: Count
) -> None:
    with tally("a load meets a module that is still being imported") as count:
        truth = ["a", True, "a"]
        count_tries(count, judged_late, tmp_path, 100 if long else 2, truth)
        truth = ["'NoneType' object has no attribute 'real'", None, 7]
        count_tries(count, unfinished, tmp_path, 1, truth)


# ------------------------------------------------------------------ many at once

SLOW = """
import time
made = []
time.sleep({pause})
class Plugin:
    def __init__(self):
        made.append(self)
        time.sleep({pause})
"""


def first_touch(root: str, seed: int) -> Any:
    """Let 64 threads be the first to look, to import and to call."""
    some = random.Random(seed)  # noqa: S311
    sys.setswitchinterval(some.choice(SWITCHES))
    source = SLOW.format(pause=some.choice([0, 0.001, 0.01]))
    shared = world(
        root,
        {"plug.py": source, **dist("plug", entry_points=points({"x": "plug:Plugin"}))},
        invoke_on_load=True,
    )["x"]
    lazyplug.invalidate_caches()
    if some.random() < 0.5:
        os.environ["LAZYPLUG_CACHE"] = "off"

    def touch() -> Any:
        own = ExtensionManager[Any]("g", invoke_on_load=True)["x"]
        kinds = ["plugin", "obj"]
        some.shuffle(kinds)
        mine = {kind: getattr(own, kind) for kind in kinds}
        return own.obj is mine["obj"], mine["plugin"], shared.plugin, shared.obj

    found = in_threads(*[touch] * 64)
    module = sys.modules["plug"]
    return [
        [error for error in map(repr, found) if error.startswith(("Ex", "Err"))],
        {same for same, *_ in found} == {True},
        {plugin for each in found for plugin in each[1:3]} == {module.Plugin},
        len({each[3] for each in found}),
        len(module.made),  # each thread's own, and the one that they share
    ]


def test_64_threads_that_touch_first_get_one_plugin_and_one_object(
    tmp_path: Path, long: bool, tally: Count
) -> None:
    with tally("64 threads access an extension at the same time") as count:
        truth = [[], True, True, 1, 65]
        count_tries(count, first_touch, tmp_path, 300 if long else 10, truth)


def one_index(root: str, seed: int) -> Any:
    """Let threads read one remembered index, beside files of the host's own."""
    some = random.Random(seed)  # noqa: S311
    sys.setswitchinterval(some.choice(SWITCHES))
    lines = "".join(f"[g{n}]\nx = m:f{n}\n" for n in range(20))
    world(root, dist("plug", entry_points=lines))
    # Old enough to be believed, so that nothing is scanned.
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
                faults.append(f"of the host: {error!r}")

    reading = [True]
    beside = threading.Thread(target=host)
    beside.start()
    in_threads(*[read] * 8)
    reading.clear()
    beside.join()
    return sorted(set(faults))


def test_threads_that_share_an_index_do_not_close_each_others_files(
    tmp_path: Path, long: bool, tally: Count
) -> None:
    with tally("threads read the same index") as count:
        count_tries(count, one_index, tmp_path, 100 if long else 3, [])


# ------------------------------------------------------------------ its own extension

TOUCHES = {
    "plugin": "host.x.plugin",
    "obj": "host.x.obj",
    "manager": "m = ExtensionManager('g'); m.names(); m['x'].plugin",
    "map": "ExtensionManager('g').map(lambda extension: extension.plugin)",
    "eager": "ExtensionManager('g', invoke_on_load=True, lazy=False)",
    "driver": "DriverManager('g', 'x', invoke_on_load=True).driver",
    "names": "ExtensionManager('g', lazy=True).names()",
}


TOUCH = """
import plug_host as host
from lazyplug import DriverManager, ExtensionManager
def touch():
    try:
        {}
    except (AttributeError, RuntimeError) as error:
        host.met.append(error)
"""
DEFINE = """
def Plugin():
    {}
    return 7
"""


def own_extension(root: str, seed: int) -> Any:
    """Let a plugin touch itself while it is imported, and while it is called."""
    touch = [*TOUCHES][seed % len(TOUCHES)]
    some = random.Random(seed)  # noqa: S311
    sys.setswitchinterval(some.choice(SWITCHES))
    # Those that make a manager would do so in each call, and never end.
    define = DEFINE.format("touch()" if touch in {"plugin", "obj"} else "pass")
    begin = TOUCH.format(TOUCHES[touch])
    orders = [begin + "touch()\n" + define, begin + define + "touch()\n"]
    manager = world(
        root,
        {
            "plug_host.py": "met = []\n",
            "plug.py": some.choice(orders),
            **dist("plug", entry_points=points({"x": "plug:Plugin"})),
        },
        invoke_on_load=True,
    )
    host = importlib.import_module("plug_host")
    host.x = x = manager["x"]  # type: ignore[attr-defined]
    found = in_threads(*[lambda: (x.obj, x.plugin)] * some.choice([1, 8]))
    untold = [repr(error) for error in host.met if not told(error)]
    plugin = sys.modules["plug"].Plugin
    return [untold, {*found} == {(7, plugin)}, x.load_error, x.obj, x.plugin is plugin]


def test_a_plugin_that_touches_itself_is_right_in_the_end(
    tmp_path: Path, long: bool, tally: Count
) -> None:
    with tally("a plugin accesses its own extension, or its manager") as count:
        truth = [[], True, None, 7, True]
        number = len(TOUCHES) * (100 if long else 2)
        count_tries(count, own_extension, tmp_path, number, truth)


# ------------------------------------------------------------------- failing loads

FAILING = {
    "plugin": "Plugin = 'of a module that failed'\n"
    "time.sleep({pause})\nraise OSError('no device')\n",
    "obj": "def Plugin():\n    time.sleep({pause})\n    raise OSError('no device')\n",
}


def failing(root: str, seed: int) -> Any:
    """Let threads touch what fails, again and again."""
    kind = [*FAILING][seed % 2]
    some = random.Random(seed)  # noqa: S311
    sys.setswitchinterval(some.choice(SWITCHES))
    source = "import time\n" + FAILING[kind].format(pause=some.choice([0, 0.001, 0.01]))
    x = world(
        root,
        {"plug.py": source, **dist("plug", entry_points=points({"x": "plug:Plugin"}))},
        invoke_on_load=True,
    )["x"]

    def touch() -> Any:
        time.sleep(some.choice([0, 0.001, 0.003]))
        met = []
        for _ in range(5):
            try:
                met.append(getattr(x, kind))
            except OSError as error:
                met.append(error)
        return met

    def length() -> int:
        try:
            getattr(x, kind)
        except OSError as error:
            return len(traceback.extract_tb(error.__traceback__))
        return 0

    found = in_threads(*[touch] * 16)
    errors = {id(error): error for each in found for error in each}
    (error,) = errors.values()
    lengths = {length() for _ in range(5)}
    return [str(error), error is x.load_error, len(lengths), len(error.__notes__)]


def test_threads_that_touch_what_fails_get_one_error(
    tmp_path: Path, long: bool, tally: Count
) -> None:
    with tally("a load or a call fails under threads") as count:
        truth = ["no device", True, 1, 1]
        count_tries(count, failing, tmp_path, 1000 if long else 10, truth)


# ----------------------------------------------------------------------------- forks


def forked(root: str, seed: int) -> Any:
    """Fork while threads look, import and call; touch all in the child."""
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
    manager = world(root, tree, invoke_on_load=True)

    def touch_all() -> list[Any]:
        order = names[:]
        random.shuffle(order)
        found = {name: manager[name].obj for name in order}
        lazyplug.invalidate_caches()
        other = ExtensionManager[Any]("g")
        return [found[name] for name in names if other[name].plugin() == found[name]]

    def touch_in_child() -> Any:
        # In a thread that may be called as one that is gone, or in the first.
        return in_threads(touch_all)[0] if seed % 2 else touch_all()

    threads = [threading.Thread(target=touch_all) for _ in range(4)]
    for thread in threads:
        thread.start()
    time.sleep(some.uniform(0, 12 * pause))
    met = any(thread.is_alive() for thread in threads)
    child = attempt(touch_in_child, STUCK / 3)
    for thread in threads:
        thread.join()
    return {"met": met, "found": [child, touch_all()]}


def test_a_child_that_is_forked_while_threads_load_can_load(
    tmp_path: Path, long: bool, tally: Count
) -> None:
    with tally("a fork while other threads load and call") as count:
        every = list(range(6))
        truth = [[ANSWER, every], every]
        met = count_tries(count, forked, tmp_path, 1000 if long else 15, truth)
        # Else hardly any was forked while a thread was at work.
        assert met > count.tries / 2


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


def forked_beside_odd(root: str, method: str) -> Any:
    """Fork while other threads import a replaced module, and then a plain one."""
    files = {
        "plug_odd.py": REPLACEMENT.format(method),
        "plug_plain.py": "import time\ntime.sleep(1)\n",
    }
    values = {"odd": "plug_odd", "plain": "plug_plain"}
    manager = world(root, {**files, **dist("plug", entry_points=points(values))})
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
def test_what_a_replaced_module_raises_keeps_no_lock_in_a_forked_child(
    method: str, tmp_path: Path
) -> None:
    found = apart(forked_beside_odd, str(tmp_path), method)
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


def call_that_forks(root: str, times: int) -> Any:
    """Call a plugin that forks, and in the last child accesses its own `.obj`."""
    manager = world(
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
    assert apart(call_that_forks, str(tmp_path), times) == "circular 1"


# --------------------------------------------------------------- KeyboardInterrupt


def interrupted(root: str, seed: int) -> Any:
    """Interrupt loads or calls, beside threads that want the same."""
    kind = ["plugin", "obj"][seed % 2]
    some = random.Random(seed)  # noqa: S311
    sys.setswitchinterval(some.choice(SWITCHES))
    number = 40
    source = "total = sum(range(2000))\ndef Plugin():\n    return sum(range(5000))\n"
    files = {f"plug_{i}.py": source for i in range(number)}
    values = {f"x{i}": f"plug_{i}:Plugin" for i in range(number)}
    tree = {**files, **dist("plug", entry_points=points(values))}
    manager = world(root, tree, invoke_on_load=True)
    right = sum(range(5000))
    faults = []
    met = 0
    once = 0.0
    signal.signal(signal.SIGALRM, signal.default_int_handler)
    # In what the import system does when it lets a lock go, Python only tells of it.
    sys.unraisablehook = lambda _: None
    for i, x in enumerate(manager):
        if kind == "obj":
            x.plugin  # noqa: B018
        # Imports of others are left out: where these are interrupted, Python's own
        # locks may stay shut.
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
            met += 1
        signal.setitimer(signal.ITIMER_REAL, 0)
        if i <= 1:
            once = time.perf_counter() - began
        if x.load_error is not None:
            faults.append(f"{i}: remembered")
        # Nothing is held that another thread, or this one, would wait for.
        again = in_threads(partial(getattr, x, "obj")) if kind == "obj" else []
        if {x.obj, *again} != {right}:
            faults.append(f"{i}: {x.obj} {again}")
        if kind == "obj":
            for other in others:
                other.join()
    return {"met": met, "found": faults}


def test_an_interrupted_load_is_not_remembered_and_holds_nothing(
    tmp_path: Path, long: bool, tally: Count
) -> None:
    with tally("KeyboardInterrupt at a random moment of a load or a call") as count:
        number = 600 if long else 10
        met = count_tries(count, interrupted, tmp_path, number, [])
        # Of forty loads each.
        count.tries *= 40
        assert met > count.tries / 5


def everywhere(root: str, waits: int) -> Any:
    """Interrupt a call wherever Python looks for signals, in one place after another.

    That is at each call and behind it. If `waits`, another thread calls and this one
    waits for it.
    """
    names = [f"x{n}" for n in range(300)]
    tree = {"plug.py": "import time\ndef Plugin():\n    return time.sleep(0.02) or 7\n"}
    tree.update(dist("plug", entry_points=points(dict.fromkeys(names, "plug:Plugin"))))
    manager = world(root, tree, invoke_on_load=True)
    faults: list[str] = []
    for place, x in enumerate(manager):
        x.plugin  # noqa: B018
        other = threading.Thread(target=getattr, args=(x, "obj"))
        if waits:
            other.start()
            time.sleep(0.005)
        interrupt = Interrupt(place)
        sys.setprofile(interrupt.profile)
        try:
            x.obj  # noqa: B018
        except KeyboardInterrupt:
            pass
        finally:
            sys.setprofile(None)
        if waits:
            other.join()
        if [*in_threads(partial(getattr, x, "obj")), x.obj] != [7, 7]:
            faults.append(f"at {place}")
        if x._call.under_way() or _calling._waiting:
            faults.append(f"held at {place}")
        if interrupt.left >= 0:
            return {"met": place, "found": faults}
    return {"met": 0, "found": ["more places than plugins"]}


# -------------------------------------------------------- managers changed in threads


def registering(root: str, seed: int) -> Any:
    """Let threads register, refresh and look, in one manager, all at once."""
    some = random.Random(seed)  # noqa: S311
    sys.setswitchinterval(some.choice(SWITCHES))
    values = {f"x{i}": f"plug_{i}:Plugin" for i in range(5)}
    tree: dict[str, Any] = {
        f"plug_{i}.py": "def Plugin():\n    return 7\n" for i in range(5)
    }
    tree.update(dist("plug", entry_points=points(values)))
    options: dict[str, Any] = {"invoke_on_load": True, "lazy": some.random() < 0.5}
    world(root, tree)
    judged: list[str] = []

    def check(extension: Any) -> bool:
        judged.append(extension.name)
        if some.random() < 0.1:
            time.sleep(0.0005)
        return True

    manager: Any
    if seed % 2:
        manager = EnabledExtensionManager[Any]("g", check, **options)
    else:
        manager = ExtensionManager[Any]("g", **options)
    # Of path entries that are not there, Python's finders delete something.
    sys.path += [f"{root}/nowhere{i}" for i in range(20)]
    faults = []

    def register(thread: int) -> None:
        for i in range(25):
            name = f"{thread} {i}"
            mine = manager.register(name, dict)
            if manager[name] is not mine:
                faults.append(f"{name} is another")

    def refresh() -> None:
        for _ in range(some.randint(1, 5)):
            manager.refresh()

    def look() -> None:
        for _ in range(100):
            names = manager.names()
            if manager["x3"].obj != 7 or not {*values} <= {*names}:
                faults.append(f"{names}")

    threads: list[Any] = [partial(register, thread) for thread in range(4)]
    threads += [refresh] * some.randint(0, 2) + [look]
    errors = [repr(error) for error in in_threads(*threads) if error is not None]
    right = [*values, *(f"{thread} {i}" for thread in range(4) for i in range(25))]
    found = manager.names()
    if sorted(found) != sorted(right) or found[:5] != [*values]:
        faults.append(f"{len(found)} instead of {len(right)}: {found[:5]}")
    # What is registered is judged when it is, and again only in a refresh.
    if refresh not in threads and sorted(judged) != sorted(right * (seed % 2)):
        faults.append(f"{len(judged)} were judged")
    manager.refresh()
    if manager.names()[:5] != [*values] or {*manager.names()} != {*right}:
        faults.append("a refresh changes them")
    return sorted({*faults, *errors})


def test_threads_that_register_and_refresh_lose_nothing(
    tmp_path: Path, long: bool, tally: Count
) -> None:
    with tally("threads register in a manager and refresh it") as count:
        count_tries(count, registering, tmp_path, 1000 if long else 20, [])


def joining(root: str, seed: int) -> Any:
    """Let threads ask for a name that has come, where only folders are looked at."""
    some = random.Random(seed)  # noqa: S311
    sys.setswitchinterval(some.choice(SWITCHES))
    os.environ["LAZYPLUG_CHECK"] = "dirs"
    fs.clock = lambda: time.time_ns() + LATER
    manager = world(root, dist("plug", "1", points({"x": "os:sep"})))
    directory = Path(sys.path[0], "plug-1.dist-info")
    text = points({"x": "os:sep", "late": "os:sep"})
    (directory / "entry_points.txt").write_text(text, encoding="utf-8")
    found = in_threads(*[lambda: manager["late"]] * 8)
    return [len({*map(id, found)}), manager.names()]


def test_threads_that_ask_for_what_has_come_get_one_handle(
    tmp_path: Path, long: bool, tally: Count
) -> None:
    with tally("threads request a name that was just installed") as count:
        truth = [1, ["x", "late"]]
        count_tries(count, joining, tmp_path, 500 if long else 10, truth)


def refreshing(root: str, seed: int) -> Any:
    """Let threads look again at all, and import, at the same time."""
    some = random.Random(seed)  # noqa: S311
    sys.setswitchinterval(some.choice(SWITCHES))
    tree = {f"plug_{i}.py": "Plugin = 7\n" for i in range(20)}
    world(root, {**tree, **dist("plug", entry_points=points({"x": "plug_1:Plugin"}))})
    sys.path += [f"{root}/nowhere{i}" for i in range(50)]

    def work(first: int) -> None:
        for i in range(first, 20, 4):
            lazyplug.refresh()
            importlib.import_module(f"plug_{i}")
            if [row[1] for row, _ in _environment.rows("g")] != ["plug_1:Plugin"]:
                raise AssertionError(_environment.rows("g"))

    found = in_threads(*[partial(work, first) for first in range(4)] * 2)
    return [repr(error) for error in found if error is not None]


def test_threads_may_refresh_at_the_same_time(
    tmp_path: Path, long: bool, tally: Count
) -> None:
    with tally("threads refresh at the same time") as count:
        count_tries(count, refreshing, tmp_path, 300 if long else 10, [])


def accelerating(root: str, seed: int) -> Any:
    """Let threads accelerate and undo that, overlapping."""
    some = random.Random(seed)  # noqa: S311
    sys.setswitchinterval(some.choice(SWITCHES))
    import importlib.metadata

    world(root, dist("plug", entry_points=points({"x": "plug:Plugin"})))
    before = importlib.metadata.entry_points, sys.meta_path[:]
    faults = []

    def work() -> None:
        mine = []
        for _ in range(50):
            mine.append(lazyplug.accelerate())
            if some.random() < 0.2:
                found = importlib.metadata.entry_points(group="g")
                if [point.value for point in found] != ["plug:Plugin"]:
                    faults.append(repr(found))
            while mine and some.random() < 0.5:
                mine.pop(some.randrange(len(mine))).undo()
        for one in mine:
            one.undo()

    errors = [error for error in in_threads(*[work] * 4) if error is not None]
    same = (importlib.metadata.entry_points, sys.meta_path) == before
    return [sorted(set(faults)), list(map(repr, errors)), same]


def test_threads_may_accelerate_and_undo_it_at_the_same_time(
    tmp_path: Path, long: bool, tally: Count
) -> None:
    with tally("threads call accelerate() and undo it at the same time") as count:
        truth = [[], [], True]
        count_tries(count, accelerating, tmp_path, 300 if long else 10, truth)


# ------------------------------------------------------------------- signal handlers


class Handler:
    """Calls a function at one of the places at which Python may run a signal handler.

    :param place: its number, in the calls of some modules.
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
        """Call another function, and this one at its place."""
        sys.setprofile(self.profile)
        try:
            return function()
        finally:
            sys.setprofile(None)


SLEEPS = "import time\ndef Plugin():\n    return time.sleep(0.02) or 7\n"


def handled_everywhere(root: str, kind: int) -> Any:
    """Let a signal handler access an extension at one place of a call after another.

    The first access may be the call itself, or wait for another thread's. The handler
    accesses the same extension, or one that nobody or another thread calls.
    """
    waits, what = divmod(kind, 3)
    names = [f"x{n}" for n in range(600)]
    tree = {"plug.py": SLEEPS}
    tree.update(dist("plug", entry_points=points(dict.fromkeys(names, "plug:Plugin"))))
    extensions = iter(world(root, tree, invoke_on_load=True))
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
        touched = x if what == 0 else y
        handler = Handler(place, [_calling.__file__], lambda: touched.obj)  # noqa: B023
        found = handler.during(lambda: x.obj)  # noqa: B023
        for other in others:
            other.join()
        if [found, *in_threads(lambda: y.obj), x.obj] != [7, 7, 7]:  # noqa: B023
            faults.append(f"at {place}: {found}")
        if handler.left >= 0:
            # There are no more places; or the other thread's call was over too early.
            misses += 1
            if misses > 2 * waits:
                return {"met": place, "found": faults}
            continue
        misses = 0
        place += 1
        # A call of this very thread cannot be waited for in the midst of it.
        circle = isinstance(handler.found, CircularLoad) and not waits and what == 0
        if handler.found != 7 and not circle:
            faults.append(f"at {place}, in the handler: {handler.found!r}")
        if _calling._waiting:
            faults.append(f"waits at {place}")
    return {"met": 0, "found": ["more places than plugins"]}


@pytest.mark.parametrize("kind", range(6))
def test_a_signal_handler_may_access_an_extension_at_each_place_of_a_call(
    kind: int, tmp_path: Path, tally: Count
) -> None:
    with tally("a signal handler at each point of a call in turn") as count:
        (outcome,) = apart(tries, "handled_everywhere", str(tmp_path), kind, 1)
        (kind_of, said) = outcome
        count_outcome(count, (kind_of, said["found"]), [], "")
        count.tries = said["met"]
        assert count.tries > 5


def handled_in_a_lookup(root: str, _: int) -> Any:
    """Let a signal handler read the index at one place of a read after another."""
    groups = [f"g{n}" for n in range(20)]
    lines = "".join(f"[{group}]\nx = m:{group}\n" for group in groups)
    world(root, dist("plug", entry_points=lines))
    # Old enough to be believed, so that nothing is scanned.
    fs.clock = lambda: time.time_ns() + LATER
    files = [_environment.__file__, _index.__file__]

    def read(group: str) -> Any:
        return [row[1] for row, _ in _environment.rows(group)]

    lazyplug.refresh()
    faults: list[str] = []
    for place in range(1000):
        # Reads once each from a file that is open by then, and one that is not.
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
            return {"met": place, "found": faults}
    return {"met": 0, "found": ["more places than tries"]}


def test_a_signal_handler_may_read_the_index_at_each_place_of_a_look_up(
    tmp_path: Path, tally: Count
) -> None:
    with tally("a signal handler at each point of a lookup in turn") as count:
        (outcome,) = apart(tries, "handled_in_a_lookup", str(tmp_path), 0, 1)
        count_outcome(count, (outcome[0], outcome[1]["found"]), [], "")
        count.tries = outcome[1]["met"]
        assert count.tries > 10


def handled(root: str, seed: int) -> Any:
    """Let signals arrive at random moments, whose handlers access extensions."""
    some = random.Random(seed)  # noqa: S311
    sys.setswitchinterval(some.choice(SWITCHES))
    number = 30
    source = "import time\ndef Plugin():\n    return time.sleep({}) or 7\n"
    tree: dict[str, Any] = {
        f"plug_{i}.py": source.format(some.choice([0, 0.0005, 0.003]))
        for i in range(number)
    }
    values = {f"x{i}": f"plug_{i}:Plugin" for i in range(number)}
    manager = world(
        root, {**tree, **dist("plug", entry_points=points(values))}, invoke_on_load=True
    )
    extensions = manager.extensions
    faults: list[str] = []
    names: list[str] = []
    met = depth = 0

    def access(x: Any) -> None:
        try:
            if x.obj != 7:
                faults.append(f"{x.name}: {x.obj}")
        except Exception as error:
            if not told(error):
                faults.append(f"{x.name}: {error!r}")

    def handle(*_: object) -> None:
        nonlocal met, depth
        if depth > 5:
            return  # they come faster than they are handled
        depth += 1
        met += 1
        kind = some.randrange(4)
        if kind == 0:
            name = f"of {met}"  # more may come before it is registered
            names.append(name)
            manager.register(name, dict)
        elif kind == 1:
            _environment.rows("g")
        access(some.choice(extensions))
        depth -= 1

    def work() -> None:
        for x in some.sample(extensions, number):
            access(x)

    # Modules of lazyplug that are being imported cannot be used by a handler.
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
    return {"met": met, "found": sorted(set(faults))}


def test_signal_handlers_may_access_extensions_at_any_moment(
    tmp_path: Path, long: bool, tally: Count
) -> None:
    with tally("a signal handler at a random moment of loads and calls") as count:
        met = count_tries(count, handled, tmp_path, 500 if long else 10, [])
        count.tries = met
        assert met > 100


# ---------------------------------------------------------------------- greenlets


def greenlets(root: str, seed: int) -> Any:
    """Let the greenlets of one thread touch first, in a program that gevent patches.

    Something may have been called before the patch. Some wait for each other in a
    circle, which is told; all others get one object.
    """
    some = random.Random(seed)  # noqa: S311
    pause = some.choice([0, 0.001, 0.01])
    circle = "import plug_host as host, time\ndef Plugin():\n    time.sleep({})\n"
    circle += "    host.began.append(1)\n    return host.{}.obj\n"
    manager = world(
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


def test_greenlets_that_touch_first_get_one_object(
    tmp_path: Path, long: bool, tally: Count,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    gevent = pytest.importorskip("gevent")
    monkeypatch.setenv("PLUG_GEVENT", str(Path(gevent.__file__).parents[1]))
    with tally("greenlets access an extension at the same time, under gevent") as count:
        truth = [1, True, 1, True, True, True]
        count_tries(count, greenlets, tmp_path, 60 if long else 6, truth)


class Interrupt:
    """Raises KeyboardInterrupt at one of the places of `_calling`, by its number."""

    def __init__(self, place: int) -> None:
        self.left = place

    def profile(self, frame: types.FrameType, event: str, about: Any) -> None:
        # Behind the begin of a `with`, Python does not look: so it is safe.
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
def test_a_call_is_interrupted_wherever_python_looks_for_signals(
    waits: int, tmp_path: Path, tally: Count
) -> None:
    with tally("KeyboardInterrupt at each point of a call in turn") as count:
        found = apart(tries, "everywhere", str(tmp_path), waits, 1)
        (outcome,) = found
        count_outcome(count, (outcome[0], outcome[1]["found"]), [], "")
        count.tries = outcome[1]["met"]
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


def subinterpreter(code: str, own_lock: bool) -> "str | None":
    """Run code in a new subinterpreter; return what it raised."""
    low: Any
    if sys.version_info >= (3, 13):
        low = importlib.import_module("_interpreters")
        made = low.create("isolated" if own_lock else "legacy")
    else:
        low = importlib.import_module("_xxsubinterpreters")
        made = low.create(isolated=own_lock)
    try:
        failed = low.run_string(made, code)
    except low.RunFailedError as error:
        return str(error)
    finally:
        low.destroy(made)
    return failed and str(failed.formatted)


def in_subinterpreters(root: str, seed: int) -> Any:
    """Look and load in four subinterpreters, one after the other or all at once."""
    own_lock = bool(seed & 2)
    tree = {**dist("plug", entry_points=points({"x": "plug:Plugin"}))}
    tree["plug.py"] = "class Plugin:\n    pass\n"
    world(root, tree)
    code = IN_SUBINTERPRETER.format(
        path=[*sys.path, str(Path(lazyplug.__file__).parents[1])]
    )
    runs = [partial(subinterpreter, code, own_lock)] * 4
    found = [run() for run in runs] if seed % 2 else in_threads(*runs)
    return [said for said in map(str, found) if said != "None"]


def test_a_subinterpreter_finds_and_loads(
    tmp_path: Path, long: bool, tally: Count
) -> None:
    if not any(map(find_spec, ("_interpreters", "_xxsubinterpreters"))):
        pytest.skip("this Python has no module for subinterpreters")
    with tally("a plugin is loaded in a subinterpreter") as count:
        count_tries(count, in_subinterpreters, tmp_path, 100 if long else 4, [])
