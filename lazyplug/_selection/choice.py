"""Which extensions a host takes: decided on what is declared, before any import."""

import os
import sys

from .._faults.messages import bad_choice, near_misses
from .._files import elevated
from .._indexing.metadata import normalise
from .._printable import quoted
from .._settings import setting

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import Any

    # as it was written; then group, name and the key of the distribution, each as
    # shells match it. None: any.
    Pattern = tuple[str, str | None, str | None, str | None]
    # where it was said, and what
    Said = tuple[str, tuple[Pattern, ...]]

_PACKAGE = (__package__ or "").rpartition(".")[0]
_OPERATORS = {"<", "<=", "!=", "==", ">=", ">", "~=", "==="}
_KEYS = ("allow", "deny", "safe_mode", "versions")


class Choice:
    """Which extensions a host takes. None of those that it leaves out is imported.

    An immutable value; every manager takes one as `choice=`. What is left out stands
    in `manager.excluded`, with the reason. A pattern is
    `[GROUP=][NAME][@DISTRIBUTION]`, where what is not said is any, and each part is
    matched as shells do it: `json`, `myapp.checks=*`, `@acme-*`,
    `myapp.loaders=json@acme-loaders`.

    An extension is taken if nothing of the following is against it, in this order:

    1. safe mode, which leaves what the host's own distribution declares;
    2. the deny lists, of which each counts: `LAZYPLUG_DENY`, and those given here, in
       `configured()` and in `environment()`;
    3. the allow list that was given last, of these; but for groups that
       `LAZYPLUG_ALLOW` names, that one. An empty one leaves nothing, None everything;
    4. `versions` and `api`.

    :param allow: patterns of what is taken; None: everything.
    :param deny: patterns of what is not.
    :param host: the name of the host's own distribution.
    :param safe_mode: leave only what the host's own distribution declares? What has no
        distribution, modules of a package and what is registered in code, is the
        host's as well.
    :param api: the version of the host's plugin interface, or the versions that it
        speaks: a distribution that requires the host in none of them is left out.
    :param versions: ranges of versions (PEP 440), by patterns of distributions: others
        are left out. Needs packaging (`pip install lazyplug[versions]`), as `api` does
        where a plugin's distribution requires the host.

    Raises InvalidChoice, which says where the mistake is, and what to write.
    """

    __module__ = _PACKAGE
    __slots__ = ("_allowed", "_denied", "_safe", "_versions", "api", "host")
    if TYPE_CHECKING:
        _allowed: Said | None
        _denied: tuple[Said, ...]
        # who asked for safe mode; "": nobody
        _safe: str
        # by whom, for which distributions, which range
        _versions: tuple[tuple[str, str, str], ...]
        api: tuple[str, ...]
        """The versions of the plugin interface that the host speaks."""
        host: str
        """The name of the host's own distribution."""

    def __init__(
        self,
        allow: "Iterable[str] | None" = None,
        deny: "Iterable[str]" = (),
        *,
        host: str = "",
        safe_mode: bool = False,
        api: "str | Sequence[str]" = (),
        versions: "Mapping[str, str] | None" = None,
    ) -> None:
        self._fill(
            _allowed=None,
            _denied=(),
            _safe="",
            _versions=(),
            host=_text(host, "host"),
            api=_spoken(api),
        )
        if self.api and not host:
            raise bad_choice("code", "api= needs host=, whose requirements it judges")
        self._say("code", allow, deny, safe_mode, versions)

    def _fill(self, **fields: "Any") -> None:
        for name, value in fields.items():
            object.__setattr__(self, name, value)

    def _say(
        self, source: str, allow: "Any", deny: "Any", safe_mode: "Any", versions: "Any"
    ) -> None:
        """Add what a source says; None: it says nothing."""
        if allow is not None:
            self._fill(_allowed=(source, _patterns(allow, "allow", source)))
        denied = _patterns(() if deny is None else deny, "deny", source)
        if denied:
            self._fill(_denied=(*self._denied, (source, denied)))
        both = {known[0] for known in denied}.intersection(
            known[0] for known in (self._allowed or ("", ()))[1]
        )
        if allow is not None and both:
            warn(f"{source} both allows and denies {quoted(sorted(both))}: denied")
        if safe_mode is not None:
            if not isinstance(safe_mode, bool):
                raise bad_choice(
                    source, f"safe_mode is {safe_mode!r}: say true or false"
                )
            if safe_mode and not self.host:
                raise bad_choice(source, "safe mode needs host= of the Choice")
            self._fill(_safe=source if safe_mode else "")
        if versions is not None:
            self._fill(_versions=(*self._versions, *_ranges(versions, source)))

    def configured(
        self, settings: "Mapping[str, Any]", source: str = "the configuration"
    ) -> "Choice":
        """Return this choice with what a configuration says.

        :param settings: `allow` and `deny` (lists of patterns), `safe_mode` (a bool),
            `versions` (a table), all optional; as `[tool.myapp.plugins]` of a
            pyproject.toml would have them.
        :param source: the name of the file, for reasons and errors.

        Raises InvalidChoice if it is not such a table.
        """
        if not hasattr(settings, "keys"):
            raise bad_choice(source, f"{settings!r} is no table")
        for key in settings:
            if key not in _KEYS:
                near = near_misses(str(key), _KEYS) or _KEYS
                raise bad_choice(
                    source,
                    f"{key!r} is not known; did you mean {quoted(sorted(near))}?",
                )
        return self._also(source, *(settings.get(key) for key in _KEYS))

    def environment(self, prefix: str) -> "Choice":
        """Return this choice with what environment variables say.

        `PREFIX_ALLOW` and `PREFIX_DENY` are patterns between commas; `PREFIX_ALLOW` set
        to nothing allows nothing. `PREFIX_SAFE_MODE` is 1 or 0. They are ignored where
        `LAZYPLUG_*` are: under `-E` and `-I`, and for another user's rights.

        :param prefix: how the names begin, `MYAPP_PLUGINS` for `MYAPP_PLUGINS_DENY`.

        Raises InvalidChoice if one is not understood.
        """
        found = self
        for key, name in (("allow", "ALLOW"), ("deny", "DENY")):
            name = f"{prefix}_{name}"
            value = _variable(name)
            if value is not None:
                found = found._also(name, **{key: split(value)})
        name = f"{prefix}_SAFE_MODE"
        value = setting(name)
        if value:
            if value not in ("0", "1"):
                raise bad_choice(name, f"{value!r} is not understood: say 1 or 0")
            found = found._also(name, safe_mode=value == "1")
        return found

    def _also(
        self,
        source: str,
        allow: "Any" = None,
        deny: "Any" = None,
        safe_mode: "Any" = None,
        versions: "Any" = None,
    ) -> "Choice":
        found = Choice.__new__(Choice)
        found._fill(**{name: getattr(self, name) for name in self.__slots__})
        found._say(source, allow, deny, safe_mode, versions)
        return found

    def _of_versions(self) -> "Iterator[Said]":
        for source, key, _ in self._versions:
            yield source, ((f"@{key}", None, None, key),)

    def __setattr__(self, name: str, value: object = None) -> None:
        raise AttributeError(f"Choice objects are immutable: {name!r} not set")

    __delattr__ = __setattr__

    def _key(self) -> "tuple[Any, ...]":
        return tuple(getattr(self, name) for name in self.__slots__)

    def __eq__(self, other: object) -> bool:
        return (
            self._key() == other._key() if isinstance(other, Choice) else NotImplemented
        )

    def __hash__(self) -> int:
        return hash(self._key())

    def __reduce__(self) -> "tuple[Any, ...]":
        return _again, self._key()

    def __repr__(self) -> str:
        said = [f"{name.strip('_')}={getattr(self, name)!r}" for name in self.__slots__]
        return f"<Choice {' '.join(said)}>"


