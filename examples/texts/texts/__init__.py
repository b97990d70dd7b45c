"""Print a file in the requested format. Formats are plugins."""

import argparse
from collections.abc import Callable

from lazyplug import DriverManager, ExtensionManager, NoMatches

# The type of a plugin of the group `texts.formats`.
Format = Callable[[str], str]


def plain(text: str) -> str:
    """Leave the text unchanged."""
    return text


def main() -> None:
    """Run the program `texts`."""
    # Neither importing nor listing them runs any code of a plugin.
    formats = ExtensionManager[Format]("texts.formats")
    lines = [f"  {each.name:10} {each.summary}" for each in formats]
    parser = argparse.ArgumentParser(
        prog="texts",
        description=__doc__,
        epilog="formats:\n" + "\n".join(sorted(lines)),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("format", help="one of the formats below")
    parser.add_argument("file", type=argparse.FileType(encoding="utf-8"))
    options = parser.parse_args()
    try:
        driver = DriverManager[Format]("texts.formats", options.format)
    except NoMatches as error:
        parser.error(str(error))
    with options.file as file:
        # The plugin is imported here.
        print(driver.driver(file.read()), end="")
