"""The interpreter: programs of one and of many sections, outcomes, generations."""

from __future__ import annotations

from hubbub.events import Link
from hubbub.verbs.dialect import OutcomeRule
from hubbub.verbs.interpreter import MAX_STEPS, Ask, Bind, Finished, Interpreter, Run
from hubbub.verbs.model import Gather, Hangup, Pause, Redirect, Speak
from hubbub.verbs.program import (
    Outcome,
    Program,
    Scope,
    SetVariables,
    Step,
    Switch,
    Template,
)

HELLO, BYE = Speak(text="hello"), Speak(text="bye")


def program(*steps: Step) -> Program:
    return Program({"main": steps})


def begin(interpreter: Interpreter, *steps: Step) -> Run:
    command = interpreter.load(program(*steps))
    assert isinstance(command, Run)
    return command


def test_verbs_run_in_order_and_end() -> None:
    interpreter = Interpreter({})
    first = begin(interpreter, HELLO, BYE)
    assert first.verb == HELLO
    second = interpreter.ended(first.generation, Outcome())
    assert isinstance(second, Run)
    assert second.verb == BYE
    assert interpreter.ended(second.generation, Outcome()) == Finished(second.generation)


def test_an_empty_program_is_finished() -> None:
    assert isinstance(Interpreter({}).load(program()), Finished)


def test_action_is_asked_when_the_rule_says_so() -> None:
    gather = Gather(on_done=Link("http://app/action"))
    rules = {Gather: OutcomeRule(asks=lambda o: o.kind == "digits", fields=lambda o: {"Digits": o["digits"]})}
    interpreter = Interpreter(rules)
    run = begin(interpreter, gather, BYE)
    asked = interpreter.ended(run.generation, Outcome("digits", "", {"digits": "12"}))
    assert asked == Ask(run.generation, Link("http://app/action"), gather, {"Digits": "12"})
    run = begin(interpreter, gather, BYE)
    following = interpreter.ended(run.generation, Outcome("nothing"))
    assert isinstance(following, Run)
    assert following.verb == BYE


def test_redirect_asks() -> None:
    interpreter = Interpreter({})
    run = begin(interpreter, Redirect(link=Link("http://app/next")), BYE)
    asked = interpreter.ended(run.generation, Outcome())
    assert isinstance(asked, Ask)
    assert asked.link.url == "http://app/next"


def test_a_reply_for_an_older_generation_is_discarded() -> None:
    """ "each program has a generation, and a reply asked for by an older generation is discarded"."""
    interpreter = Interpreter({})
    run = begin(interpreter, Redirect(link=Link("http://app/next")))
    asked = interpreter.ended(run.generation, Outcome())
    assert isinstance(asked, Ask)
    interpreter.stop(Outcome("replaced"))
    begin(interpreter, HELLO)
    assert interpreter.load(program(BYE), asked.generation) is None
    assert interpreter.ended(run.generation, Outcome()) is None


def test_the_last_request_of_a_replaced_or_ended_call() -> None:
    """1.9: when a REST redirect takes over, the action is requested first and its answer discarded."""
    gather = Gather(on_done=Link("http://app/action"))
    rules = {Gather: OutcomeRule(asks_when_replaced=True, asks_when_gone=False)}
    interpreter = Interpreter(rules)
    begin(interpreter, gather)
    asked = interpreter.stop(Outcome("replaced"))
    assert asked is not None
    assert asked.discard
    begin(interpreter, gather)
    assert interpreter.stop(Outcome("gone")) is None


def test_switch_takes_the_case_of_the_variable_and_goes_on_behind_it() -> None:
    switch = Switch("return_value", {"failed": (HELLO,)}, (Hangup(),))
    rules = {Pause: OutcomeRule(variables=lambda outcome: {"return_value": outcome.kind})}
    interpreter = Interpreter(rules)
    run = begin(interpreter, Pause(), switch, BYE)
    case = interpreter.ended(run.generation, Outcome("failed"))
    assert isinstance(case, Run)
    assert case.verb == HELLO
    behind = interpreter.ended(case.generation, Outcome())
    assert isinstance(behind, Run)
    assert behind.verb == BYE


def test_templates_are_bound_when_they_are_reached() -> None:
    template = Template(lambda variables: (Speak(text=f"hello {variables['who']}"),))
    interpreter = Interpreter({})
    run = begin(interpreter, SetVariables({"who": "bob"}), template)
    assert run.verb == Speak(text="hello bob")


def test_flow_that_does_nothing_for_ever_ends() -> None:
    """A loop without a verb must not stop the server."""
    steps: tuple[Step, ...] = ()
    endless = Template(lambda variables: steps)
    steps = (endless, endless)
    assert isinstance(Interpreter({}).load(program(endless)), Finished)


def test_a_slow_template_is_bound_by_whoever_runs_the_program() -> None:
    """Expressions may take long: nothing else would be done meanwhile. What comes back too late is discarded."""
    slow = Template(lambda scope: (Speak(text=f"hello {scope['who']}"),), slow=True)
    interpreter = Interpreter({})
    command = interpreter.load(program(SetVariables({"who": "bob"}), slow, BYE))
    assert isinstance(command, Bind)
    said = interpreter.bound(command.generation, command.template.bind(command.scope))
    assert isinstance(said, Run)
    assert said.verb == Speak(text="hello bob")
    assert interpreter.bound(command.generation, (BYE,)) is None, "nothing is being bound"
    late = interpreter.load(program(slow))
    assert isinstance(late, Bind)
    interpreter.stop(Outcome("replaced"))
    assert interpreter.bound(late.generation, (BYE,)) is None


def test_slow_flow_that_does_nothing_for_ever_ends() -> None:
    steps: tuple[Step, ...] = ()
    endless = Template(lambda variables: steps, slow=True)
    steps = (endless, endless)
    interpreter = Interpreter({})
    command = interpreter.load(program(endless))
    for _ in range(MAX_STEPS + 1):
        if not isinstance(command, Bind):
            break
        command = interpreter.bound(command.generation, steps)
    assert isinstance(command, Finished)


def test_what_expressions_took_is_counted_from_verb_to_verb() -> None:
    def costly(scope: Scope) -> tuple[Step, ...]:
        scope.spent += 0.25
        return ()

    slow = Template(costly, slow=True)
    interpreter = Interpreter({})
    command = interpreter.load(program(slow, slow, HELLO, slow, BYE))
    spent = []
    while isinstance(command, Bind | Run):
        if isinstance(command, Bind):
            spent.append(command.scope.spent)
            command = interpreter.bound(command.generation, command.template.bind(command.scope))
        else:
            command = interpreter.ended(command.generation, Outcome())
    assert spent == [0.0, 0.25, 0.0]


def test_a_boolean_is_switched_on_as_documents_spell_it() -> None:
    """3.4: switch is a "string comparison": the value true is the text "true"."""
    interpreter = Interpreter({})
    begin(interpreter, Switch("flag", {"true": (HELLO,)}, (Hangup(),)))
    interpreter.variables["flag"] = True
    command = interpreter.load(program(Switch("flag", {"true": (HELLO,)}, (Hangup(),))))
    assert isinstance(command, Run)
    assert command.verb == HELLO
