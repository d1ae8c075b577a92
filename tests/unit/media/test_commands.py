"""Commands: obeyed when they make sense, counted and ignored when not; what a crash left behind is checked before it is used."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from tests.support.small_engine import SIZES, Small, small_engine

from hubbub.media import block, counters, layout, messages
from hubbub.media.commands import apply_commands
from hubbub.media.desk import make_desk
from hubbub.media.layout import ACTIVE, CLIP, FREE, LEAVING, TAP_IN, TAP_MIX, UNITY
from hubbub.media.rings import post_command
from hubbub.media.takeover import revalidate
from hubbub.media.tick import run_tick

LEGS = SIZES.legs


def bad(small: Small) -> int:
    return int(small.engine.wires[0].header[counters.H_BAD_COMMANDS])


def run(small: Small, ticks: int = 1) -> None:
    header = small.engine.wires[0].header
    for _ in range(ticks):
        header[counters.H_TICK] += 1
        run_tick(small.engine, small.desk, 0, int(header[counters.H_TICK]))


def open_leg(small: Small, leg: int, generation: int = 1) -> None:
    block.clear_leg(small.engine, leg)
    small.engine.slots[leg].kind = layout.SOCKET
    small.engine.slots[leg].generation = generation
    small.post(messages.ADD, leg, generation, -1)


def test_a_leg_lives_and_dies() -> None:
    small = small_engine()
    open_leg(small, 3)
    run(small)
    assert small.engine.slots[3].state == ACTIVE
    small.post(messages.REMOVE, 3, 1)
    run(small)
    assert small.engine.slots[3].state == FREE
    assert small.events() == [(messages.REMOVED, 3, 1, 0)]
    assert bad(small) == 0


def test_commands_for_another_life_are_ignored() -> None:
    """A slot's generation is checked: a late command never meets the slot's next owner."""
    small = small_engine()
    open_leg(small, 3, generation=2)
    small.post(messages.REMOVE, 3, 1)
    small.post(messages.CONNECT, 3, 1, 0, 0, 160, 0)
    small.post(messages.ROUTE, 3, 1, -1, 0, 0)
    small.post(messages.DIGIT, 3, 1, 5, 5, 5)
    run(small)
    assert small.engine.slots[3].state == ACTIVE
    assert not small.engine.links[3].connected
    assert bad(small) == 4


def test_indices_out_of_range_are_counted() -> None:
    small = small_engine()
    wrong = [
        (99,),
        (messages.ADD, 10**6, 0, -1),
        (messages.ADD, -1, 0, -1),
        (messages.REMOVE, -5, 0),
        (messages.ADD_MIX, 8),
        (messages.REMOVE_MIX, -1),
        (messages.TAP, 8, TAP_IN, 0, 0),
        (messages.TAP, 0, 9, 0, 0),
        (messages.UNTAP, 0),
        (messages.EDGE, 64, 0, 0, 1, 0, UNITY),
    ]
    for words in wrong:
        small.post(*words)
    run(small)
    assert bad(small) == len(wrong)
    assert small.events() == []


def test_a_player_plays_around_its_end_and_tells() -> None:
    """A clip of 500 samples, twice: 1 000 samples, then silence, then the word."""
    small = small_engine()
    small.post(messages.ADD_MIX, 0)
    run(small)
    small.engine.arena[100:600] = np.arange(1, 501)
    player = small.engine.players[0]
    player.offset, player.length, player.loops = 100, 500, 2
    slot = small.engine.slots[LEGS]
    slot.kind, slot.mix, slot.speak_to = CLIP, 0, UNITY
    small.post(messages.ADD, LEGS, 0, -1)
    heard = []
    for _ in range(4):
        run(small)
        heard.append(slot.pcm.copy())
    assert np.concatenate(heard)[:1000].tolist() == [*range(1, 501), *range(1, 501)]
    assert not np.concatenate(heard)[1000:].any()
    assert player.played == 1000
    assert small.events() == [(messages.PLAYED, LEGS, 0, 1)]


def test_a_player_that_ends_by_itself_may_be_stopped_too() -> None:
    """The word of its end and the order to stop it cross each other; a mix that goes takes its players with it."""
    small = small_engine()
    small.post(messages.ADD_MIX, 0)
    player = small.engine.players[0]
    player.offset, player.length, player.loops = 0, 100, 1
    slot = small.engine.slots[LEGS]
    slot.kind, slot.mix = CLIP, 0
    small.post(messages.ADD, LEGS, 0, -1)
    run(small, 2)
    small.post(messages.STOP, LEGS, 0)
    run(small)
    assert small.events() == [(messages.PLAYED, LEGS, 0, 1)]
    slot.generation, slot.kind, slot.mix, player.length, player.loops = 1, CLIP, 0, 500, 0
    small.post(messages.ADD, LEGS, 1, -1)
    run(small)
    small.post(messages.REMOVE_MIX, 0)
    small.post(messages.STOP, LEGS, 1)
    small.post(messages.STOP, LEGS, 0)
    run(small, 2)
    assert {event[:3] for event in small.events()} == {(messages.MIX_GONE, 0, 0), (messages.PLAYED, LEGS, 1)}
    assert bad(small) == 0
    small.post(messages.STOP, LEGS, 9)
    run(small)
    assert bad(small) == 1


def test_a_stopped_player_fades_and_tells() -> None:
    small = small_engine()
    open_leg(small, 0)
    run(small)
    player = small.engine.players[0]
    player.length, player.loops = 16000, 0
    block.clear_slot(small.engine, LEGS)
    small.engine.arena[:] = 10000
    small.engine.slots[LEGS].kind = CLIP
    small.post(messages.ADD, LEGS, 0, 5, 0, 1, UNITY)
    run(small, 3)
    assert small.engine.ears[0].pcm.tolist() == [10000] * 320
    small.post(messages.STOP, LEGS, 0)
    run(small)
    faded = small.engine.ears[0].pcm
    assert faded[0] > 9900
    assert faded[-1] < 40
    assert np.all(np.diff(faded) <= 0)
    assert small.events() == [(messages.EDGE_GONE, 5, 0, 0), (messages.PLAYED, LEGS, 0, 0)]
    assert small.engine.ears[0].first_edge == -1


def two_workers() -> tuple[Small, Small]:
    """One block, two workers with a desk each."""
    sizes = layout.Sizes(legs=8, players=8, mixes=8, edges=64, rings=8, arena=16000, workers=2)
    first = small_engine(sizes)
    return first, Small(first.engine, make_desk(sizes))


def serve(both: tuple[Small, Small], tick: int) -> None:
    for worker, small in enumerate(both):
        run_tick(small.engine, small.desk, worker, tick)


def test_a_leg_goes_to_another_worker_with_its_past_its_taps_and_its_clock() -> None:
    """REMOVED, then ADD: what is played out, sent and recorded goes on where it was; ticks between the two are silence, on the clock."""
    both = two_workers()
    engine = both[0].engine
    for worker in range(2):
        engine.mixes[worker].worker = worker
        block.clear_mix(engine, worker)
        post_command(engine.wires, worker, (messages.ADD_MIX, worker))
    open_leg(both[0], 3)
    both[0].post(messages.ROUTE, 3, 1, 0, UNITY, UNITY)
    both[0].post(messages.TAP, 2, TAP_IN, 3, 1, 0)
    for tick in range(1, 11):
        serve(both, tick)
    sent = int(engine.links[3].out_time)
    assert engine.taps[2].due == 11
    both[0].post(messages.REMOVE, 3, 1, 1)
    serve(both, 11)
    assert both[0].events() == [(messages.TAP_GONE, 2, 0, 0), (messages.REMOVED, 3, 1, 0)]
    assert engine.slots[3].state == FREE
    assert (engine.slots[3].speak, engine.slots[3].hear) == (0, 0), "faded"
    serve(both, 12)
    serve(both, 13)  # the server was slow
    slot = engine.slots[3]
    slot.worker, slot.mix, slot.moving, engine.taps[2].worker = 1, -1, 0, 1
    for words in ((messages.ADD, 3, 1, -1), (messages.TAP, 2, TAP_IN, 3, 1, 1), (messages.ROUTE, 3, 1, 1, UNITY, UNITY)):
        post_command(engine.wires, 1, words)
    serve(both, 14)
    assert [int(engine.wires[worker].header[counters.H_BAD_COMMANDS]) for worker in range(2)] == [0, 0]
    assert int(engine.links[3].out_time) == sent + 4 * 160
    assert engine.taps[2].due == 15
    assert int(engine.rings[2].head[0]) == 14 * 320, "one frame per tick, also for those on the way"
    assert (slot.mix, slot.speak, slot.hear) == (1, UNITY, UNITY)
    assert both[0].desk.counts[0] == 0
    assert both[1].desk.counts[0] == 1


def test_a_player_handed_over_says_so_and_keeps_its_place() -> None:
    small = small_engine()
    open_leg(small, 0)
    run(small)
    small.engine.players[0].length, small.engine.players[0].loops = 16000, 0
    block.clear_slot(small.engine, LEGS)
    small.engine.slots[LEGS].kind = CLIP
    small.post(messages.ADD, LEGS, 0, 5, 0, 1, UNITY)
    run(small, 3)
    small.post(messages.REMOVE, LEGS, 0, 1)
    run(small)
    assert small.events() == [(messages.EDGE_GONE, 5, 0, 0), (messages.PLAYED, LEGS, 0, layout.HANDED)]
    assert small.engine.players[0].position == 4 * 320


def test_a_worker_obeys_nobody_elses_commands() -> None:
    both = two_workers()
    open_leg(both[0], 3)
    serve(both, 1)
    wrong = [
        (messages.ADD, 4, 0, -1),
        (messages.REMOVE, 3, 1),
        (messages.ROUTE, 3, 1, -1, 0, 0),
        (messages.ADD_MIX, 1),
        (messages.EDGE, 1, 3, 1, 3, 1, UNITY),
        (messages.TAP, 1, TAP_IN, 3, 1),
    ]
    for words in wrong:
        post_command(both[0].engine.wires, 1, words)
    serve(both, 2)
    assert both[0].engine.wires[1].header[counters.H_BAD_COMMANDS] == len(wrong)
    assert both[0].engine.slots[3].state == ACTIVE


def test_what_points_at_a_leg_goes_with_it() -> None:
    small = small_engine()
    open_leg(small, 0)
    open_leg(small, 1)
    small.post(messages.EDGE, 7, 0, 1, 1, 1, UNITY)
    small.post(messages.EDGE, 8, 1, 1, 0, 1, UNITY)
    small.post(messages.TAP, 2, TAP_IN, 0, 1)
    run(small)
    small.post(messages.REMOVE, 0, 1)
    run(small)
    assert {event[:2] for event in small.events()} == {(messages.EDGE_GONE, 7), (messages.EDGE_GONE, 8), (messages.REMOVED, 0)}
    assert small.engine.taps[2].of == -1
    assert [small.engine.ears[leg].first_edge for leg in (0, 1)] == [-1, -1]


def test_a_mix_that_ends_sets_its_members_free() -> None:
    small = small_engine()
    small.post(messages.ADD_MIX, 4)
    open_leg(small, 0)
    small.post(messages.ROUTE, 0, 1, 4, UNITY, UNITY)
    small.post(messages.TAP, 1, TAP_MIX, 4, 0)
    run(small, 4)
    small.post(messages.REMOVE_MIX, 4)
    run(small)
    assert small.engine.slots[0].mix == -1
    assert small.engine.taps[1].of == -1
    assert small.events() == [(messages.MIX_GONE, 4, 0, 0)]


def test_commands_wait_while_the_server_does_not_listen() -> None:
    """No answer is ever lost: commands are applied only while there is room for what they lead to."""
    small = small_engine()
    wire = small.engine.wires[0]
    wire.event_head[0] = messages.EVENTS - messages.EVENT_RESERVE
    small.post(messages.ADD_MIX, 0)
    assert apply_commands(small.engine, small.desk, 0, 1) == 0
    wire.event_tail[0] = 10
    assert apply_commands(small.engine, small.desk, 0, 1) == 1


def test_taps_keep_the_clock_over_missed_ticks() -> None:
    """Frame n of a tap is tick start + n: what was missed is silence."""
    small = small_engine()
    open_leg(small, 0)
    small.post(messages.TAP, 3, TAP_IN, 0, 1)
    run(small, 2)
    small.engine.wires[0].header[counters.H_TICK] += 5
    run(small, 2)
    assert small.engine.rings[3].head[0] == 9 * 320
    for _ in range(300):
        run(small)
    assert small.engine.taps[3].overruns > 0
    small.engine.rings[3].tail[0] = small.engine.rings[3].head[0]
    run(small)
    assert small.engine.taps[3].due == small.engine.wires[0].header[counters.H_TICK] + 1


def test_the_standby_goes_on_where_the_other_ended() -> None:
    """Lists are made anew from the shared states; edges and taps work as before."""
    small = small_engine()
    small.post(messages.ADD_MIX, 0)
    for leg in range(3):
        open_leg(small, leg)
        small.post(messages.ROUTE, leg, 1, 0, UNITY, UNITY)
    small.post(messages.EDGE, 7, 0, 1, 1, 1, UNITY)
    small.post(messages.TAP, 2, TAP_MIX, 0, 0)
    run(small, 5)
    second = Small(small.engine, make_desk(SIZES))
    assert revalidate(second.engine, second.desk, 0) == 0
    assert second.desk.counts[:3].tolist() == [3, 1, 1]
    assert small.engine.ears[1].first_edge == 7
    run(second, 5)
    assert bad(second) == 0


def test_what_cannot_be_is_repaired() -> None:
    small = small_engine()
    open_leg(small, 0)
    open_leg(small, 1)
    small.post(messages.EDGE, 7, 0, 1, 1, 1, UNITY)
    run(small, 2)
    small.engine.slots[0].mix = 77
    small.engine.slots[1].kind = 42
    small.engine.jitter[0].length[3] = 99999
    small.engine.edges[7].source = -4
    second = Small(small.engine, make_desk(SIZES))
    assert revalidate(second.engine, second.desk, 0) >= 4
    assert small.engine.slots[0].mix == -1
    assert small.engine.slots[1].state == LEAVING
    run(second)
    assert (messages.REMOVED, 1, 1, 0) in second.events()


def fuzz(rounds: int, seed: int) -> None:
    """Random commands, most of them nearly right; now and then a crash that leaves random words behind."""
    random = np.random.default_rng(seed)
    small = small_engine()
    for group in (small.engine.slots, small.engine.mixes):
        group.generation[:] = 1
    for round_ in range(rounds):
        for _ in range(int(random.integers(0, 6))):
            code = int(random.integers(0, messages.HEED + 1))
            words = [int(random.choice([-1, 0, 1, 2, 5, 8, 9, 15, 16, 4096, int(random.integers(-(2**40), 2**40))])) for _ in range(6)]
            if random.random() < 0.8 and code in (
                messages.ADD,
                messages.REMOVE,
                messages.ROUTE,
                messages.CONNECT,
                messages.STOP,
                messages.DIGIT,
            ):
                slot = int(random.integers(0, small.engine.slots.size))
                words[:2] = [slot, 1]
                if code == messages.ADD and small.engine.slots[slot].state == FREE:
                    if slot < LEGS:
                        block.clear_leg(small.engine, slot)
                    record = small.engine.slots[slot]
                    record.kind, record.ring = int(random.integers(0, 5)), int(random.integers(-1, 9))
                    record.mix = int(random.integers(-1, 8))
                    if slot >= LEGS:
                        player = small.engine.players[slot - LEGS]
                        player.offset, player.length = int(random.integers(-9, 17000)), int(random.integers(-9, 17000))
                        player.position, player.stopping, player.loops = 0, 0, int(random.integers(-1, 3))
                if code == messages.CONNECT:
                    words[3:5] = [int(random.integers(0, 2**27)), int(random.choice([80, 160, 240, 480, 481, 7]))]
            small.post(code, *words)
        run(small)
        small.events()
        if round_ % 50 == 49:
            target = small.engine.slots[int(random.integers(0, small.engine.slots.size))]
            for name in ("mix", "next_mix", "kind", "ring"):
                setattr(target, name, int(random.integers(-5, 99)))
            leg = int(random.integers(0, LEGS))
            small.engine.links[leg].codec = int(random.integers(-3, 9))
            small.engine.links[leg].out_length = int(random.integers(-300, 900))
            small.engine.edges[int(random.integers(0, 64))].next = int(random.integers(-9, 99))
            small.desk = make_desk(SIZES)
            revalidate(small.engine, small.desk, 0)


def test_wrong_commands_are_survived() -> None:
    fuzz(1000, 1)


def test_wrong_commands_stay_within_bounds() -> None:
    """The same under NUMBA_BOUNDSCHECK=1: any index out of an array raises."""
    root = str(Path(__file__).parents[3])
    code = "import tests.unit.media.conftest, tests.unit.media.test_commands as t; t.fuzz(1500, 2); print('within bounds')"
    environment = {**os.environ, "NUMBA_BOUNDSCHECK": "1", "PYTHONPATH": f"{root}:{root}/src"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, cwd=root, capture_output=True, text=True, timeout=850, check=False)
    assert "within bounds" in done.stdout, done.stderr[-2000:]
