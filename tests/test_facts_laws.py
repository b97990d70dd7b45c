"""Test that no fact is wrong, whatever plugins and their base classes do."""

import importlib
import itertools
import sys
import textwrap
from collections.abc import Iterable, Iterator
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lazyplug._files import fs
from lazyplug._static.class_facts import ClassFacts
from lazyplug._static.learned import learned_facts
from lazyplug._static.names import Modules
from lazyplug._static.source import Search, Sources
from lazyplug.testing import plant
from tests.support.properties import examples

# The statement `type`, and type parameters.
NEW_SYNTAX = sys.version_info >= (3, 12)
NAMES = ("priority", "extensions", "title")
VALUES = {
    "priority": [
        *("1", "-2", "None", "True", "2.5", "1 + 1", "len('a')", "(3, [4])", "-0.0"),
        *(
            "1e999",
            "-1e999",
            "0x10",
            "1_000",
            "9223372036854775808",
            "-(1)",
            "+1",
            "1j",
        ),
        *("not 1", "-True", "...", "1 if 1 else 2", "A_NUMBER", "SIBLING.NAME"),
        *("Made.NAME", "len", "sys.maxsize", "SIBLING.A_NUMBER"),
    ],
    "extensions": [
        *("['.a']", "('.a', '.b')", "{'.a': ['b']}", "{'.a'}", "[A_NAME]", "{}", "()"),
        *("{1, True}", "{1: 'a', True: 'b'}", "{[]: 1}", "{**{'.a': 1}}", "[*'ab']"),
        *(
            "SIBLING.NAME",
            "Space.NAME",
            "[[['.a']]]",
            "(['.a'],)",
            "[x for x in 'ab']",
            "{'.a': {'b': {'c'}}}",
        ),
    ],
    "title": [
        *("'One'", "'a' 'b'", "f'x'", "f'{{x}}'", "b'x'", "str()", "rb'\\x' b'\\x01'"),
        *("f'{1}'", "'\\ud83d\\ude00'", "'\\udcff'", "'\\0'", "'\f'", "'a' + 'b'"),
        *("dedent('''\\n  a\\n  b''')", "cleandoc('''a\\n  b''')", "dedent('a', 'b')"),
        *("dedent(f'{1}')", "str.upper('a')", "'%s' % 'a'", "u'One'", "__name__"),
        *("A_NAME", "SIBLING.NAME", "A_NAME.title", "Meta.NAME", "Made.NAME"),
    ],
}
# The body of a class, in which NAME, VALUE and OTHER are replaced.
BODIES = [
    "NAME = VALUE",
    "NAME: object = VALUE",
    "NAME: object",
    "NAME = VALUE\nNAME = OTHER",
    "if sys.maxsize > 5:\n    NAME = VALUE",
    "try:\n    NAME = VALUE\nexcept ValueError:\n    NAME = OTHER",
    "for NAME in (1, 2):\n    pass",
    "NAME = VALUE\ndel NAME",
    "NAME = alias = VALUE",
    "NAME, alias = VALUE, 3",
    "alias = (NAME := VALUE)",
    "NAME = VALUE\nalias = NAME\nalias.append(7) if isinstance(alias, list) else 0",
    "NAME = VALUE\nlocals()['NAME'] = 9",
    "exec('NAME = 9')",
    "vars()['NAME'] = 9",
    "NAME = VALUE\nsys._getframe().f_locals['NAME'] = 9",
    "def NAME(self):\n    return VALUE",
    "@property\ndef NAME(self):\n    return VALUE",
    "__slots__ = ('NAME',)",
    "__slots__ = ('slot',)",
    "class NAME:\n    pass",
    "import sys as NAME",
    "def __init__(self):\n    self.NAME = 5",
    "@classmethod\ndef change(cls):\n    cls.NAME = 6",
    "def read(self):\n    return 'x' in self.NAME",
    "def change(self):\n    self.NAME = 6\n    self.__dict__['NAME'] = 5",
    "def change(self):\n    setattr(self, 'NA' + 'ME', 6)",
    "def change(self):\n    object.__setattr__(self, 'NAME', 6)",
    "def change(self):\n    self.NAME = 6\nchange = classmethod(change)",
    "def before(self):\n    self.NAME = 6\nchange = classmethod(before)",
    "@classmethod\ndef change(self):\n    self.NAME = 6",
    "def change(self):\n    self = type(self)\n    self.NAME = 6",
    "def change(self):\n    for self in [type(self)]:\n        self.NAME = 6",
    "def change(self):\n    [setattr(self, 'NAME', 6) for self in [type(self)]]",
    "def change(self):\n  def f(self):\n    self.NAME = 6\n  f(type(self))",
    "def change(self):\n    (lambda self: setattr(self, 'NAME', 6))(type(self))",
    "def change(self):\n    type(self).NAME = 6",
    (
        "def change(self):\n  def f():\n    nonlocal self\n    self = type(self)\n"
        "  f()\n  self.NAME = 6"
    ),
    "def __new__(self):\n    self.NAME = 6\n    return object.__new__(self)",
    (
        "def __new__(cls):\n  new = object.__new__(cls)\n  new.__dict__['NAME'] = 6\n"
        "  return new"
    ),
    (
        "def __new__(cls):\n    new = object.__new__(cls)\n    new = cls\n"
        "    new.NAME = 6\n    return new"
    ),
    "def change(self):\n    new = type(self)\n    new.__dict__['NAME'].append(6)",
    "@staticmethod\ndef change(self=OTHERCLASS):\n    self.NAME = 6",
    "def __init_subclass__(cls):\n    cls.NAME = 9",
    "def __init_subclass__(cls):\n    setattr(cls, 'NA' + 'ME', 9)",
    "def __class_getitem__(cls, item):\n    return type('X', (), {'NAME': 9})",
    "item = Setter('NAME')",
    "match OTHER:\n    case NAME:\n        pass",
    "match [OTHER]:\n    case [*NAME]:\n        pass",
    "match {'a': 1}:\n    case {**NAME}:\n        pass",
    "with memoryview(b'x') as NAME:\n    pass",
    "import os.path as NAME",
    "try:\n    1 / 0\nexcept ZeroDivisionError as NAME:\n    pass",
    "[NAME for NAME in (1, 2)]",
    "NAME = VALUE\n[x.append(7) for x in [NAME] if isinstance(x, list)]",
    "NAME = VALUE\n[x.append(7) for x in NAME if isinstance(x, list)]",
    "NAME = VALUE\ndef change(x=NAME):\n    x.append(7)\nchange()",
    "NAME = VALUE\nNAME[:0] = [7]",
    "NAME = VALUE\nNAME += NAME",
    "def f(self, x=[(NAME := 4)]):\n    pass",
    "f = lambda x=(NAME := 3): x",
    "@(NAME := staticmethod)\ndef f():\n    pass",
    "class Inner((NAME := object)):\n    pass",
    "x: (NAME := int) = 3",
    "(NAME): object = VALUE",
    "NAME = VALUE\nclass Inner:\n    NAME = OTHER",
    "NAME = VALUE\ndef f(self):\n    NAME = OTHER",
    "NAME = VALUE; NAME = OTHER",
    "NAME = (VALUE)",
    "NAME = VALUE,",
    "if False:\n    NAME = VALUE",
    "while True:\n    NAME = VALUE\n    break",
    "global NAME\nNAME = 5",
    "dedent = str.upper\nNAME = dedent('x')",
    "textwrap = str\nNAME = textwrap.dedent('x')",
    "__slots__ = []\n__slots__ += ['NAME']",
    "__slots__ = []\n__slots__.append('NAME')",
    "__slots__ = {'NAME': 'doc'}",
    "__slots__ = 'NAME'",
    "__slots__ = ['NAME'] if True else []",
    "__slots__ = (*('NAME',),)",
    "for __slots__ in (['NAME'],):\n    pass",
    "__slots__ = iter(['NAME'])",
    "__NAME = 3\n_Target__NAME = 4",
    "__getattr__ = __getattribute__ = lambda self, name: 9",
    "__class__ = int",
    "__dict__ = {'NAME': 9}",
    "__annotations__ = {'NAME': 9}",
    "__mro_entries__ = lambda self, bases: (int,)",
    "__set_name__ = lambda *args: 9",
    "inspect.currentframe().f_locals['NAME'] = 9",
    "inspect.stack()[0].frame.f_locals['NAME'] = 9",
    "NAME = functools.cached_property(lambda self: 9)",
    "NAME = classmethod(lambda cls: 9)",
    "NAME = VALUE\ntry:\n    raise ValueError\nexcept ValueError:\n    NAME = OTHER",
    "NAME: 'int' = VALUE\nNAME: 'str'",
    *(["type NAME = int", "def f[NAME](self): pass"] if NEW_SYNTAX else []),
    "pass",
]
# What a module does after it has made a class.
AFTERS = [
    "CLASS.NAME = 9",
    "CLASS.NAME += CLASS.NAME",
    "del CLASS.NAME",
    "setattr(CLASS, 'NAME', 9)",
    "setattr(CLASS, 'NA' + 'ME', 9)",
    "setattr(CLASS, 'harmless', 9)",
    "for each in ('NAME',):\n    setattr(CLASS, each, 9)",
    "type.__setattr__(CLASS, 'NAME', 9)",
    "delattr(CLASS, 'NAME')",
    "CLASS.NAME.append(7)",
    "CLASS.NAME[0:0] = [7]",
    "alias = CLASS.NAME\nalias.append(7)",
    "CLASS.__dict__['NAME'].append(7)",
    "getattr(CLASS, 'NAME').append(7)",
    "getattr(CLASS, 'NA' + 'ME').append(7)",
    "for each in list(vars(CLASS).values()):\n    getattr(each, 'clear', int)()",
    "for each in CLASS.NAME:\n    getattr(each, 'clear', int)()",
    "sorted = lambda x: x.append(7)\nsorted(CLASS.NAME)",
    "len(sorted(CLASS.NAME))",
    "def change(cls):\n    cls.NAME = 9\nchange(CLASS)",
    "def change():\n    eval(\"setattr(CLASS, 'NA' + 'ME', 9)\")\nchange()",
    "exec('CLASS.NAME = 9')",
    "globals()['CLASS'] = OTHERCLASS",
    "sys.modules[__name__].CLASS = OTHERCLASS",
    "CLASS = OTHERCLASS",
    "CLASS = change_class(CLASS)",
    "class CLASS(CLASS):\n    NAME = 9",
    "def change():\n    global CLASS\n    CLASS = OTHERCLASS\nchange()",
    "CLASS.__bases__ = (OTHERCLASS,)",
    "CLASS.__init_subclass__ = classmethod(lambda cls: setattr(cls, 'NAME', 9))",
    "from builtins import setattr as put\nput(CLASS, 'NAME', 9)",
    "__builtins__['setattr'](CLASS, 'NAME', 9)",
    "if CLASS.NAME == 3:\n    pass",
    "class Child(CLASS):\n    NAME = 9",
    "CLASS().NAME = 9",
    "CLASS.NAME: int = 9",
    "for CLASS.NAME in (8,):\n    pass",
    "[0 for CLASS.NAME in (8,)]",
    "with memoryview(b'x') as CLASS.NAME:\n    pass",
    "(CLASS := OTHERCLASS)",
    "[CLASS := OTHERCLASS for _ in (1,)]",
    "match OTHERCLASS:\n    case CLASS:\n        pass",
    "for CLASS in (OTHERCLASS,):\n    pass",
    "def CLASS():\n    pass",
    "Alias = CLASS\nAlias.NAME = 9",
    "(lambda cls: setattr(cls, 'NAME', 9))(CLASS)",
    "setattr(*(CLASS, 'NAME'), 9)",
    "setattr(*(CLASS, 'NAME'), 'harmless')",
    "put = setattr\nput(CLASS, 'NAME', 9)",
    "functools.partial(setattr, CLASS)('NAME', 9)",
    "getattr(type, '__setattr__')(CLASS, 'NAME', 9)",
    "type.__setattr__.__get__(CLASS)('NAME', 'harmless')",
    "above = super(ABCMeta, CLASS)\nabove.__setattr__('NAME', 'harmless')",
    "above = super(Meta, CLASS)\nabove.__setattr__('NAME', 'harmless')",
    "object.__setattr__(CLASS(), 'NAME', 9)",
    "operator.methodcaller('__setattr__', 'NAME', 9)(super(ABCMeta, CLASS))",
    "gc.get_referents(CLASS.__dict__)[0]['NAME'] = 9",
    "def change():\n    setattr(sys.modules[__name__], 'CLASS', OTHERCLASS)\nchange()",
    "def change():\n    vars(sys.modules[__name__])['CLASS'] = OTHERCLASS\nchange()",
    (
        "def change():\n    sys.modules[__name__].__dict__.update(CLASS=OTHERCLASS)\n"
        "change()"
    ),
    "def change():\n    sys.modules[__name__].__dict__['CLASS'] = OTHERCLASS\nchange()",
    "def change():\n    delattr(sys.modules[__name__], 'CLASS')\nchange()",
    "sys.modules[__name__] = Space(CLASS=OTHERCLASS)",
    "from sys import modules\nmodules[__name__] = Space(CLASS=OTHERCLASS)",
    "found = sys.modules\nfound[__name__] = Space(CLASS=OTHERCLASS)",
    "sys.modules.update({__name__: Space(CLASS=OTHERCLASS)})",
    "sys.modules.__setitem__(__name__, Space(CLASS=OTHERCLASS))",
    "getattr(sys, 'modules')[__name__] = Space(CLASS=OTHERCLASS)",
    "import sys as system\nsystem.modules[__name__] = Space(CLASS=OTHERCLASS)",
    "import os\nos.sys.modules[__name__] = Space(CLASS=OTHERCLASS)",
    "importlib.import_module('sys').modules[__name__] = Space(CLASS=OTHERCLASS)",
    "def change():\n    sys.modules[__name__] = Space(CLASS=OTHERCLASS)\nchange()",
    "importlib.import_module(__name__).CLASS = OTHERCLASS",
    "inspect.getmodule(CLASS).CLASS = OTHERCLASS",
    "dict(CLASS.NAME)['.a'].append(7)",
    "list(CLASS.NAME)[0].append(7)",
    "CLASS.NAME['.a'].append(7)",
    "CLASS.NAME[0].append(7)",
    "CLASS.NAME.get('.a').append(7)",
    "CLASS.NAME.copy()",
    "','.join(CLASS.NAME)",
    "for each in CLASS.NAME.values():\n    each.append(7)",
    "[each.append(7) for each in CLASS.NAME]",
    "match CLASS():\n    case CLASS(NAME=found):\n        found.append(7)",
    "vars(CLASS).get('NAME').append(7)",
    "CLASS.__dict__.get('NAME').append(7)",
    "CLASS.__dict__.get('harmless')",
    "[*CLASS.__dict__.values()][2].append(7)",
    "def read(**found):\n    found['NAME'].append(7)\nread(**CLASS.__dict__)",
    "operator.attrgetter('NAME')(CLASS).append(7)",
    "operator.methodcaller('append', 7)(CLASS.NAME)",
    "object.__getattribute__(CLASS(), 'NAME').append(7)",
    "inspect.getattr_static(CLASS, 'NAME').append(7)",
    "(lambda cls: cls.NAME.append(7))(CLASS)",
    "(lambda x: x)(CLASS.NAME).append(7)",
    (
        "class Child(CLASS):\n    @classmethod\n    def f(cls):\n"
        "        super().NAME.append(7)\nChild.f()"
    ),
    "class Child(CLASS):\n    def f(self):\n        super().NAME.clear()\nChild().f()",
    "def change(self):\n    self.NAME.append(7)\nCLASS.f = change\nCLASS().f()",
    "import contextlib\nwith contextlib.suppress(AttributeError):\n    del CLASS.NAME",
    "getattr(CLASS, 'change', int)()",
    "getattr(CLASS(), 'change', int)()",
    "getattr(OTHERCLASS, 'change', int)()\nCLASS()",
    "class Mixin:\n    def change(self):\n        self.NAME = 9\nMixin().change()",
    (
        "class Mixin:\n    @classmethod\n    def change(self):\n        self.NAME = 9\n"
        "class CLASS(CLASS, Mixin):\n    pass\nCLASS.change()"
    ),
    "WORDS = {'exec', 'eval', 'vars', 'locals', 'globals', 'setattr', 'delattr'}",
    "for each in ('setattr',):\n    getattr(len.__self__, each)(CLASS, 'NAME', 9)",
    (
        "import builtins\nfor each in ('setattr',):\n"
        "    getattr(builtins, each)(CLASS, 'NAME', 9)"
    ),
    (
        "for each in ('setattr',):\n"
        "    getattr(inspect.getmodule(len), each)(CLASS, 'NAME', 9)"
    ),
    (
        "for each in ('setattr',):\n"
        "    getattr(sys.modules['builtins'], each)(CLASS, 'NAME', 9)"
    ),
    (
        "for each in ('setattr',):\n"
        "    getattr(importlib.import_module('builtins'), each)(CLASS, 'NAME', 9)"
    ),
    "operator.attrgetter('setattr')(sys.modules['builtins'])(CLASS, 'NAME', 9)",
    "def change():\n    vars = {'NAME': 9}\n    return vars\nchange()",
    "def change(setattr=setattr):\n    setattr(CLASS, 'NAME', 9)\nchange()",
    "def change():\n    put = setattr\n    put(CLASS, 'NAME', 9)\nchange()",
    "def change():\n  [0 for setattr in (1,)]\n  setattr(CLASS, 'NAME', 9)\nchange()",
    "def change():\n    global setattr\n    setattr(CLASS, 'NAME', 9)\nchange()",
    (
        "def change():\n    class Inner:\n        setattr = 5\n"
        "    setattr(CLASS, 'NAME', 9)\nchange()"
    ),
    "def change():\n    CLASS = A_NAME = 5\n    return CLASS\nchange()",
    "def change():\n    import json as CLASS\nchange()",
    "class Inner:\n    CLASS = A_NAME = 5",
    "class Inner:\n    global CLASS\n    CLASS = OTHERCLASS",
    "[CLASS for CLASS in (OTHERCLASS,)]",
    "def change(sorted):\n    sorted(CLASS.NAME)\nchange(lambda x: x.append(7))",
    "def change():\n  sorted = lambda x: x.append(7)\n  sorted(CLASS.NAME)\nchange()",
    "CLASS = Alias = OTHERCLASS",
    "Alias = Space()\nAlias.CLASS = Other = 5",
    "A_NAME = 'changed'",
    "A_NUMBER += 1",
    "OTHERCLASS.NAME = 9",
    "setattr(OTHERCLASS, 'NAME', 9)",
    "__all__ = ['CLASS']",
    "__all__ = ['OTHERCLASS', 'change_class']",
    "__all__ = []\n__all__.append('CLASS')",
    "__all__ = ['CLASS']\n__all__.remove('CLASS')",
    "__all__ = ['CLASS']\n__all__ += ['A_NAME']",
    "__all__ = ['CLASS']\n','.join(__all__)",
    "__all__ = [each for each in dir() if each != 'CLASS']",
    "sys.modules[__name__].__all__ = []",
    "print(end='')",
]
HEADS = [
    "class CLASS:",
    "class CLASS(object):",
    "class CLASS(ABC):",
    "class CLASS(metaclass=ABCMeta):",
    "class CLASS(metaclass=Meta):",
    "class CLASS(Generic[T]):",
    "class CLASS(OTHERCLASS):",
    "class CLASS(OTHERCLASS, ABC):",
    "@change_class\nclass CLASS:",
    "@dataclass\nclass CLASS:",
    "class CLASS(NamedTuple):",
    "class CLASS(Enum):",
    "class CLASS(Exception):",
    "class CLASS(OTHERCLASS, metaclass=ABCMeta):",
    "class CLASS(Generic[T], OTHERCLASS):",
    "class CLASS(OTHERCLASS, Generic[T]):",
    "class CLASS(*[OTHERCLASS]):",
    "class CLASS(OTHERCLASS, **{}):",
    "class CLASS(OTHERCLASS, key=1):",
    "class CLASS(type):",
    "class CLASS(ABCMeta):",
    "class CLASS(Protocol):",
    "class CLASS(dict):",
    "class CLASS(Made):",
    "class CLASS(change_class(OTHERCLASS)):",
    *(["class CLASS[K]:", "class CLASS[K](OTHERCLASS):"] if NEW_SYNTAX else []),
    "if sys.maxsize > 5:\n  class CLASS:",
]
PRELUDE = """\
import functools, gc, importlib, inspect, operator, sys
from abc import ABC, ABCMeta
from dataclasses import dataclass
from enum import Enum
from inspect import cleandoc
from textwrap import dedent
from types import SimpleNamespace as Space
from typing import Generic, NamedTuple, Protocol, TypeVar

T = TypeVar("T")
A_NAME = "a"
A_NUMBER = 4


def change_class(cls):
    return type("Changed", (cls,), dict(priority=9, title=9, extensions=9))


class Meta(type):
    def __init__(cls, *args):
        cls.title = "by the metaclass"
        cls.__dict__.get("extensions")


class Setter:
    def __init__(self, name):
        self.name = name

    def __set_name__(self, owner, name):
        setattr(owner, self.name, "by a descriptor")


Made = type("Made", (), dict(priority=9, title=9, extensions=9))


class OTHERCLASS:
    priority = 77
    extensions = ["other"]
    title = "other"
"""
# Without what writes attributes, so that facts are possible.
PLAIN_PRELUDE = (
    PRELUDE[: PRELUDE.index("class Meta")] + PRELUDE[PRELUDE.index("Made =") :]
)
IMPORTS = [
    "from {base} import {cls}",
    "from {base} import {cls} as {cls}",
    "import {base}\n{cls} = {base}.{cls}",
    "import {base} as m\n{cls} = m.{cls}",
    "import {base} as m\n{cls} = m.{cls}\nm.{cls} = int",
    "import {base} as m\nm.{cls} = int\nfrom {base} import {cls} as {cls}",
    (
        "import {base} as m\ndef change():\n"
        "    setattr(m, '{cls}', type('X', (), {{}}))\n"
        "change()\nfrom {base} import {cls}"
    ),
    (
        "import {base} as m\ndef change():\n"
        "    vars(m)['{cls}'] = type('X', (), {{}})\n"
        "change()\nfrom {base} import {cls}"
    ),
    "from {base} import *",
    "import {base} as m\nm.{cls} = {cls} = m.{cls}",
    "import {base} as m\nm.{cls} = {cls} = int",
    "import {base} as m\nAlias = {cls} = m.{cls}",
    "import {base} as m\nAlias, {cls} = int, m.{cls}",
    "import {base}, {base}\n{cls} = {base}.{cls}",
    "from {more} import *",
    "from {more} import *\nfrom {base} import {cls}",
    "from {base} import {cls}\nfrom {more} import *",
    "from {base} import *\nfrom {more} import *",
    "from {more} import *\nfrom {base} import *",
    "if 1:\n    from {more} import *\nfrom {base} import {cls}",
    "from {base} import *\nif 1:\n    from {more} import *",
    "from {more} import *\nimport {base}\n{cls} = {base}.{cls}",
    "try:\n    from {base} import {cls}\nexcept ImportError:\n    {cls} = object",
]
# A module that others star-import.
MORE = [
    "x = 1",
    "__all__ = ['x']\nx = 1",
    "from {base} import *",
    "from {base} import {cls}",
    "from {base} import {cls}\n__all__ = ['{cls}']",
    "from {base} import *\n__all__ = ['{cls}']",
    "from {base} import *\n__all__ = ['A_NAME']",
    "from {base} import *\n__all__ = ('T',)\n__all__ += ('{cls}',)",
    "class {cls}:\n    title = 'more'",
    "class {cls}:\n    title = 'more'\n__all__ = ['x']\nx = 1",
    "class {cls}:\n    title = 'more'\n__all__ = ['x']\nx = 1\n__all__.append('{cls}')",
    "class {cls}:\n    title = 'more'\n__all__ = ['x', '{cls}']\nx = 1\n__all__.pop()",
    "def f():\n    global {cls}\n    {cls} = int\nf()",
    "def f():\n    {cls} = int\nf()",
    "class object:\n    title = 'more'",
    "def sorted(x):\n    x.append(7)\nlen = list = sorted",
    "def __getattr__(name):\n    return int\n__all__ = ['{cls}']",
    "def __getattr__(name):\n    return int\n__all__ = [*'x']\nx = 1",
    "import {base}\n{base}.{cls} = int",
    "import {base}\n{base}.__all__ = ['T']",
    "import {plugin}\nfrom {base} import *",
    "class {cls}:\n    title = 'more'\nimport {plugin}\n__all__ = ['x']\nx = 1",
    "globals()['{cls}'] = int",
    "_x = 1\n__all__ = ['_x']",
]


