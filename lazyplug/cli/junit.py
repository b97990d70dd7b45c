"""Write the result of a check as JUnit XML, which CI services show."""

from xml.etree.ElementTree import Element, ElementTree, SubElement

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

# XML has no way to write most control characters.
_ALLOWED = "\t\n"


def write_junit(rows: "Sequence[dict[str, Any]]", file: str) -> None:
    """Write one test case for each row."""
    suite = Element("testsuite", name="lazyplug check", tests=str(len(rows)))
    numbers = {"failure": 0, "skipped": 0}
    for row in rows:
        case = SubElement(
            suite,
            "testcase",
            classname=_text(row["group"]),
            name=_text(row["name"]),
            time=f"{row['seconds']:.3f}",
        )
        kind = {"ok": "", "excluded": "skipped", "skipped": "skipped"}.get(
            row["state"], "failure"
        )
        if kind:
            numbers[kind] += 1
            text = f"{row['distribution']}: {row['message']}"
            detail = SubElement(case, kind, type=row["state"], message=_text(text))
            detail.text = _text(row["traceback"])
    suite.set("failures", str(numbers["failure"]))
    suite.set("skipped", str(numbers["skipped"]))
    ElementTree(suite).write(file, encoding="utf-8", xml_declaration=True)


def _text(text: str) -> str:
    return "".join(
        char
        if char in _ALLOWED or char.isprintable()
        else char.encode("unicode_escape").decode()
        for char in text
    )