def _again(*fields: "Any") -> Choice:
    """Make a choice anew from what pickle took apart."""
    found = Choice.__new__(Choice)
    found._fill(**dict(zip(Choice.__slots__, fields)))
    return found


# ------------------------------------------------------------------------ reading


def _text(given: "Any", what: str) -> str:
    if not isinstance(given, str):
        raise bad_choice("code", f"{what} is {given!r}: it must be text")
    return given


def _spoken(given: "Any") -> "tuple[str, ...]":
    if isinstance(given, str):
        return (given,)
    if not hasattr(given, "__iter__"):
        raise bad_choice("code", f"api is {given!r}: say '2.3'")
    return tuple(_text(each, "a version of api") for each in given)


def warn(message: str, about: str = "") -> None:
    from .._log import report_once  # deferred: where there is a mistake

    report_once(message, about)


def _variable(name: str) -> "str | None":
    """Return a variable that may be set to nothing; None: it is not set, or ignored."""
    empty = os.environ.get(name) == ""
    if empty and not sys.flags.ignore_environment and not elevated():
        return ""
    return setting(name) or None


def split(value: str) -> "list[str]":
    """Return the patterns in a variable.

    >>> split("json, yaml,"), split("")
    (['json', 'yaml'], [])
    """
    return [text for text in map(str.strip, value.split(",")) if text]


def _patterns(given: "Any", what: str, source: str) -> "tuple[Pattern, ...]":
    if isinstance(given, (str, bytes)) or not hasattr(given, "__iter__"):
        raise bad_choice(source, f"{what} is {given!r}: say a list of patterns")
    return tuple(parse_pattern(text, source) for text in given)