def fill(text: str, draw: Any, name: str, cls: str, other: str) -> str:
    values = st.sampled_from(VALUES[name])
    text = text.replace("OTHERCLASS", other).replace("CLASS", cls)
    text = text.replace("OTHER", draw(values)).replace("VALUE", draw(values))
    text = text.replace("SIBLING", other)
    return text.replace("NAME", name).replace(f"A_{name}", "A_NAME")


@st.composite
def module_of_class(draw: Any, cls: str, bases: tuple[str, ...] = ()) -> str:
    """Return the source of a module that makes a class."""
    other = f"Other{cls}"
    prelude = draw(st.sampled_from([PLAIN_PRELUDE] * 9 + [PRELUDE]))
    if draw(st.booleans()):
        prelude = prelude.replace(" importlib,", "")  # it finds the builtins
    heads = HEADS[:8] * 5 + HEADS
    head = draw(st.sampled_from(HEADS[:1] * 30 + HEADS[-20:] if bases else heads))
    if bases:
        head = head.replace("class CLASS:", f"class CLASS({', '.join(bases)}):")
    simple = st.sampled_from(BODIES[:3] * 40 + BODIES)
    body = "\n".join(
        fill(draw(simple), draw, name, cls, other)
        for name in draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=3))
    )
    afters = draw(st.lists(st.sampled_from(AFTERS + AFTERS[-1:] * 60), max_size=2))
    after = "\n".join(
        fill(each, draw, draw(st.sampled_from(NAMES)), cls, other) for each in afters
    )
    indent = "    " if head.startswith("if") else "  "
    return "\n".join(
        [
            prelude.replace("OTHERCLASS", other),
            head.replace("OTHERCLASS", other).replace("CLASS", cls),
            textwrap.indent(body, indent + "  "),
            after,
        ]
    )


