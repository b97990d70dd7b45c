"""Test what proves a fact and what, by a little, does not: one rule at a time."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lazyplug._files import fs
from lazyplug._static.class_facts import ClassFacts
from lazyplug._static.learned import learned_facts
from lazyplug._static.names import Modules
from lazyplug._static.source import Search, Sources
from lazyplug.testing import plant

GOOD = "class Target:\n    title = 'good'\n"
BAD = "class Target:\n    title = 'bad'\n"
CHILD = "class Target(Base):\n    pass\n"
BASE = "class Base:\n    title = 'good'\n"
OTHER = "class Other:\n    title = 'good'\n"
META = "class Meta(type):\n    def __init__(cls, *args):\n        cls.size = 1\n"
SELF = "class Other:\n    def change(self):\n        "

# Each has the files of a package, whose module `plug` has the target, and True if the
# title is proven.
Rule = tuple[dict[str, str], bool]
RULES: dict[str, Rule] = {
    # names that functions and classes bind are local
    "a function binds the name": ({"plug": f"{GOOD}def f():\n    Target = 5\n"}, True),
    "a class binds the name": ({"plug": f"{GOOD}class C:\n    Target = 5\n"}, True),
    "a function imports the name": (
        {"plug": f"{GOOD}def f():\n    import json as Target\n"},
        True,
    ),
    "a function binds it globally": (
        {"plug": f"{GOOD}def f():\n    global Target\n    Target = 5\n"},
        False,
    ),
    "a function deletes the attribute": (
        {"plug": f"{GOOD}def f(module):\n    del module.Target\n"},
        False,
    ),
    # words in strings
    "a word is a string": ({"plug": f"{GOOD}WORDS = ['exec', 'vars']\n"}, True),
    "a word is an argument": ({"plug": f"{GOOD}print('exec')\n"}, False),
    "a word is a key": ({"plug": f"{GOOD}x = {{'exec': 1}}['exec']\n"}, False),
    "builtins are at hand": (
        {"plug": f"{GOOD}import builtins\nWORDS = ['exec']\n"},
        False,
    ),
    "builtins are behind a function": (
        {"plug": f"{GOOD}WORDS = ['exec']\nhere = len.__self__\n"},
        False,
    ),
    "a local variable has the name": (
        {"plug": f"{GOOD}def f():\n    vars = 5\n    return vars\n"},
        True,
    ),
    "a comprehension has the name": (
        {"plug": f"{GOOD}def f(x):\n    [0 for vars in x]\n    return vars\n"},
        False,
    ),
    "a parameter has the name of a reader": (
        {"plug": "class Target:\n    title = ['x']\ndef f(len):\n    len(x.title)\n"},
        False,
    ),
    # star imports
    "a star import binds it": ({"plug": "from .a import *\n", "a": GOOD}, True),
    "a list exports it": (
        {
            "plug": "from .a import *\n",
            "a": f"{GOOD}__all__ = ['Target']\n'; '.join(__all__)\n",
        },
        True,
    ),
    "a list does not export the other": (
        {
            "plug": "from .a import *\nfrom .b import *\n",
            "a": GOOD,
            "b": "x = 1\n__all__ = ('x',)\n",
        },
        True,
    ),
    "two star imports bind it": (
        {"plug": "from .a import *\nfrom .b import *\n", "a": BAD, "b": GOOD},
        False,
    ),
    "the list of the other is changed": (
        {
            "plug": "from .a import *\nfrom .b import *\n",
            "a": GOOD,
            "b": f"{BAD}__all__ = []\n__all__.append('Target')\n",
        },
        False,
    ),
    "the list of the other is changed elsewhere": (
        {
            "plug": (
                "from . import b\nb.__all__.append('Target')\n"
                "from .a import *\nfrom .b import *\n"
            ),
            "a": GOOD,
            "b": "x = 1\n__all__ = ['x']\n",
        },
        False,
    ),
    "the other has an unknown list": (
        {
            "plug": "from .a import *\nfrom .b import *\n",
            "a": GOOD,
            "b": "x = 1\n__all__ = [each for each in dir()]\n",
        },
        True,
    ),
    "the other has a class and an unknown list": (
        {
            "plug": "from .a import *\nfrom .b import *\n",
            "a": GOOD,
            "b": f"{BAD}__all__ = [each for each in ['Target']]\n",
        },
        False,
    ),
    "a class comes after the star import": (
        {"plug": f"from .a import *\n{GOOD}", "a": BAD},
        True,
    ),
    "a star import comes after the class": (
        {"plug": f"{GOOD}from .a import *\n", "a": BAD},
        False,
    ),
    "a harmless star import comes after the class": (
        {"plug": f"{GOOD}from .a import *\n", "a": "x = 1\n"},
        True,
    ),
    "a star import depends on a condition": (
        {"plug": "if 1:\n    from .a import *\n", "a": GOOD},
        False,
    ),
    "a star import of a star import": (
        {"plug": "from .a import *\n", "a": "from .b import *\n", "b": GOOD},
        False,
    ),
    "a cycle of star imports": (
        {"plug": f"from .a import *\n{GOOD}", "a": "from .plug import *\n"},
        True,
    ),
    "a star import may bind object": (
        {
            "plug": "from .a import *\nclass Target(object):\n    size = 1\n",
            "a": "if 1:\n    class object:\n        title = 'bad'\n",
        },
        False,
    ),
    "a star import binds no object": (
        {
            "plug": ("from .a import *\nclass Target(object):\n    title = 'good'\n"),
            "a": "x = 1\n",
        },
        True,
    ),
    # imports of submodules
    "two imports of one package": (
        {
            "plug": (
                "import PACK.a\nimport PACK.b\nclass Target(PACK.a.Base):\n    pass\n"
            ),
            "a": BASE,
            "b": "",
        },
        True,
    ),
    "two imports with a name": (
        {
            "plug": "import PACK.a as x\nimport PACK.b as x\nTarget = x.Target\n",
            "a": BAD,
            "b": GOOD,
        },
        False,
    ),
    "a submodule": (
        {
            "plug": "from . import a\nTarget = a.Target\n",
            "a": GOOD,
        },
        True,
    ),
    "a name of the package instead of its submodule": (
        {
            "__init__": "from . import a\nclass a:\n    class Target:\n"
            "        title = 'bad'\n",
            "plug": "import PACK.a as a\nTarget = a.Target\n",
            "a": GOOD,
        },
        False,
    ),
    # several targets
    "several targets": ({"plug": f"{OTHER}x = Target = Other\n"}, True),
    "a target in a tuple": ({"plug": f"{OTHER}x, Target = 5, Other\n"}, False),
    "an attribute of this module": (
        {"plug": f"{OTHER}import PACK.plug as m\nTarget = Other\nm.Target = int\n"},
        False,
    ),
    # instances
    "a method writes": ({"plug": f"{GOOD}{SELF}self.title = 'bad'\n"}, True),
    "a method writes any": (
        {"plug": f"{GOOD}{SELF}setattr(self, f'{{1}}', 'bad')\n"},
        True,
    ),
    "a method writes another": (
        {"plug": f"{GOOD}{SELF}other = self\n        other.title = 'bad'\n"},
        False,
    ),
    "a method writes its type": (
        {"plug": f"{GOOD}{SELF}self = type(self)\n        self.title = 'bad'\n"},
        False,
    ),
    "a function in a method writes": (
        {"plug": f"{GOOD}{SELF}lambda self: setattr(self, 'title', 'bad')\n"},
        False,
    ),
    "a method becomes a class method": (
        {"plug": f"{GOOD}{SELF}self.title = 5\n    f = classmethod(change)\n"},
        False,
    ),
    "a decorated method writes": (
        {
            "plug": GOOD
            + SELF.replace("def", "@classmethod\n    def")
            + "self.title = 5\n"
        },
        False,
    ),
    "a method that gets the class writes": (
        {"plug": GOOD + SELF.replace("change", "__new__") + "self.title = 5\n"},
        False,
    ),
    "a namespace of an instance": (
        {"plug": f"{GOOD}{SELF}self.__dict__.update(title='bad')\n"},
        True,
    ),
    "a namespace of a new object": (
        {"plug": f"{GOOD}{SELF}x = object.__new__(int)\n        x.__dict__.clear()\n"},
        True,
    ),
    "a namespace of anything": (
        {"plug": f"{GOOD}{SELF}x = vars\n        x(self)\n"},
        False,
    ),
    "a namespace before a new object": (
        {"plug": f"{GOOD}def f(x):\n    x.__dict__.clear()\n    x = x.__new__(int)\n"},
        False,
    ),
    "another key of a namespace": (
        {"plug": f"{GOOD}def f(x):\n    x.__dict__['size'] = 1\n"},
        True,
    ),
    "this key of a namespace": (
        {"plug": f"{GOOD}def f(x):\n    x.__dict__['title'] = 1\n"},
        False,
    ),
    "a new class": (
        {"plug": f"{GOOD}def f():\n    x = type.__new__(int)\n    x.title = 'bad'\n"},
        False,
    ),
    # values
    "a name is bound to the text": (
        {"plug": "T = 'good'\nclass Target:\n    title = T\n"},
        True,
    ),
    "an imported name is bound to the text": (
        {
            "plug": "from .a import T\nclass Target:\n    title = T\n",
            "a": "S: str = 'good'\nT = S\n",
        },
        True,
    ),
    "a name of a module is bound to the text": (
        {
            "plug": "from . import a\nclass Target:\n    title = a.T\n",
            "a": "T = 'good'\n",
        },
        True,
    ),
    "a name is bound twice": (
        {"plug": "T = 'bad'\nT = 'good'\nclass Target:\n    title = T\n"},
        False,
    ),
    "a name is bound to a list": (
        {"plug": "T = ['good']\nclass Target:\n    title = T\n"},
        False,
    ),
    "a name is bound in the class": (
        {"plug": "T = 'bad'\nclass Target:\n    T = 'good'\n    title = T\n"},
        False,
    ),
    "a name is written from elsewhere": (
        {
            "plug": "from . import a\na.T = 'bad'\nclass Target:\n    title = a.T\n",
            "a": "T = 'good'\n",
        },
        False,
    ),
    "another class has the text": (
        {"plug": f"{OTHER}class Target:\n    title = Other.title\n"},
        True,
    ),
    "another class is changed": (
        {
            "plug": f"{OTHER}Other.title = 'bad'\n"
            "class Target:\n    title = Other.title\n"
        },
        False,
    ),
    "another class has another metaclass": (
        {
            "plug": f"{META}class Other(metaclass=Meta):\n    title = 'good'\n"
            "class Target:\n    title = Other.title\n"
        },
        False,
    ),
    "classes refer to each other": (
        {
            "plug": "class Target:\n    title = Other.title\n"
            "class Other:\n    title = Target.title\n"
        },
        False,
    ),
    # vouched modules
    "a vouched base": (
        {
            "plug": f"from .vouched import Base\n{CHILD}",
            "vouched": f"{META}class Base(metaclass=Meta):\n    title = 'good'\n"
            "def f(x, name):\n    setattr(x, name, eval('1'))\n",
        },
        True,
    ),
    "a vouched base that writes": (
        {
            "plug": f"from .vouched import Base\n{CHILD}",
            "vouched": f"{BASE}Base.title = 'bad'\n",
        },
        False,
    ),
    "a vouched base that names what it sets": (
        {
            "plug": f"from .vouched import Base\n{CHILD}",
            "vouched": f"{BASE}def f(x):\n    setattr(x, 'title', 'bad')\nf(Base)\n",
        },
        False,
    ),
    "a vouched decorator": (
        {
            "plug": f"from .vouched import mark\n@mark\n{GOOD}",
            "vouched": "def mark(cls):\n    return cls\n",
        },
        True,
    ),
    "a decorator of a vouched module": (
        {
            "plug": f"from .vouched import mark\n@mark.any(1)\n{GOOD}",
            "vouched": "class mark:\n    @staticmethod\n    def any(x):\n"
            "        return lambda cls: cls\n",
        },
        True,
    ),
    "another decorator": (
        {
            "plug": f"from .a import mark\n@mark\n{GOOD}",
            "a": f"{OTHER}def mark(cls):\n    return Other\n",
        },
        False,
    ),
    "a vouched decorator is replaced": (
        {
            "plug": f"from .vouched import mark\nmark = int\n@mark\n{GOOD}",
            "vouched": "def mark(cls):\n    return cls\n",
        },
        False,
    ),
    # what a name means before it is bound
    "a base is bound by a star import, then again": (
        {
            "plug": f"from .a import *\n{CHILD}{BASE}",
            "a": BAD.replace("Target", "Base"),
        },
        False,
    ),
    "a cycle shows the base of a star import": (
        {
            "__init__": "from . import b\n",
            "plug": f"from .b import Base\n{CHILD}",
            "b": f"from .a import *\nimport PACK.plug\n{BASE}",
            "a": BAD.replace("Target", "Base"),
        },
        False,
    ),
    "a cycle shows what a hook returns": (
        {
            "__init__": "from . import b\n",
            "plug": f"from .b import Base\n{CHILD}",
            "b": f"def __getattr__(name):\n    return object\nimport PACK.plug\n{BASE}",
        },
        False,
    ),
    "a builtin is bound later": (
        {"plug": "class Target:\n    title = id\nid = 'bad'\n"},
        False,
    ),
    "the name of the module is bound later": (
        {"plug": "class Target:\n    title = __name__\n__name__ = 'bad'\n"},
        False,
    ),
    "a class has a docstring of its own": (
        {"plug": "__doc__ = 'bad'\nclass Target:\n    'x'\n    title = __doc__\n"},
        False,
    ),
    "a name is mangled": (
        {"plug": "__T = 'bad'\n_Target__T = 'x'\nclass Target:\n    title = __T\n"},
        False,
    ),
    "a version is bound": (
        {"plug": "__v__ = 'good'\nclass Target:\n    title = __v__\n"},
        True,
    ),
    "relative imports mean another package": (
        {
            "plug": "__package__ = 'PACK.other'\nfrom .a import Base\n" + CHILD,
            "a": BASE,
        },
        False,
    ),
    "a hook names what is public": (
        {
            "plug": f"{GOOD}from .a import *\n",
            "a": "def __getattr__(name):\n    return ['Target']\n",
        },
        False,
    ),
    "a star import from a module that sets its names": (
        {
            "plug": f"{GOOD}from .a import *\n",
            "a": "import sys\ndef f(name):\n"
            "    setattr(sys.modules[__name__], name, int)\nf('Target')\n",
        },
        False,
    ),
    # sys by other names
    "sys from another module": (
        {"plug": f"{GOOD}from os import sys\nsys.modules.update({{__name__: 1}})\n"},
        False,
    ),
    "sys from a star import": (
        {
            "plug": f"{GOOD}from .a import *\nsys.modules.update({{__name__: 1}})\n",
            "a": "import sys\n",
        },
        False,
    ),
    "sys with another name": (
        {
            "plug": f"{GOOD}from .a import s\ns.modules.update({{__name__: 1}})\n",
            "a": "import sys as s\n",
        },
        False,
    ),
    "sys from a function": (
        {"plug": f"{GOOD}import os\ngetattr(os, 'sys').modules.clear()\n"},
        False,
    ),
    "a namespace of sys": (
        {
            "__init__": "import sys\nsys.__dict__['modules']['PACK.plug'] = int\n",
            "plug": GOOD,
        },
        False,
    ),
    "a parent writes through a parameter": (
        {
            "__init__": "from . import a, b\ndef f(b):\n    b.Base = int\nf(a)\n",
            "plug": f"from .a import Base\n{CHILD}",
            "a": BASE,
            "b": "",
        },
        False,
    ),
    "another module replaces object": (
        {
            "plug": "from .a import Base\nclass Mixin(object):\n    pass\n"
            "class Target(Mixin, Base):\n    pass\n",
            "a": f"import builtins\n{BASE}builtins.object = int\n",
        },
        False,
    ),
    "a vouched metaclass calls its class self": (
        {
            "plug": f"from .vouched import Base\n{CHILD}",
            "vouched": "class Meta(type):\n    def __init__(self, *args):\n"
            "        self.title = 'bad'\n"
            "class Base(metaclass=Meta):\n    title = 'good'\n",
        },
        False,
    ),
    # packages through which no name is followed
    "a parent changes its names": (
        {"__init__": "globals()['x'] = 1\n", "plug": GOOD},
        True,
    ),
    "a parent changes its names, and the class is in it": (
        {
            "__init__": "from .plug import Base\nglobals()['Base'] = int\n",
            "plug": f"{BASE}from PACK import Base as B\nclass Target(B):\n    pass\n",
        },
        False,
    ),
    "a parent writes the attribute": (
        {"__init__": "from .plug import Target\nTarget.title = 'bad'\n", "plug": GOOD},
        False,
    ),
    "a parent runs code": (
        {"__init__": "exec('from . import plug')\n", "plug": GOOD},
        False,
    ),
}


@pytest.fixture(autouse=True)
def clean_modules() -> Iterator[None]:
    """Forget the modules that a test imports."""
    before = {*sys.modules}
    yield
    for name in {*sys.modules} - before:
        if name.startswith("pack"):
            del sys.modules[name]


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_gives_facts_and_no_wrong_ones(
    rule: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files, proven = RULES[rule]
    name = f"pack{[*RULES].index(rule)}"
    tree = {f"{k}.py": text.replace("PACK", name) for k, text in files.items()}
    plant(tmp_path, {name: {"__init__.py": "", **tree}})
    monkeypatch.syspath_prepend(tmp_path)
    search = Search((*sys.path,), frozenset(), fs.clock, learned_facts()._ask_finders)
    vouched = (f"{name}.vouched",)
    facts = ClassFacts(Modules(search, Sources(fs.clock())), vouched)
    found = facts.prove(f"{name}.plug", "Target", ["title"])
    assert found == ({"title": "good"} if proven else {})
    if proven:
        module = __import__(f"{name}.plug", fromlist=["Target"])
        assert module.Target.title == "good"


LISTS = {
    "it is read": ("max(Target.title)\n", True),
    "its instance extends it": (
        "class C(Target):\n    def f(self):\n        self.title += [1]\nC().f()\n",
        False,
    ),
    "its instance has another": (
        "class C(Target):\n    def f(self):\n        self.title = [1]\nC().f()\n",
        True,
    ),
    "it is the largest": ("max(Target.title, []).append('x')\n", False),
    "it is the start of a sum": ("sum([], Target.title).append('x')\n", False),
    "all objects are searched": (
        "import gc\nfor x in gc.get_objects():\n    x == ['good'] and x.clear()\n",
        False,
    ),
}


@pytest.mark.parametrize("rule", LISTS)
def test_a_list_is_a_fact_if_nothing_can_change_it(
    rule: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, proven = LISTS[rule]
    name = f"pack_list{[*LISTS].index(rule)}"
    plant(tmp_path, {f"{name}.py": f"class Target:\n    title = ['good']\n{code}"})
    monkeypatch.syspath_prepend(tmp_path)
    search = Search((*sys.path,), frozenset(), fs.clock, learned_facts()._ask_finders)
    facts = ClassFacts(Modules(search, Sources(fs.clock())))
    found = facts.prove(name, "Target", ["title"])
    assert found == ({"title": ["good"]} if proven else {})


def test_a_fact_depends_on_all_bases_of_the_class_that_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = {
        "pack_a.py": "from pack_b import Other\nclass Target:\n"
        "    title = Other.title\n    size = Other.size\n",
        "pack_b.py": "from pack_c import Base\nclass Other(Base):\n"
        "    title = str(1)\n",
        "pack_c.py": "class Base:\n    size = 1\nBase.size = 2\n",
    }
    plant(tmp_path, tree)
    monkeypatch.syspath_prepend(tmp_path)
    search = Search((*sys.path,), frozenset(), fs.clock, learned_facts()._ask_finders)
    facts = ClassFacts(Modules(search, Sources(fs.clock())))
    assert facts.prove("pack_a", "Target", ["title", "size"]) == {}
