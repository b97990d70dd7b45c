"""Which versions work together: judged on metadata, before any import."""

from .._distribution import identify, label, requirements_of
from .._exceptions import LazyplugError
from .._faults.messages import bad_choice
from .._indexing.metadata import normalise

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .._types import Owner
    from .choice import Choice


def incompatible(choice: "Choice", owner: "Owner") -> str:
    """Say why a distribution does not work with the host; "" if nothing is against it.

    Reads its metadata. Imports packaging where versions are compared, and raises
    LazyplugError if it is not there; InvalidChoice if the host's own are no versions.
    """
    from .choice import fits

    for source, pattern, wanted in choice._versions:
        if fits(owner[0], pattern):
            name, version, _ = identify(owner)
            if not _within(version, wanted, source):
                said = f"{name} {version}" if version else f"{name}, without a version,"
                return f"incompatible: {said} is not {wanted} ({source})"
    host = normalise(choice.host)
    if not choice.api or owner[0] == host:
        return ""
    asked = [text for text in requirements_of(owner) if normalise(_name(text)) == host]
    if not asked or _admits(asked, choice.api):
        return ""
    wanted = " and ".join(map(repr, asked))
    spoken = ", ".join(choice.api)
    return f"incompatible: {label(owner)} requires {wanted}, and this is {spoken}"


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


def _admits(asked: "list[str]", spoken: "tuple[str, ...]") -> bool:
    """Do requirements, of those that count here, all admit one of these versions?"""
    requirements, _, versions = _packaging()
    specifiers = []
    for text in asked:
        try:
            known = requirements.Requirement(text)
            if known.marker is None or known.marker.evaluate({"extra": ""}):
                specifiers.append(known.specifier)
        except (requirements.InvalidRequirement, ValueError):
            continue  # an installer would have refused it: it says nothing
    try:
        ours = [versions.Version(each) for each in spoken]
    except versions.InvalidVersion as error:
        raise bad_choice("code", f"api: {error}; say '2.3'") from error
    return any(
        all(specifier.contains(version, prereleases=True) for specifier in specifiers)
        for version in ours
    )
