"""The house: the size of folders and files, names, docstrings. The order of imports is held by ``lint-imports``."""

from __future__ import annotations

import ast
import importlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

import dfinery_django

ROOT = Path(dfinery_django.__file__).parent
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts): path
    for path in sorted(ROOT.rglob("*.py"))
    if "migrations" not in path.parts
}
MOST_MODULES = 16
MOST_LINES = 300
#: Names that Python, Django, logging or the public contract ask for in more than one module.
SHARED_NAMES = {"__all__", "__getattr__", "logger", "register", "drain"}
RELATIVE_CLAUSE = re.compile(r"(What|Whether|Whom|Whose|Whoever|Which|Who|Why|How|Where|When|Those|So many|So long)\b")


def _assigned(target: ast.expr) -> Iterator[str]:
    if isinstance(target, ast.Name):
        yield target.id
    elif isinstance(target, ast.Tuple):
        for each in target.elts:
            yield from _assigned(each)


def top_level_names(path: Path) -> set[str]:
    """The names that a module defines; what it imports is not its own."""
    names: set[str] = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names.update(name for target in node.targets for name in _assigned(target))
        elif isinstance(node, ast.AnnAssign):
            names.update(_assigned(node.target))
    return names


def docstrings(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield ast.get_docstring(node) or ""


def test_no_name_stands_in_two_modules() -> None:
    """One name, one thing, in the whole package."""
    owners = defaultdict(list)
    for module, path in MODULES.items():
        twins = top_level_names(MODULES["db.fast_sql"]) if module == "db.plain_sql" else set()
        if module.startswith("queues."):
            twins = {"drain", "reconcile", "prune", "wake"}  # what each queue has of ``tasks``
        for name in top_level_names(path) - SHARED_NAMES - twins:
            owners[name].append(module)
    assert {name: modules for name, modules in owners.items() if len(modules) > 1} == {}


@pytest.mark.parametrize("module", MODULES)
def test_no_docstring_is_a_relative_clause(module: str) -> None:
    """A docstring says what a function does: "Return the lease", not "What the lease is"."""
    assert [text for text in docstrings(MODULES[module]) if RELATIVE_CLAUSE.match(text)] == []


def test_no_folder_is_crowded() -> None:
    """A folder holds at most sixteen modules, so that a reader can take it in."""
    folders = Counter(path.parent.relative_to(ROOT) for path in MODULES.values() if path.name != "__init__.py")
    assert {str(folder): count for folder, count in folders.items() if count > MOST_MODULES} == {}


@pytest.mark.parametrize("module", MODULES)
def test_files_stay_small(module: str) -> None:
    """No file has more than 300 lines."""
    assert MODULES[module].read_text().count("\n") <= MOST_LINES


def test_what_is_exported_exists() -> None:
    """Every name of __all__ can be imported."""
    assert all(getattr(dfinery_django, name) for name in dfinery_django.__all__)
    with pytest.raises(AttributeError):
        importlib.import_module("dfinery_django").no_such_name  # noqa: B018
