"""The errors of stevedore; each is also the one of lazyplug that has its name."""

import lazyplug


class NoUniqueMatch(lazyplug.NoUniqueMatch):
    """None, or several, where exactly one was asked for."""


class NoMatches(NoUniqueMatch, lazyplug.NoMatches):
    """No extension of that name, or none at all."""


class MultipleMatches(NoUniqueMatch, lazyplug.MultipleMatches):
    """Several extensions of one name."""
