"""The catalogues of the admin's languages, and the example shop's, brought up to date without gettext's tools:

    python -m tests.support.catalogues

It takes the strings from the code, keeps their translations, drops what is no longer said, compiles, and lists what
has no translation yet: write that into the folder's ``locale/*/LC_MESSAGES/django.po`` and run it again. The files
have no dates and no line numbers, so that they change only where words do.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import polib
from django.utils.translation.template import templatize

import dfinery_django

PACKAGE = Path(dfinery_django.__file__).parent
EXAMPLE = Path(__file__).parents[2] / "example_project"
LANGUAGES = {"ko": "nplurals=1; plural=0;", "ja": "nplurals=1; plural=0;"}
#: Folder -> its languages besides English.
CATALOGUES = {PACKAGE: tuple(LANGUAGES), EXAMPLE: ("ko",)}
#: A tool for developers, in English.
LEFT_OUT = ("sandbox", "migrations", "management")

#: Function -> what its arguments are.
FUNCTIONS = {
    f"{name}{ending}": arguments
    for name, arguments in {
        "gettext": ("msgid",),
        "ngettext": ("msgid", "plural"),
        "pgettext": ("context", "msgid"),
        "npgettext": ("context", "msgid", "plural"),
    }.items()
    for ending in ("", "_lazy")
} | {"_": ("msgid",)}

_TEXT = r"""u?(?:'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*")"""
_CALL = re.compile(rf"\b(_|n?p?gettext)\(({_TEXT}(?:,\s*{_TEXT})*)")


class Message(NamedTuple):
    """What a translator translates."""

    msgid: str
    context: str | None = None
    plural: str = ""


def in_code(source: str) -> Iterator[Message]:
    """The messages of a Python file.

    :raises ValueError: where something else than a text stands in a call: nobody could translate it
    """
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    for call in sorted(calls, key=lambda each: (each.lineno, each.col_offset)):
        arguments = FUNCTIONS.get(call.func.id) if isinstance(call.func, ast.Name) else None
        if arguments:
            texts = [ast.literal_eval(each) for each in call.args[: len(arguments)]]
            yield Message(**dict(zip(arguments, texts, strict=True)))


def in_template(source: str) -> Iterator[Message]:
    """The messages of a template."""
    for function, texts in _CALL.findall(templatize(source)):
        yield Message(**dict(zip(FUNCTIONS[function], ast.literal_eval(f"({texts},)"), strict=True)))


@cache
def messages(root: Path = PACKAGE) -> dict[Message, list[str]]:
    """All that the package, or another folder, says to people, with the files that say it."""
    found: dict[Message, list[str]] = {}
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root)
        read = {".py": in_code, ".html": in_template}.get(path.suffix)
        if read is None or name.parts[0] in LEFT_OUT or name.match("templates/dfinery_django/sandbox*.html"):
            continue
        for message in read(path.read_text()):
            files = found.setdefault(message, [])
            if name.as_posix() not in files:
                files.append(name.as_posix())
    return found


def path_of(language: str, root: Path = PACKAGE) -> Path:
    return root / "locale" / language / "LC_MESSAGES" / "django.po"


def message_of(entry: polib.POEntry) -> Message:
    return Message(entry.msgid, entry.msgctxt, entry.msgid_plural)


def refreshed(language: str, root: Path = PACKAGE) -> polib.POFile:
    """The catalogue as it should be, with the translations there are."""
    path = path_of(language, root)
    known = {message_of(each): each for each in polib.pofile(str(path)) if not each.obsolete} if path.exists() else {}
    catalogue = polib.POFile(wrapwidth=110)
    catalogue.header = "Brought up to date by: python -m tests.support.catalogues"
    catalogue.metadata = {
        "Project-Id-Version": root.name,
        "Language": language,
        "MIME-Version": "1.0",
        "Content-Type": "text/plain; charset=UTF-8",
        "Content-Transfer-Encoding": "8bit",
        "Plural-Forms": LANGUAGES[language],
    }
    for message, files in messages(root).items():
        entry = polib.POEntry(
            msgid=message.msgid, msgctxt=message.context, msgid_plural=message.plural,
            occurrences=[(file, "") for file in files], flags=["python-format"] if "%" in message.msgid else [],
        )  # fmt: skip
        if message.plural:
            entry.msgstr_plural = {0: ""}
        if message in known:
            entry.msgstr, entry.msgstr_plural = known[message].msgstr, known[message].msgstr_plural
            entry.flags += [flag for flag in known[message].flags if flag == "fuzzy"]
            entry.tcomment = known[message].tcomment
        catalogue.append(entry)
    return catalogue


def main() -> int:
    missing = 0
    for root, language in ((root, language) for root, languages in CATALOGUES.items() for language in languages):
        catalogue, path = refreshed(language, root), path_of(language, root)
        path.parent.mkdir(parents=True, exist_ok=True)
        catalogue.save(str(path))
        path.with_suffix(".mo").write_bytes(catalogue.to_binary())
        for entry in catalogue:
            if not entry.translated():
                missing += 1
                print(f"{path}: {entry.msgid!r} has no translation")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
