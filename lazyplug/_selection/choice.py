"""Define Choice: which extensions a host uses, decided before any import."""

import os
import sys

from .. import _messages as messages
from .._faults.errors import bad_choice
from .._files import has_elevated_privileges
from .._indexing.metadata import normalize
from .._printable import list_words
from .._settings import get_setting

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import Any

    from .._exceptions import InvalidChoice

    # The text of the pattern, then shell-style patterns of the group, the name and the
    # key of the distribution. None: any.
    Pattern = tuple[str, str | None, str | None, str | None]
    # source, patterns
    Rule = tuple[str, tuple[Pattern, ...]]

_PACKAGE = (__package__ or "").rpartition(".")[0]
_OPERATORS = {"<", "<=", "!=", "==", ">=", ">", "~=", "==="}
_KEYS = ("allow", "deny", "safe_mode", "versions")


class Choice:
    """The rules that decide which extensions of a manager are enabled.

    A Choice is immutable; every manager accepts one as `choice=`. No excluded extension
    is imported; `manager.excluded` has the reasons. A pattern is
    `[GROUP=][NAME][@DISTRIBUTION]`. A part that is missing matches anything; the others
    are shell-style patterns, as in the module fnmatch: `json`, `myapp.checks=*`,
    `@acme-*`, `myapp.loaders=json@acme-loaders`.

    An extension is enabled unless one of these rules excludes it, in this order:

    1. safe mode, which enables only extensions of the host's own distribution;
    2. the deny lists, all of which apply: `LAZYPLUG_DENY`, and those of the
       constructor, of `configured()` and of `environment()`;
    3. the allow list that one of these three has set last; for groups that
       `LAZYPLUG_ALLOW` names, that list instead. An empty list enables nothing, None
       everything;
    4. `versions` and `api`;
    5. `facts`, which is called only for what no other rule excludes.

    :param allow: patterns of the extensions to enable; None: all.
    :param deny: patterns of the extensions to exclude.
    :param host: the name of the host's own distribution.
    :param safe_mode: True enables only extensions of the host's own distribution.
        Extensions without a distribution (modules of a package, and extensions that
        are registered in code) belong to the host as well.
    :param api: the version of the host's plugin interface, or several versions if the
        host supports them. A distribution whose requirements of the host admit none of
        these versions is excluded.
    :param versions: version specifiers (PEP 440) by patterns of distributions. A
        distribution of another version is excluded. Needs packaging
        (`pip install lazyplug[versions]`), as `api` does if a distribution requires
        the host.
    :param facts: a function that is called with the facts of an extension, and returns
        False to exclude it. The facts are a read-only mapping, before `Facts.schema` is
        applied. If the function raises LookupError, as `facts["kind"]` does for a fact
        that is unknown, the extension is enabled. Needs a manager with `facts=`.

    Raises InvalidChoice, whose message has the source of the mistake and a correction.
    """

    __module__ = _PACKAGE
    __slots__ = ("_allowed", "_denied", "_safe", "_versions", "api", "facts", "host")
    if TYPE_CHECKING:
        _allowed: Rule | None
        _denied: tuple[Rule, ...]
        # the source that turned on safe mode, or ""
        _safe: str
        # source, pattern of distributions, version specifier
        _versions: tuple[tuple[str, str, str], ...]
        api: tuple[str, ...]
        """The versions of the plugin interface that the host supports."""
        facts: Callable[[Mapping[str, Any]], object] | None
        """The function that decides by the facts of an extension, if any."""
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
        facts: "Callable[[Mapping[str, Any]], object] | None" = None,
    ) -> None:
        if facts is not None and not callable(facts):
            raise _invalid("code", facts, "facts argument", messages.A_CALLABLE)
        self._fill(
            _allowed=None,
            _denied=(),
            _safe="",
            _versions=(),
            host=_text(host, "host", "a string"),
            api=_api_versions(api),
            facts=facts,
        )
        if self.api and not host:
            raise bad_choice("code", messages.NEEDS_HOST.format(option="api="))
        self._add("code", allow, deny, safe_mode, versions)

    def _fill(self, **fields: "Any") -> None:
        for name, value in fields.items():
            object.__setattr__(self, name, value)

    def _add(
        self, source: str, allow: "Any", deny: "Any", safe_mode: "Any", versions: "Any"
    ) -> None:
        """Add the options of a source; None: the option is not set."""
        if allow is not None:
            self._fill(_allowed=(source, _patterns(allow, "allow", source)))
        denied = _patterns(() if deny is None else deny, "deny", source)
        if denied:
            self._fill(_denied=(*self._denied, (source, denied)))
        both = {known[0] for known in denied}.intersection(
            known[0] for known in (self._allowed or ("", ()))[1]
        )
        if allow is not None and both:
            warn(
                messages.ALLOWED_AND_DENIED.format(
                    source=source, patterns=list_words(sorted(both))
                )
            )
        if safe_mode is not None:
            if not isinstance(safe_mode, bool):
                raise _invalid(
                    source, safe_mode, "value", messages.TRUE_OR_FALSE, "safe_mode: "
                )
            if safe_mode and not self.host:
                raise bad_choice(source, messages.NEEDS_HOST.format(option="safe_mode"))
            self._fill(_safe=source if safe_mode else "")
        if versions is not None:
            self._fill(_versions=(*self._versions, *_ranges(versions, source)))

    def configured(
        self, settings: "Mapping[str, Any]", source: str = "the configuration"
    ) -> "Choice":
        """Return this choice with the options of a configuration added.

        :param settings: `allow` and `deny` (lists of patterns), `safe_mode` (a bool),
            `versions` (a table), all optional; for example the table
            `[tool.myapp.plugins]` of a pyproject.toml.
        :param source: the name of the file, for reasons and errors.

        Raises InvalidChoice if it is not such a table.
        """
        if not hasattr(settings, "keys"):
            raise _invalid(source, settings, "configuration", "a table")
        for key in settings:
            if key not in _KEYS:
                raise _invalid(source, key, "option", list_words(_KEYS))
        return self._with(source, *(settings.get(key) for key in _KEYS))

    def environment(self, prefix: str) -> "Choice":
        """Return this choice with the options of environment variables added.

        `PREFIX_ALLOW` and `PREFIX_DENY` are patterns separated by commas; an empty
        `PREFIX_ALLOW` enables nothing. `PREFIX_SAFE_MODE` is 1 or 0. Like `LAZYPLUG_*`,
        they are ignored under `python -E` and `-I`, and if the real and the effective
        user or group differ.

        :param prefix: the prefix of the names, `MYAPP_PLUGINS` in `MYAPP_PLUGINS_DENY`.

        Raises InvalidChoice if the value of a variable is not valid.
        """
        found = self
        for key, name in (("allow", "ALLOW"), ("deny", "DENY")):
            name = f"{prefix}_{name}"
            value = _variable(name)
            if value is not None:
                found = found._with(name, **{key: split(value)})
        name = f"{prefix}_SAFE_MODE"
        value = get_setting(name)
        if value:
            if value not in ("0", "1"):
                raise _invalid(name, value, "value", "1 or 0")
            found = found._with(name, safe_mode=value == "1")
        return found

    def _with(
        self,
        source: str,
        allow: "Any" = None,
        deny: "Any" = None,
        safe_mode: "Any" = None,
        versions: "Any" = None,
    ) -> "Choice":
        found = Choice.__new__(Choice)
        found._fill(**{name: getattr(self, name) for name in self.__slots__})
        found._add(source, allow, deny, safe_mode, versions)
        return found

    def _version_rules(self) -> "Iterator[Rule]":
        for source, key, _ in self._versions:
            yield source, ((f"@{key}", None, None, key),)

    def __setattr__(self, name: str, value: object = None) -> None:
        raise AttributeError(messages.IMMUTABLE.format(kind="Choice", name=name))

    if not TYPE_CHECKING:
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
        return _restore, self._key()

    def __repr__(self) -> str:
        fields = [
            f"{name.strip('_')}={getattr(self, name)!r}" for name in self.__slots__
        ]
        return f"<Choice {' '.join(fields)}>"


