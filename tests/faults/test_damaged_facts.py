"""What was learned is damaged in every way: said is what is true, and it is mended.

What damages an index as well is tried in test_damage. stevedore learns nothing of its
plugins, so that nothing stands beside it.
"""

import json
from functools import partial
from typing import Any

import pytest

import lazyplug
from lazyplug.cli.verifying import damages
from tests.support.damage import (
    beyond,
    compact,
    difference,
    fewer,
    picked,
)
from tests.support.fixtures import Count
from tests.support.heads import NO_JSON
from tests.support.index_format import TITLE_LENGTH, digest, title
from tests.support.learned import SAMPLE, Learned, end


def test_what_is_damaged_below_was_learned_and_is_believed(learned: Learned) -> None:
    assert ("g", "p0", "It changed.") in learned.truth
    assert ("h", "p1", "The caf\u00e9 1.") in learned.truth
    assert len(learned.truth) == 6
    start = learned.sound.index(b'["summary","g"]\n')
    part = learned.sound[start : learned.sound.index(b'\n["summary","h"]\n', start)]
    evil = part.replace(b"It changed.", b"It is evil.")
    data = learned.sound.replace(part, evil)
    learned.file.write_bytes(data)
    assert learned.look() == learned.truth  # its checksum is that of the other
    header = data[TITLE_LENGTH:start].replace(
        digest(part).encode(), digest(evil).encode()
    )
    learned.file.write_bytes(title(header) + header + data[start:])
    assert ("g", "p0", "It is evil.") in learned.look()


def headed(data: bytes, head: bytes) -> bytes:
    """Return a file with another head, its checksum right."""
    length = int(data[TITLE_LENGTH - 12 : TITLE_LENGTH - 2])
    header = data[TITLE_LENGTH : TITLE_LENGTH + length]
    changed = head + header[header.index(b"\n") :]
    return title(changed) + changed + data[TITLE_LENGTH + length :]


@pytest.mark.timeout(1800)
def test_a_head_beyond_what_python_decodes_changes_no_answer(
    learned: Learned, long: bool, tally: Count
) -> None:
    def said(head: bytes) -> list[str]:
        learned.file.write_bytes(headed(learned.sound, head))
        faults = [] if damages(str(learned.file)) else ["not seen"]
        faults += [difference(learned.look(), learned.truth) for _ in range(2)]
        return [fault for fault in faults if fault]

    head = json.loads(learned.sound[TITLE_LENGTH:].partition(b"\n")[0])
    with tally(
        "nesting and numbers beyond Python's limits in the learned facts"
    ) as count:
        for label, text in [*beyond(head, compact)][:: 1 if long else 5]:
            count.hold(partial(said, text), [], label)
        for label, text in NO_JSON.items():
            count.hold(partial(said, text), [], label)


def test_what_was_learned_is_read_only_from_parts_that_are_asked_for(
    learned: Learned, long: bool, tally: Count
) -> None:
    start = learned.sound.rindex(b'["summary","h"]\n')

    def harm(at: int) -> list[str]:
        byte = bytes([learned.sound[at] ^ 1])
        damaged = learned.sound[:at] + byte + learned.sound[at + 1 :]
        learned.file.write_bytes(damaged)
        lazyplug.invalidate_caches()
        manager = lazyplug.ExtensionManager[Any]("g")
        found = tuple(("g", each.name, each.summary) for each in manager)
        end()
        faults = [difference(found, tuple(r for r in learned.truth if r[0] == "g"))]
        if learned.file.read_bytes() != damaged:
            faults.append("written")
        faults.append(difference(learned.look(), learned.truth))
        if learned.file.read_bytes() != learned.sound:
            faults.append("not mended")
        return [fault for fault in faults if fault]

    picks = fewer(picked(0, long, SAMPLE))
    length = learned.sound.index(b'["summary","summary"]\n', start) - 1 - start
    with tally("damage to a part of the learned facts that is not requested") as count:
        for at in range(start, start + length)[picks]:
            count.hold(partial(harm, at), [], str(at))
