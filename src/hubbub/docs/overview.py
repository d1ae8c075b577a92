"""A page on each dialect: how much of it works, and everything that does not, with its reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from hubbub.dialects.coverage import Coverage
from hubbub.dialects.tables import NOT_BUILT, Element
from hubbub.docs.markdown import code, table
from hubbub.docs.tables import REFUSED, SILENT, WORKS

NOT_HERE, NEVER = "not built", "never told"
STATES = (WORKS, SILENT, REFUSED, NOT_HERE)
Row = tuple[str, str, str, str]
"""What kind it is, its name, its state, the reason."""


def overview_blocks(coverage: Coverage) -> Mapping[str, str]:
    """How many rows of a dialect are how far, and each that does not work."""
    rows = list(_all(coverage))
    told: dict[str, Counter[str]] = {}
    for kind, _, state, _ in rows:
        if state != NEVER:
            told.setdefault(kind, Counter())[state] += 1
    counts = [(kind, *(str(counted[state]) for state in STATES)) for kind, counted in told.items()]
    lacking = [(code(name), kind, state, why) for kind, name, state, why in rows if state != WORKS]
    return {
        "counts": table(("What", *STATES), counts),
        "lacking": "## What does not work\n\n" + table(("Name", "What", "State", "Why"), lacking),
    }


def _all(coverage: Coverage) -> Iterable[Row]:
    for name, element in coverage.elements.items():
        yield "elements", coverage.spelling.format(name=name), _state(element.build is not None, element.why), element.why
        for inner in (element, *coverage.nested.get(name, ())):
            yield from _attributes(coverage, inner)
    for operation in coverage.operations:
        yield "REST operations", f"{operation.method} {operation.path}", WORKS, ""
        for param in operation.params:
            name = f"{param.name} of {operation.method} {operation.path}"
            yield "REST parameters", name, _state(param.to is not None, param.why, SILENT), param.why
    for word, why in coverage.never.items():
        yield "error codes", word, NEVER, why
    for name, why in coverage.refused.items():
        yield "REST operations", name, REFUSED, why


def _attributes(coverage: Coverage, element: Element) -> Iterable[Row]:
    for row in element.attributes:
        name = f"{row.name} of {coverage.spelling.format(name=element.name)}"
        yield "attributes", name, _state(row.to is not None, row.why, SILENT), row.why


def _state(works: bool, why: str, otherwise: str = REFUSED) -> str:
    if why.startswith(NOT_BUILT):
        return NOT_HERE
    if why.startswith(f"{REFUSED}: "):
        return REFUSED
    return WORKS if works else otherwise