def parse_pattern(text: str, source: str) -> "Pattern":
    """Return a pattern, and its group, name and distribution, None for any.

    Raises InvalidChoice if it is none.

    >>> parse_pattern("json", ""), parse_pattern("my.*=*", "")[1:]
    (('json', None, 'json', None), ('my.*', None, None))
    >>> parse_pattern("@Acme-*", "")[1:], parse_pattern("g=a@b.c", "")[1:]
    ((None, None, 'acme_*'), ('g', 'a', 'b_c'))
    """
    if not isinstance(text, str):
        raise bad_choice(source, f"{text!r} is no pattern: it must be text")
    group, equals, rest = text.rpartition("=")
    name, at, distribution = rest.partition("@")
    parts = group.strip(), name.strip(), key_pattern(distribution.strip())
    lacks = (equals and not parts[0]) or (at and not parts[2])
    if lacks or "@" in parts[2] or not (parts[1] or parts[2]):
        raise bad_choice(
            source,
            f"{text!r} is no pattern: say NAME, GROUP=NAME, @DISTRIBUTION, or"
            " GROUP=NAME@DISTRIBUTION",
        )
    kept = [None if part in {"", "*"} else part for part in parts]
    for part in filter(None, kept):
        fault = fault_of(part)
        if fault:
            raise bad_choice(source, f"{text!r} is not a pattern: {fault}")
    return text, kept[0], kept[1], kept[2]


def key_pattern(text: str) -> str:
    """Return a pattern of distributions' names as one of their keys.

    >>> key_pattern("Acme.X-*"), key_pattern("a-[b-d]-E"), key_pattern("a[-.]b")
    ('acme_x_*', 'a_[b-d]_e', 'a[__]b')
    """
    found = ""
    for literal, inside, after in classes(text):
        # A dash is a literal character unless it is between two others.
        members = inside.lower().replace(".", "_")
        start = members.startswith("!")
        if members[start : start + 1] == "-":
            members = members.replace("-", "_", 1)
        if members.endswith("-"):
            members = members[:-1] + "_"
        found += normalise(literal) + (f"[{members}]" if inside else after)
    return found


def classes(text: str) -> "Iterator[tuple[str, str, str]]":
    """Yield the text before each character class, the class, and an unclosed rest.

    The last item has no class; its third part is what follows an unclosed bracket.

    >>> [*classes("a[b-d]e")], [*classes("[!]")]
    ([('a', 'b-d', ''), ('e', '', '')], [('', '', '[!]')])
    """
    while True:
        literal, bracket, rest = text.partition("[")
        # The first character is a member, even if it is a bracket.
        end = rest.find("]", 2 if rest[:1] == "!" else 1)
        if not bracket or end < 0:
            yield literal, "", bracket + rest
            return
        yield literal, rest[:end], ""
        text = rest[end + 1 :]


def fault_of(pattern: str) -> str:
    """Return what is wrong with a pattern; "" if nothing is.

    >>> fault_of("a[b-d]*"), fault_of("[z-a]"), fault_of("[a")
    ('', "its range 'z-a' is empty", "'[' is never closed; for a bracket, write '[[]'")
    """
    for _, inside, unclosed in classes(pattern):
        if unclosed:
            return "'[' is never closed; for a bracket, write '[[]'"
        members = inside.removeprefix("!")
        at = members.find("-", 1)
        while 0 < at < len(members) - 1:
            if members[at - 1] > members[at + 1]:
                return f"its range {members[at - 1 : at + 2]!r} is empty"
            at = members.find("-", at + 3)
    return ""


def fits(text: str, wanted: "str | None") -> bool:
    """Does a text match as shells do it? None matches all.

    >>> fits("json", "j*"), fits("json", None), fits("json", "yaml")
    (True, True, False)
    """
    if wanted is None or text == wanted:
        return True
    if not {"*", "?", "["}.intersection(wanted):
        return False
    if wanted[-1] == "*" and not {"*", "?", "["}.intersection(wanted[:-1]):
        return text.startswith(wanted[:-1])
    from fnmatch import fnmatchcase  # deferred: 5 ms

    return fnmatchcase(text, wanted)


def _ranges(given: "Any", source: str) -> "tuple[tuple[str, str, str], ...]":
    if not hasattr(given, "items"):
        raise bad_choice(source, f"versions is {given!r}: say a table of ranges")
    found = []
    for name, wanted in given.items():
        if not isinstance(name, str) or not isinstance(wanted, str) or not name:
            raise bad_choice(
                source, f"versions has {name!r}: {wanted!r}; say 'NAME': '>=1.2,<2'"
            )
        if not _is_range(wanted):
            raise bad_choice(
                source, f"versions has {name!r}: {wanted!r}; say {name!r}: '>=1.2,<2'"
            )
        key = key_pattern(name)
        fault = fault_of(key)
        if fault:
            raise bad_choice(source, f"versions has {name!r}: {fault}")
        found.append((source, key, wanted))
    return tuple(found)


def _is_range(text: str) -> bool:
    """Does it look like a range? packaging knows better, where it is needed.

    >>> _is_range(">=1.2, <2"), _is_range("~=3.1"), _is_range("=>1"), _is_range(">>>")
    (True, True, False, False)
    """
    for part in text.split(","):
        version = part.strip().lstrip("=!~<>")
        if part.strip()[: -len(version) or None] not in _OPERATORS:
            return False
        if not version.strip()[:1].isalnum():
            return False
    return True