def _restore(*fields: "Any") -> Choice:
    """Return the choice that has these fields; called by pickle."""
    found = Choice.__new__(Choice)
    found._fill(**dict(zip(Choice.__slots__, fields)))
    return found


# ------------------------------------------------------------------------ reading


def _invalid(
    source: str, value: "Any", what: str, expected: str, option: str = ""
) -> "InvalidChoice":
    text = messages.NOT_VALID.format(value=repr(value), what=what, expected=expected)
    return bad_choice(source, f"{option}{text}")


def _text(value: "Any", what: str, expected: str) -> str:
    if not isinstance(value, str):
        raise _invalid("code", value, what, expected)
    return value


def _api_versions(value: "Any") -> "tuple[str, ...]":
    if isinstance(value, str):
        return (value,)
    if not hasattr(value, "__iter__"):
        raise _invalid("code", value, "api", messages.A_VERSION)
    return tuple(_text(each, "api", messages.A_VERSION) for each in value)


def warn(message: str, about: str = "") -> None:
    from .._log import report_once  # deferred: only for mistakes

    report_once(message, about)


def _variable(name: str) -> "str | None":
    """Return a variable, which may be empty; None if it is not set, or is ignored."""
    empty = os.environ.get(name) == ""
    if empty and not sys.flags.ignore_environment and not has_elevated_privileges():
        return ""
    return get_setting(name) or None


