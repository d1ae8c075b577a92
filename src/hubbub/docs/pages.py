"""Pages: text written by hand, and generated blocks between markers. The text survives, the blocks are replaced."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from hubbub.dialects.coverage import coverages, own
from hubbub.docs.configuration import configuration_blocks
from hubbub.docs.overview import overview_blocks
from hubbub.docs.tables import coverage_blocks, rest_blocks

BEGIN = "<!-- begin {name}: written by `python -m hubbub.docs`, do not edit -->"
END = "<!-- end {name} -->"


def pages() -> dict[str, tuple[str, Mapping[str, str]]]:
    """Title and generated blocks of every page, by its path."""
    found: dict[str, tuple[str, Mapping[str, str]]] = {"configuration.md": ("Configuration", configuration_blocks())}
    found["beyond.md"] = ("Beyond the vendors", rest_blocks(own()))
    for coverage in coverages():
        found[f"{coverage.name}.md"] = (coverage.title, coverage_blocks(coverage))
        found[f"coverage/{coverage.name}.md"] = (f"Coverage of {coverage.title}", overview_blocks(coverage))
    return found


def written(existing: str, title: str, blocks: Mapping[str, str]) -> str:
    """A page with its blocks renewed; blocks that it lacks are appended, markers of blocks that are gone vanish with what they held."""
    page = existing or f"# {title}\n"
    for name in re.findall(r"<!-- begin ([a-z-]+):", page):
        if name not in blocks:
            page = _pattern(name).sub("", page)
    for name, block in blocks.items():
        text = f"{BEGIN.format(name=name)}\n\n{block.strip()}\n\n{END.format(name=name)}"
        if _pattern(name).search(page):
            page = _pattern(name).sub(lambda _match, text=text: text, page, count=1)  # type: ignore[misc]
        else:
            page = f"{page.rstrip()}\n\n{text}\n"
    return page


def _pattern(name: str) -> re.Pattern[str]:
    return re.compile(rf"<!-- begin {name}:.*?<!-- end {name} -->", re.DOTALL)


def stale(folder: Path) -> list[str]:
    """The pages in a folder that differ from what would be written."""
    return [name for name, text in _texts(folder) if _read(folder / name) != text]


def write(folder: Path) -> list[str]:
    """Write the pages that are stale; their names."""
    changed = stale(folder)
    for name, text in _texts(folder):
        if name in changed:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8")
    return changed


def _texts(folder: Path) -> Iterable[tuple[str, str]]:
    for name, (title, blocks) in pages().items():
        yield name, written(_read(folder / name), title, blocks)


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


__all__: Sequence[str] = ("pages", "stale", "write", "written")