# Not the names of modules that other tests import.
_numbers = itertools.count(10_000)


class EarlyFinder:
    """A finder before Python's that serves another source of some modules."""

    def __init__(self, sources: dict[str, str]) -> None:
        self.sources = sources

    def find_spec(self, name: str, *_: Any) -> ModuleSpec | None:
        loader: Any = self
        return ModuleSpec(name, loader) if name in self.sources else None

    def create_module(self, spec: ModuleSpec) -> None:
        return None

    def exec_module(self, module: Any) -> None:
        exec(self.sources[module.__name__], module.__dict__)  # noqa: S102


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("plugins")
    sys.path.insert(0, str(path))
    yield path
    sys.path.remove(str(path))


def actual(module: str, cls: str) -> Any:
    """Return the class as an import makes it; None if that fails."""
    importlib.invalidate_caches()
    try:
        return getattr(importlib.import_module(module), cls)
    except Exception:
        return None


def attribute(found: Any, name: str) -> Any:
    try:
        return getattr(found, name)
    except Exception:
        return "no such attribute"


class Counts:
    """The number of plugins, and of those with facts that could be imported."""

    given = proven = 0


@pytest.mark.covers
@examples(400)
@given(st.data())
def test_no_static_fact_is_wrong(site: Path, data: st.DataObject) -> None:
    number = next(_numbers)
    kinds = "base", "middle", "plug", "more"
    base, middle, plugin, more = (f"{kind}{number}" for kind in kinds)
    draw = data.draw
    sources = {base: draw(module_of_class("Base"))}
    how = draw(st.sampled_from(IMPORTS[:2] * 5 + IMPORTS))
    bases = draw(st.sampled_from([(), ("Base",), ("Base",), ("Base", "OtherTarget")]))
    source = draw(module_of_class("Target", bases))
    others = {"more": more, "plugin": plugin}
    sources[plugin] = how.format(base=base, cls="Base", **others) + "\n" + source
    sources[more] = draw(st.sampled_from(MORE)).format(base=base, cls="Base", **others)
    target = plugin
    if draw(st.booleans()):
        target = middle
        # Without a base class in it, the other module may have the target.
        if draw(st.booleans()):
            bound = {"base": plugin, "cls": "Target", **others}
            sources[more] = draw(st.sampled_from(MORE)).format(**bound)
        sources[middle] = draw(st.sampled_from(IMPORTS)).format(
            base=plugin, cls="Target", more=more
        )
    plant(site, {f"{name}.py": text for name, text in sources.items()})
    finder = EarlyFinder({})
    if draw(st.integers(0, 9)) == 0:
        hidden = draw(st.sampled_from(sorted(sources)))
        finder.sources[hidden] = sources[hidden].replace("= VALUE", "= 5") + (
            "\nclass Target:\n  priority = 55\n  title = 'x'\nBase = Target\n"
        )
        sys.meta_path.insert(0, finder)
    try:
        facts = prove(f"{target}:Target")
        found = actual(target, "Target")
        for name, value in facts.items():
            if found is not None:
                assert repr(attribute(found, name)) == repr(value), (name, sources)
        Counts.given += bool(facts) and found is not None
        Counts.proven += 1
    finally:
        if finder in sys.meta_path:
            sys.meta_path.remove(finder)
        for name in sources:
            sys.modules.pop(name, None)
            (site / f"{name}.py").unlink()


