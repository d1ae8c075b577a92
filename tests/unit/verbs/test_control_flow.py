"""Control flow of the neutral program: sections that execute one another, jumps, transfers, and their limits (pure, no clock)."""

from __future__ import annotations

from typing import Any

from hubbub.events import Link
from hubbub.verbs.interpreter import MAX_DEPTH, MAX_TRANSFERS, Ask, Command, Finished, Interpreter, Run
from hubbub.verbs.model import Speak
from hubbub.verbs.program import (
    Execute,
    Goto,
    Label,
    Note,
    Outcome,
    Position,
    Program,
    Remark,
    Return,
    SetVariables,
    Step,
    Template,
    Transfer,
    UnsetVariables,
)

NOTE = Note(Remark("wrong", "what is wrong"), {"script_error": "wrong"}, ends=True)


def execute(to: Any, then: tuple[Step, ...] = (), **params: Any) -> Execute:
    return Execute(to, params, NOTE, NOTE, then)


def transfer(to: Any, **params: Any) -> Transfer:
    return Transfer(to, params, NOTE, NOTE)


def said(interpreter: Interpreter, command: Command | None) -> list[str]:
    """Run to the end (or to a request); what was said."""
    texts = []
    while isinstance(command, Run):
        assert isinstance(command.verb, Speak)
        texts.append(command.verb.text)
        command = interpreter.ended(command.generation, Outcome())
    return texts


def say(text: str) -> Speak:
    return Speak(text=text)


def test_a_section_is_a_subroutine() -> None:
    """`execute`: "Subroutine"; `return` leads back, and what follows runs with the caller's params."""
    param = Template(lambda scope: (say(str(scope.params.get("x"))),))
    sections = {
        "main": (execute("sub", (say("then"),), x=1), param),
        "sub": (param, SetVariables({"return_value": 7}), Return(), say("never")),
    }
    interpreter = Interpreter({})
    assert said(interpreter, interpreter.load(Program(sections))) == ["1", "then", "None"]
    assert interpreter.variables == {"return_value": 7}


def test_return_in_main_ends() -> None:
    interpreter = Interpreter({})
    assert said(interpreter, interpreter.load(Program({"main": (say("a"), Return(), say("b"))}))) == ["a"]


def test_another_document_is_executed_and_left() -> None:
    """A URL is asked for with its params; its main runs inside the present document."""
    interpreter = Interpreter({})
    asked = interpreter.load(Program({"main": (execute(Link("http://a.test/x", "POST"), x=1), say("after"))}))
    assert isinstance(asked, Ask)
    assert asked.fields == {"params": {"x": 1}}
    inner = Program({"main": (Template(lambda scope: (say(str(scope.params["x"])),)),)})
    assert said(interpreter, interpreter.load(inner, asked.generation)) == ["1", "after"]


def test_transfer_does_not_come_back() -> None:
    interpreter = Interpreter({})
    sections = {"main": (execute("sub"), say("never")), "sub": (transfer("other"), say("never")), "other": (say("there"),)}
    assert said(interpreter, interpreter.load(Program(sections))) == ["there"]


def test_transfers_are_limited() -> None:
    """ "Chain limit 32 per call"."""
    interpreter = Interpreter({})
    assert said(interpreter, interpreter.load(Program({"main": (say("x"), transfer("main"))}))) == ["x"] * (MAX_TRANSFERS + 1)
    assert interpreter.remarks == [NOTE.remark]
    assert interpreter.variables == {"script_error": "wrong"}


def test_sections_do_not_nest_for_ever() -> None:
    interpreter = Interpreter({})
    assert len(said(interpreter, interpreter.load(Program({"main": (say("x"), execute("main"))})))) == MAX_DEPTH + 1
    assert interpreter.remarks == [NOTE.remark]


def test_goto_counts_its_jumps() -> None:
    """`goto.max` 1-100: so often, and then on."""
    interpreter = Interpreter({})
    steps = (Label("again"), say("x"), Goto("again", 3, NOTE, Position("/g")), say("end"))
    assert said(interpreter, interpreter.load(Program({"main": steps}))) == ["x", "x", "x", "x", "end"]


def test_goto_from_inside_a_branch() -> None:
    """The label is looked for in the section, not in the branch."""
    interpreter = Interpreter({})
    jump = Template(lambda scope: (Goto("end", 1, NOTE), say("never")))
    assert said(interpreter, interpreter.load(Program({"main": (jump, say("never"), Label("end"), say("end"))}))) == ["end"]


def test_a_label_that_is_missing() -> None:
    interpreter = Interpreter({})
    assert isinstance(interpreter.load(Program({"main": (Goto("x", 1, NOTE), say("never"))})), Finished)
    assert interpreter.remarks == [NOTE.remark]


def test_variables_are_forgotten() -> None:
    interpreter = Interpreter({})
    interpreter.load(Program({"main": (SetVariables({"a": 1, "b": 2}), UnsetVariables(("a", "c")))}))
    assert interpreter.variables == {"b": 2}
