"""Pages of what is listed from memory."""

from __future__ import annotations

import pytest

from hubbub.api.lists import windowed
from hubbub.dialects.tables import Window
from hubbub.ids import Id

THINGS = [Id(f"{number:032x}") for number in range(9, 0, -1)]


@pytest.mark.parametrize(
    ("window", "numbers", "more"),
    [
        (Window(0, 3), (9, 8, 7), True),
        (Window(2, 3), (3, 2, 1), False),
        (Window(1, 3, after=THINGS[4]), (4, 3, 2), True),
        (Window(0, 3, before=THINGS[4]), (8, 7, 6), True),
        (Window(0, 3, before=THINGS[1]), (9, 8, 7), True),
        (Window(1, 3, after=Id("f" * 32)), (6, 5, 4), True),
    ],
)
def test_a_page_goes_on_behind_what_was_seen_last(window: Window, numbers: tuple[int, ...], more: bool) -> None:
    """5.3: tokens name the last or first item of a page; one that has gone meanwhile leaves the number of the page."""
    page = windowed(THINGS, window, lambda thing: thing)
    assert (tuple(int(thing, 16) for thing in page.items), page.more) == (numbers, more)
