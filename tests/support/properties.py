"""Set the number of examples that hypothesis tries."""

from hypothesis import settings


def examples(number: int) -> settings:
    """Return the settings to try a property with this many examples.

    The profile `long` tries twenty times as many, `sample` a tenth.
    """
    # Without a profile, hypothesis tries 100.
    return settings(
        max_examples=max(1, number * settings().max_examples // 100), deadline=None
    )
