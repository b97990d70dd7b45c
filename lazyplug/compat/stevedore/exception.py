"""Define the exceptions of stevedore, each derived from lazyplug's of the same name."""

import lazyplug


class NoUniqueMatch(lazyplug.NoUniqueMatch):
    """Raised if no extension, or several, match where exactly one is expected."""


class NoMatches(NoUniqueMatch, lazyplug.NoMatches):
    """Raised if no extension matches."""


class MultipleMatches(NoUniqueMatch, lazyplug.MultipleMatches):
    """Raised if several extensions have one name."""
