"""Compare the versions of host and plugins in metadata, before any import."""

from .. import _messages as messages
from .._distribution import identify, label, requirements_of
from .._exceptions import LazyplugError
from .._faults.errors import bad_choice
from .._indexing.metadata import normalize

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .._types import Owner
    from .choice import Choice


def incompatible(choice: "Choice", owner: "Owner") -> str:
    """Return why a distribution is incompatible with the host; "" if it is compatible.

    Reads its metadata. Imports packaging if there are versions to compare. Raises
    LazyplugError if packaging is not installed, and InvalidChoice if a version or a
    specifier of the choice is not valid.
    """
    from .choice import fits

    for source, pattern, wanted in choice._versions:
        if fits(owner[0], pattern):
            name, version, _ = identify(owner)
            if not _within(version, wanted, source, pattern):
                dist = f"{name} {version}"
                if not version:
                    dist = messages.WITHOUT_VERSION.format(name=name)
                return messages.EXCLUDED_BY_VERSION.format(
                    distribution=dist, wanted=wanted, source=source
                )
    host = normalize(choice.host)
    if not choice.api or owner[0] == host:
        return ""
    texts = [text for text in requirements_of(owner) if normalize(_name(text)) == host]
    if not texts or _admits(texts, choice.api):
        return ""
    return messages.EXCLUDED_BY_API.format(
        distribution=label(owner),
        requirements=" and ".join(map(repr, texts)),
        host=choice.host,
        versions=", ".join(choice.api),
    )


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
        from packaging import requirements, specifiers, version  # deferred: optional
    except ModuleNotFoundError as error:
        raise LazyplugError(messages.NO_PACKAGING) from error
    return requirements, specifiers, version


def _within(version: str, wanted: str, source: str, name: str) -> bool:
    _, specifiers, versions = _packaging()
    try:
        specifier = specifiers.SpecifierSet(wanted)
    except specifiers.InvalidSpecifier as error:
        from .choice import invalid_specifier

        raise invalid_specifier(source, wanted, name) from error
    try:
        return bool(specifier.contains(version, prereleases=True))
    except versions.InvalidVersion:
        return False  # an invalid version is in no range


def _admits(texts: "list[str]", api: "tuple[str, ...]") -> bool:
    """Return True if one of these versions meets all requirements that apply here."""
    requirements, _, versions = _packaging()
    specifiers = []
    for text in texts:
        try:
            requirement = requirements.Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                specifiers.append(requirement.specifier)
        except (requirements.InvalidRequirement, ValueError):
            continue  # installers refuse an invalid requirement: ignore it
    candidates = []
    for each in api:
        try:
            candidates.append(versions.Version(each))
        except versions.InvalidVersion as error:
            text = messages.NOT_VALID.format(
                value=repr(each), what="api", expected=messages.A_VERSION
            )
            raise bad_choice("code", text) from error
    return any(
        all(specifier.contains(version, prereleases=True) for specifier in specifiers)
        for version in candidates
    )
