"""The board, and both ways of showing it."""

import io

import pytest
from rich.console import Console

from hubbub.demo.board import Board, Message, Person
from hubbub.demo.lines import Lines
from hubbub.demo.screen import Screen, bar
from hubbub.demo.summary import print_failures, verdict


def board(acts: int = 10) -> Board:
    made = Board({name: Person(name, name.capitalize(), "cyan") for name in ("alice", "bob")})
    for number in range(acts):
        made.add(f"act {number}", {"one": f"first of {number}", "two": f"second of {number}"})
    return made


def test_everything_must_hold() -> None:
    one = board(1)
    assert not one.held
    for check in one.checks:
        one.decide(check, True)
    assert one.held
    assert verdict(one, 42.4, 3.3) == "All 2 checks held, in 42 s (set-up 3 s)."


def test_a_check_that_failed_stays_failed_and_what_was_not_reached_is_told() -> None:
    one = board(1)
    first, second = one.checks
    one.decide(first, False, "nobody came")
    one.decide(first, True)
    one.give_up()
    assert (first.state, second.state, one.held) == ("failed", "missed", False)
    assert verdict(one, 5, 1).startswith("FAILED: 2 of 2")
    out = io.StringIO()
    print_failures(one, "the log", "", Console(file=out, width=200))
    assert "act 1: first of 0: nobody came" in out.getvalue()
    assert "act 1: second of 0: not reached" in out.getvalue()


async def test_lines_tell_everything_in_order() -> None:
    one, out = board(1), io.StringIO()
    async with Lines(one, out):
        one.begin(one.acts[0])
        one.message(Message(0.0, "in", "POST /events", "somebody joined", "204"))
        one.say("alice", "Hello.")
        one.decide(next(iter(one.checks)), False, "why")
    texts = [line[9:] for line in out.getvalue().splitlines()]
    assert texts == ["--- 1. act 0", "     <- POST /events  somebody joined  => 204", '     Alice: "Hello."', "FAIL first of 0 (why)"]


@pytest.mark.parametrize(("width", "height"), [(80, 24), (100, 35), (140, 45), (300, 100)])
def test_the_screen_fits_and_shows_the_running_act(width: int, height: int) -> None:
    one = board()
    for act in one.acts[:5]:
        one.begin(act)
        for check in act.checks.values():
            one.decide(check, act.number != 2)
        act.state = "done"
    one.begin(one.acts[5])
    one.say("bob", "I am speaking, and at some length, so that it does not fit in one line.")
    one.message(Message(1.0, "out", "POST /somewhere/" + "x" * 200, "Muted=true", "200"))
    out = io.StringIO()
    console = Console(file=out, width=width, height=height, force_terminal=True, color_system=None)
    console.print(Screen(one, console, "title").draw(), height=height)
    lines = out.getvalue().splitlines()
    assert len(lines) == height
    assert "second of 5" in out.getvalue()
    assert "✗ first of 1" in out.getvalue()


@pytest.mark.parametrize(("level", "cells"), [(-120.0, 0), (-60.0, 0), (-30.0, 5), (0.0, 10), (6.0, 10)])
def test_a_bar_is_as_long_as_the_level_is_high(level: float, cells: int) -> None:
    assert len(bar(level)) == cells
