"""Damage learned facts: the summaries stay right, and the file is repaired.

Damage that is possible in an index as well is tried in test_damage. stevedore has
nothing like learned facts, so there is nothing to compare with.
"""

import json
from functools import partial
from typing import Any

import pytest

import lazyplug
from lazyplug.cli.verifying import damages
from tests.support.damage import (
    beyond,
    difference,
    fewer,
    picked,
)
from tests.support.fixtures import Count
from tests.support.index_format import TITLE_LENGTH, digest, title
from tests.support.index_heads import NO_JSON, in_lines
from tests.support.learned_facts import SAMPLE, Learned, end


def test_the_facts_that_are_damaged_below_are_used(learned: Learned) -> None:
    assert ("g", "p0", "It changed.") in learned.truth
    assert ("h", "p1", "The caf\u00e9 1.") in learned.truth
    assert len(learned.truth) == 6
    start = learned.intact.index(b'["summary","g"]\n')
    part = learned.intact[start : learned.intact.index(b'\n["summary","h"]\n', start)]
    evil = part.replace(b"It changed.", b"It is evil.")
    data = learned.intact.replace(part, evil)
    learned.file.write_bytes(data)
    assert learned.query() == learned.truth  # the checksum is that of the old part
    header = data[TITLE_LENGTH:start].replace(
        digest(part).encode(), digest(evil).encode()
    )
    learned.file.write_bytes(title(header) + header + data[start:])
    assert ("g", "p0", "It is evil.") in learned.query()


def headed(data: bytes, head: bytes) -> bytes:
    """Return a facts file with another head and a valid checksum."""
    length = int(data[TITLE_LENGTH - 12 : TITLE_LENGTH - 2])
    header = data[TITLE_LENGTH : TITLE_LENGTH + length]
    changed = head + b"\n" + header.split(b"\n", 3)[3]
    return title(changed) + changed + data[TITLE_LENGTH + length :]


@pytest.mark.timeout(1800)
def test_a_head_that_python_cannot_decode_changes_no_answer(
    learned: Learned, long: bool, tally: Count
) -> None:
    def harm(head: bytes, reported: bool = True) -> list[str]:
        learned.file.write_bytes(headed(learned.intact, head))
        faults = []
        if bool(damages(str(learned.file))) != reported:
            faults.append("not reported" if reported else "reported")
        faults += [difference(learned.query(), learned.truth) for _ in range(2)]
        return [fault for fault in faults if fault]

    lines = learned.intact[TITLE_LENGTH:].split(b"\n")[:3]
    head = [json.loads(line) for line in lines]
    with tally(
        "nesting and numbers beyond Python's limits in the learned facts"
    ) as count:
        for label, text in [*beyond(head, in_lines)][:: 1 if long else 5]:
            # The file of another version, whatever its name, is not damaged.
            reported = not label.startswith('"x') or not label.endswith("at (0, 1)")
            count.check(partial(harm, text, reported), [], label)
        for label, text in NO_JSON.items():
            count.check(partial(harm, text), [], label)


def test_only_the_parts_of_learned_facts_that_are_requested_are_read(
    learned: Learned, long: bool, tally: Count
) -> None:
    start = learned.intact.rindex(b'["summary","h"]\n')

    def harm(at: int) -> list[str]:
        byte = bytes([learned.intact[at] ^ 1])
        damaged = learned.intact[:at] + byte + learned.intact[at + 1 :]
        learned.file.write_bytes(damaged)
        lazyplug.invalidate_caches()
        manager = lazyplug.ExtensionManager[Any]("g")
        found = tuple(("g", each.name, each.summary) for each in manager)
        end()
        faults = [difference(found, tuple(r for r in learned.truth if r[0] == "g"))]
        if learned.file.read_bytes() != damaged:
            faults.append("written")
        faults.append(difference(learned.query(), learned.truth))
        if learned.file.read_bytes() != learned.intact:
            faults.append("not repaired")
        return [fault for fault in faults if fault]

    picks = fewer(picked(0, long, SAMPLE))
    length = learned.intact.index(b'["summary","summary"]\n', start) - 1 - start
    with tally("damage to a part of the learned facts that is not requested") as count:
        for at in range(start, start + length)[picks]:
            count.check(partial(harm, at), [], str(at))