# What a parent package, or a module between the plugin and its base, may do to it.
GOOD = "class Target:\n    title = 'good'\n"
BAD = "class Target:\n    title = 'bad'\n"
MAKE_BAD = "type('Target', (), {'title': 'bad'})"
HERE = "import os, sys\nhere = os.path.dirname(__file__)\n"
SERVED = f"""{HERE}
from importlib.util import spec_from_file_location

class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.endswith(".module"):
            return spec_from_file_location(name, os.path.join(here, "alt", "module.py"))

sys.meta_path.insert(0, Finder)
"""
PARENTS = {
    "empty": ("", True),
    "reads": ("import sys\nif 'x' in sys.modules:\n    pass", True),
    "getattr": ("def __getattr__(name):\n    raise AttributeError(name)", True),
    "inserted path": (f"{HERE}__path__.insert(0, os.path.join(here, 'alt'))", False),
    "other path": (f"{HERE}__path__ = [os.path.join(here, 'alt')]", False),
    "replaced module": (
        (
            f"{HERE}import types\nnew = types.ModuleType('new')\n"
            f"new.Target = {MAKE_BAD}\nsys.modules[__name__ + '.module'] = new"
        ),
        False,
    ),
    "write": ("from .module import Target\nTarget.title = 'bad'", False),
    "replaced class": (f"from . import module\nmodule.Target = {MAKE_BAD}", False),
    "computed name": (
        (
            "from . import module\nfor name in ['Target']:\n"
            f"    setattr(module, name, {MAKE_BAD})"
        ),
        False,
    ),
    "finder": (SERVED, False),
    "star": ("from .module import *", True),
    "locals": ("def go(names):\n    pass\ngo(locals())", True),
    "globals": ("globals()['Target'] = globals()['module'] = 5", True),
    "words": ("WORDS = ['exec', 'globals', 'vars']", True),
    "exec": ("exec('from . import module as m; m.Target.title = \"bad\"')", False),
    "write through locals": (
        (
            "from . import module\ndef go(names):\n"
            "    names['module'].Target.title = 'bad'\ngo(locals())"
        ),
        False,
    ),
    "more directories": (
        "__path__ = __import__('pkgutil').extend_path(__path__, __name__)",
        True,
    ),
    "other directories": (
        (
            f"{HERE}def __import__(name):\n    class Made:\n"
            "        extend_path = lambda *_: [os.path.join(here, 'alt')]\n"
            "    return Made\n"
            "__path__ = __import__('pkgutil').extend_path(__path__, __name__)"
        ),
        False,
    ),
    "unreadable": ("x = 1 +", False),
}
CHAINS = {
    "direct": ("from base{n} import Target", True),
    "through the module": ("import base{n}\nTarget = base{n}.Target", True),
    "replaced": (
        (
            "import base{n}\nbase{n}.Target = MAKE_BAD\n"
            "from base{n} import Target as T\nclass Target(T): pass"
        ),
        False,
    ),
    "earlier path": (
        (
            f"{HERE}sys.path.insert(0, os.path.join(here, 'alt'))\n"
            "from base{n} import Target as T\nclass Target(T): pass"
        ),
        False,
    ),
    "earlier path in place": (
        (
            f"{HERE}sys.path[:0] = [os.path.join(here, 'alt')]\n"
            "from base{n} import Target as T\nclass Target(T): pass"
        ),
        False,
    ),
    "site": (
        (
            f"{HERE}import site\nsite.addsitedir(os.path.join(here, 'alt'))\n"
            "sys.path.reverse()\nfrom base{n} import Target as T\nclass Target(T): pass"
        ),
        False,
    ),
    "shadowed by a submodule": (
        (
            "from base{n} import Target\ntry:\n    import plug{n}.Target\n"
            "except ImportError:\n    pass"
        ),
        False,
    ),
}


