"""Which versions work together: judged on metadata, before any import."""

import os

from ._exceptions import LazyplugError, bad_choice
from ._foreign import open_distribution
from ._scan import identify, normalise, read

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._choice import Choice
    from ._index import Owner


def incompatible(choice: "Choice", owner: "Owner") -> str:
    """Say why a distribution does not work with the host; "" if nothing is against it.

    Reads its metadata. Imports packaging where versions are compared, and raises
    LazyplugError if it is not there; InvalidChoice if the host's own are no versions.
    """
    from ._choice import fits

    for source, pattern, wanted in choice._versions:
        if fits(owner[0], pattern):
            name, version, _ = identify(owner)
            if not _within(version, wanted, source):
                return f"incompatible: {name} {version} is not {wanted} ({source})"
    host = normalise(choice.host)
    if not choice.api or owner[0] == host:
        return ""
    for text in requirements(owner):
        if normalise(_name(text)) == host and not _admits(text, choice.api):
            name, version, _ = identify(owner)
            label = f"{name} {version}".rstrip()
            spoken = ", ".join(choice.api)
            return f"incompatible: {label} requires {text!r}, and this is {spoken}"
    return ""


def requirements(owner: "Owner") -> "list[str]":
    """Return what a distribution requires, as its metadata has it."""
    _, path, file, _ = owner
    if isinstance(path, str) and file.endswith(".dist-info"):
        text, _, _ = read(os.path.join(path, file, "METADATA"), os)
        if text:
            head = text.replace("\r\n", "\n").partition("\n\n")[0]
            return [
                line[14:].strip()
                for line in head.split("\n")
                if line[:14].lower() == "requires-dist:"
            ]
    opened = open_distribution(owner)
    return list((opened and opened.requires) or ())


def _name(requirement: str) -> str:
    """Return the name in a requirement.

    >>> _name("Foo.Bar[x]>=1; python_version>'3'"), _name("foo (>=1)"), _name("foo")
    ('Foo.Bar', 'foo', 'foo')
    """
    for at, char in enumerate(requirement):
        if not (char.isalnum() or char in "-_."):
            return requirement[:at]
    return requirement


def _packaging() -> "Any":
    try:
        from packaging import requirements, specifiers, version
    except ModuleNotFoundError as error:
        raise LazyplugError(
            "versions of plugins are to be compared, and packaging is not installed:"
            " pip install lazyplug[versions]"
        ) from error
    return requirements, specifiers, version


def _within(version: str, wanted: str, source: str) -> bool:
    _, specifiers, versions = _packaging()
    try:
        known = specifiers.SpecifierSet(wanted)
    except specifiers.InvalidSpecifier as error:
        raise bad_choice(source, f"versions: {error}; say '>=1.2,<2'") from error
    try:
        return bool(known.contains(version, prereleases=True))
    except versions.InvalidVersion:
        return False  # it cannot be said that it is


def _admits(requirement: str, spoken: "tuple[str, ...]") -> bool:
    """Does a requirement admit one of these versions, where it counts here?"""
    requirements, _, versions = _packaging()
    try:
        known = requirements.Requirement(requirement)
        if known.marker is not None and not known.marker.evaluate({"extra": ""}):
            return True
    except (requirements.InvalidRequirement, ValueError):
        return True  # an installer would have refused it: it says nothing
    try:
        return any(
            known.specifier.contains(versions.Version(each), prereleases=True)
            for each in spoken
        )
    except versions.InvalidVersion as error:
        raise bad_choice("code", f"api: {error}; say '2.3'") from error
