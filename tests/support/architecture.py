"""The picture in docs/contributing/architecture.md, drawn from the imports of the code.

python -m tests.support.architecture            # draw it anew
python -m tests.support.architecture --check    # compare, as CI does
"""

from __future__ import annotations

import sys
from pathlib import Path

import grimp

PAGE = Path(__file__).parents[2] / "docs/contributing/architecture.md"
BEGIN, END = "```mermaid\n", "```\n"
PACKAGE = "dfinery_django"
#: The modules at the root that every package may import are drawn as one box.
GROUND = {"addresses", "backoff", "clock", "conf", "enums", "exceptions", "signals", "tokens"}
#: Nothing imports these: they are drawn as one box, too.
DOORS = {"admin", "api", "apps", "checks", "management", "metrics", "queues", "tasks", "templatetags", "testing"}


def box_of(module: str) -> str:
    """Return the box in which a module is drawn: a package, the ground or the doors; "" for what is not drawn."""
    name = module.split(".")[1] if "." in module else ""
    if name in GROUND:
        return "ground"
    if name in DOORS:
        return "doors"
    return "" if name in ("migrations", "sandbox") else name


def edges() -> set[tuple[str, str]]:
    """Return (importer, imported) for each pair of boxes, imports for type checkers left out."""
    graph = grimp.build_graph(PACKAGE, exclude_type_checking_imports=True, cache_dir=None)
    found = set()
    for importer in graph.modules:
        for imported in graph.find_modules_directly_imported_by(importer):
            pair = box_of(importer), box_of(imported)
            if all(pair) and pair[0] != pair[1]:
                found.add(pair)
    return found


def without_shortcuts(pairs: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """Leave out an arrow where a longer way leads to the same box: the picture stays readable."""

    def reaches(start: str, goal: str, but: tuple[str, str]) -> bool:
        return any(
            pair != but and pair[0] == start and (pair[1] == goal or reaches(pair[1], goal, but)) for pair in pairs
        )

    return {pair for pair in pairs if not reaches(*pair, pair)}


def picture() -> str:
    lines = [f"    {importer} --> {imported}" for importer, imported in sorted(without_shortcuts(edges()))]
    return "\n".join(["flowchart TD", *lines, ""])


def main() -> int:
    text = PAGE.read_text()
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    drawn = head + BEGIN + picture() + END + tail
    if drawn == text:
        return 0
    if "--check" in sys.argv:
        name = PAGE.relative_to(PAGE.parents[2])
        print(f"{name} shows other imports than the code has: run python -m tests.support.architecture")
        return 1
    PAGE.write_text(drawn)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