def prove(target: str, names: Iterable[str] = NAMES) -> dict[str, Any]:
    """Return the static facts of a class that nothing is remembered of."""
    module, _, attr = target.partition(":")
    search = Search((*sys.path,), frozenset(), fs.clock, learned_facts()._ask_finders)
    return ClassFacts(Modules(search, Sources(fs.clock()))).prove(module, attr, names)


@pytest.mark.parametrize("parent", PARENTS)
def test_a_parent_package_makes_no_fact_wrong(
    parent: str, site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, proven = PARENTS[parent]
    name = f"plug{next(_numbers)}"
    plant(
        site,
        {
            name: {
                "__init__.py": source,
                "module.py": GOOD,
                "alt": {"module.py": BAD},
            }
        },
    )
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path])
    assert prove(f"{name}.module:Target") == ({"title": "good"} if proven else {})
    found = actual(f"{name}.module", "Target")
    if parent != "unreadable":
        assert found.title == ("good" if proven else "bad")


@pytest.mark.parametrize("chain", CHAINS)
def test_a_module_between_plugin_and_base_makes_no_fact_wrong(
    chain: str, site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, proven = CHAINS[chain]
    number = next(_numbers)
    source = source.format(n=number).replace("MAKE_BAD", MAKE_BAD)
    base = f"base{number}.py"
    plant(
        site,
        {
            base: GOOD,
            f"plug{number}": {
                "__init__.py": source,
                "Target.py": "title = 'bad'",
                "alt": {base: BAD},
            },
        },
    )
    monkeypatch.setattr(sys, "path", [*sys.path])
    expected = {"title": "good"} if proven else {}
    if "submodule" not in chain and "path" not in chain:
        (site / f"plug{number}" / "Target.py").unlink()
    assert prove(f"plug{number}:Target") == ({} if "submodule" in chain else expected)
    assert actual(f"plug{number}", "Target").title == ("good" if proven else "bad")


# Known base classes that take part in the order, but bind nothing.
KNOWN = ["ABC", "Generic[T]", "object"]


@st.composite
def classes(draw: Any) -> str:
    """Return the source of classes that inherit from each other in any way."""
    source = (
        "from abc import ABC\nfrom typing import Generic, TypeVar\nT = TypeVar('T')\n"
    )
    names: list[str] = []
    for number in range(draw(st.integers(3, 6))):
        nearest = [*reversed(names)]
        bases = draw(
            st.lists(st.sampled_from(nearest + KNOWN), max_size=3, unique=True)
        )
        subscript = draw(st.integers(0, 9)) == 0
        listed = [
            f"{each}[T]" if subscript and each in names else each for each in bases
        ]
        name = f"K{number}"
        body = draw(st.sampled_from(["pass", f"title = {name!r}"]))
        source += f"class {name}({', '.join(listed)}):\n    {body}\n"
        names.append(name)
    return f"{source}class Target({names[-1]}):\n    pass\n"


ABC_IS_LATE = """\
from abc import ABC
class P:
    title = "P"
class A(ABC, P):
    pass
class B(ABC):
    title = "B"
class Target(A, B):
    pass
"""


@pytest.mark.covers
@examples(200)
@example(ABC_IS_LATE)
@given(classes())
def test_the_first_class_in_pythons_order_counts(site: Path, source: str) -> None:
    name = f"plug{next(_numbers)}"
    plant(site, {f"{name}.py": source})
    try:
        found, facts = actual(name, "Target"), prove(f"{name}:Target")
        if found is not None and facts:
            assert facts["title"] == found.title
        Counts.given += bool(facts) and found is not None
        Counts.proven += 1
    finally:
        sys.modules.pop(name, None)
        (site / f"{name}.py").unlink()


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (GOOD + "\0", {}),
        ("\f" + GOOD + "\f", {"title": "good"}),
        (GOOD.replace("\n", "\r"), {"title": "good"}),
        (GOOD.encode("utf-8-sig"), {"title": "good"}),
        (GOOD.encode("utf-16"), {}),
        (
            "# coding: latin-1\nclass Target: title = '\xe9'".encode("latin-1"),
            {"title": "\xe9"},
        ),
        (b"class Target: title = '\xff'", {}),
        (b"# coding: unknown-8\n" + GOOD.encode(), {}),
        (
            (
                b"# coding: raw_unicode_escape\nclass Target:\n  title = 'a'\n"
                b"  #\\u000a  title = 'b'\n"
            ),
            {},
        ),
        (GOOD + "#" * (1 << 20), {}),
        ("class Target: extensions = " + "[" * 90 + "]" * 90, {"extensions"}),
        ("class Target: title = " + "(" * 150 + "'a'" + ")" * 150, {"title": "a"}),
        ("class Target: title = " + "'a' + " * 5_000 + "'b'", {}),
        ("class Target: priority = " + "-" * 900 + "1", {}),
        ("class Target: title = " + "'a' " * 5_000, {"title": "a" * 5_000}),
        ("class Target: priority = " + "1" * 5_000, {}),
    ],
)
def test_unusual_sources_make_no_fact_wrong(
    source: "str | bytes", expected: Any, site: Path
) -> None:
    name = f"plug{next(_numbers)}"
    plant(site, {f"{name}.py": source})
    facts = prove(f"{name}:Target")
    if isinstance(expected, set):
        assert facts.keys() == expected
    else:
        assert facts == expected
    found = actual(name, "Target")
    for key, value in facts.items():
        assert getattr(found, key) == value


def test_facts_were_found_in_some_of_them() -> None:
    if Counts.proven < 400:
        pytest.skip("too few were tried in this process")
    assert Counts.given > Counts.proven / 10, (Counts.given, Counts.proven)