def split(value: str) -> "list[str]":
    """Return the patterns in a variable, which are separated by commas.

    >>> split("json, yaml,"), split("")
    (['json', 'yaml'], [])
    """
    return [text for text in map(str.strip, value.split(",")) if text]


def _patterns(value: "Any", what: str, source: str) -> "tuple[Pattern, ...]":
    if isinstance(value, (str, bytes)) or not hasattr(value, "__iter__"):
        raise _invalid(source, value, f"{what} list", messages.A_LIST_OF_PATTERNS)
    return tuple(parse_pattern(text, source) for text in value)


def parse_pattern(text: str, source: str) -> "Pattern":
    """Return the text of a pattern, and its group, name and distribution.

    A group, name or distribution of None matches any. Raises InvalidChoice if the text
    is not a valid pattern.

    >>> parse_pattern("json", ""), parse_pattern("my.*=*", "")[1:]
    (('json', None, 'json', None), ('my.*', None, None))
    >>> parse_pattern("@Acme-*", "")[1:], parse_pattern("g=a@b.c", "")[1:]
    ((None, None, 'acme_*'), ('g', 'a', 'b_c'))
    """
    if not isinstance(text, str):
        raise _invalid(source, text, "pattern", "a string")
    group, equals, rest = text.rpartition("=")
    name, at, distribution = rest.partition("@")
    parts = group.strip(), name.strip(), key_pattern(distribution.strip())
    is_incomplete = (equals and not parts[0]) or (at and not parts[2])
    if is_incomplete or "@" in parts[2] or not (parts[1] or parts[2]):
        raise _invalid(source, text, "pattern", messages.A_PATTERN)
    kept = [None if part in {"", "*"} else part for part in parts]
    for part in filter(None, kept):
        fault = fault_of(part)
        if fault:
            raise bad_choice(
                source, messages.INVALID_PATTERN.format(pattern=text, fault=fault)
            )
    return text, kept[0], kept[1], kept[2]


def key_pattern(text: str) -> str:
    """Return a pattern of distribution names as a pattern of their keys.

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
        found += normalize(literal) + (f"[{members}]" if inside else after)
    return found


def classes(text: str) -> "Iterator[tuple[str, str, str]]":
    """Yield the text before each character class, the class, and an unclosed rest.

    The last item has no class; its third part begins with the unclosed bracket.

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
    """Return why a pattern is not valid; "" if it is valid.

    >>> fault_of("a[b-d]*"), fault_of("[z-a]"), fault_of("[a")
    ('', "its range 'z-a' is empty", "'[' is never closed; for a bracket, write '[[]'")
    """
    for _, inside, unclosed in classes(pattern):
        if unclosed:
            return messages.UNCLOSED_BRACKET
        members = inside.removeprefix("!")
        at = members.find("-", 1)
        while 0 < at < len(members) - 1:
            if members[at - 1] > members[at + 1]:
                return messages.EMPTY_RANGE.format(members=members[at - 1 : at + 2])
            at = members.find("-", at + 3)
    return ""


def fits(text: str, wanted: "str | None") -> bool:
    """Return True if a text matches a shell-style pattern; None matches all.

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


def _ranges(value: "Any", source: str) -> "tuple[tuple[str, str, str], ...]":
    if not hasattr(value, "items"):
        raise _invalid(
            source, value, "table", messages.A_TABLE_OF_VERSIONS, "versions: "
        )
    found = []
    for name, wanted in value.items():
        if not isinstance(name, str) or not isinstance(wanted, str) or not name:
            table = {name: wanted}
            raise _invalid(
                source, table, "table", messages.A_TABLE_OF_VERSIONS, "versions: "
            )
        if not _is_range(wanted):
            raise invalid_specifier(source, wanted, name)
        key = key_pattern(name)
        fault = fault_of(key)
        if fault:
            reason = messages.INVALID_PATTERN.format(pattern=name, fault=fault)
            raise bad_choice(source, f"versions: {reason}")
        found.append((source, key, wanted))
    return tuple(found)


def invalid_specifier(source: str, wanted: str, name: str) -> "InvalidChoice":
    """Return the error for a version specifier of `versions`."""
    return bad_choice(
        source, messages.INVALID_SPECIFIER.format(value=wanted, name=name)
    )


def _is_range(text: str) -> bool:
    """Return True if the text looks like a version specifier (PEP 440).

    packaging checks it completely, but is imported only to compare versions.

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
