"""``python -m tests.support.typed_docs``: mypy over every Python block of README and docs, as a reader pastes it.

What a block takes for granted (``order``, ``env``) is of any type; what it uses of this app has to be there, and to
take the arguments that it is given.
"""

from __future__ import annotations

import ast
import builtins
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
#: The English pages; each may have a Korean twin beside it, with the same blocks. The decisions have no blocks.
PAGES = [
    ROOT / "README.md",
    *sorted(page for page in DOCS.rglob("*.md") if page.suffixes == [".md"] and page.parent.name != "decisions"),
]
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)

CONFIG = """
[mypy]
check_untyped_defs = True
ignore_missing_imports = True
follow_imports = silent
# A page shows one thing at a time: attributes of a class that Django makes are not its subject.
disable_error_code = var-annotated, annotation-unchecked
"""


def blocks_of(page: Path, language: str) -> list[str]:
    """A page's blocks of code in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


def blocks() -> Iterator[tuple[str, str]]:
    """A name for each block, and the block."""
    for page in PAGES:
        text = page.read_text()
        for found in BLOCK.finditer(text):
            line = text[: found.start()].count("\n") + 1
            yield f"{page.stem.lower().replace('-', '_')}_{line}", found[1]


def with_prelude(source: str) -> str:
    """The block, below declarations of what it takes for granted."""
    tree = ast.parse(source)
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    added_to = {node.target.id for node in ast.walk(tree) if isinstance(node, ast.AugAssign) and _is_name(node.target)}
    known = {node.id for node in names if not isinstance(node.ctx, ast.Load)} - added_to
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            known.add(node.name)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            known.update((alias.asname or alias.name).split(".")[0] for alias in node.names)
        elif isinstance(node, ast.arg):
            known.add(node.arg)
    granted = sorted({node.id for node in names} - known - set(dir(builtins)))
    first = [line for line in source.splitlines() if line.startswith("from __future__")]
    body = source.replace(f"{first[0]}\n", "") if first else source
    return "\n".join([*first, "import typing", *(f"{name}: typing.Any" for name in granted), "", body])


def _is_name(node: ast.expr) -> bool:
    return isinstance(node, ast.Name)


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "mypy.ini").write_text(CONFIG)
        count = 0
        for count, (name, source) in enumerate(blocks(), 1):  # noqa: B007 - the number of them
            (Path(folder) / f"{name}.py").write_text(with_prelude(source))
        files = sorted(each.name for each in Path(folder).glob("*.py"))
        command = [sys.executable, "-m", "mypy", "--config-file", "mypy.ini", *files]
        done = subprocess.run(command, cwd=folder, env={"MYPYPATH": str(ROOT), "PATH": ""})
    sys.stdout.write(f"{count} blocks\n")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
