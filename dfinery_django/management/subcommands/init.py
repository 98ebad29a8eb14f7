"""``manage.py dfinery init``: a proposal of the ``DFINERY`` setting for the models that are installed."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.conf import settings
from django.core.management.base import CommandError
from django.core.management.color import no_style
from django.core.serializers.json import DjangoJSONEncoder
from django.db import DatabaseError, models, router

from ...mapping.model_paths import installed_model
from ..exit_codes import FAILED, one_line, wrong_use
from .base import Subcommand
from .preview import explanation_lines

if TYPE_CHECKING:
    from ...diagnostics.explain import Explanation
    from ...proposal.guesses import Proposal

#: Of each definition its explanation, or why there is none.
Previews = dict[str, "Explanation | str"]

_SOUGHT = (
    "No model looks like the shop's orders. Sought was one that is named like an order, has a way to the user model or "
    "an e-mail address, lines with a quantity or a price, and a total. "
    "Name it: manage.py dfinery init --model app.Model"
)


class InitCommand(Subcommand):
    help = "propose the DFINERY setting for the installed models; stores and sends nothing"
    examples = ("init", "init --model shop.Order", "init --write shop/dfinery_settings.py", "init --json")

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--model", help="app.Model of the orders; default: the one that looks most like it")
        parser.add_argument("--write", metavar="PATH", help="write a module; an existing file is not overwritten")
        parser.add_argument("--json", action="store_true", help="machine-readable output")

    def handle(self, *, model: str | None, write: str | None, **options: Any) -> None:
        from ...proposal.render import json_form, python_text

        path = _free_path(write) if write else None
        proposal, previews = _proposal_and_previews(_chosen(model))
        missing = [each for each in ("django_q",) if not apps.is_installed(each)]
        shown = {name: _preview_text(each) for name, each in previews.items()}
        text = python_text(proposal, missing, shown if path or not options["json"] else None)
        if path:
            _write(path, text)
        if options["json"]:
            plain = {name: each if isinstance(each, str) else asdict(each) for name, each in previews.items()}
            form = json_form(proposal, text, plain)
            self.stdout.write(json.dumps(form, cls=DjangoJSONEncoder, indent=2, ensure_ascii=False))
        elif path:
            self.stdout.write(f"Written: {path}. In your settings: from .{path.stem} import DFINERY")
            self.stdout.write("Then: manage.py check")
        else:
            self.stdout.write(text.rstrip())


def _free_path(name: str) -> Path:
    path = Path(name)
    if path.exists():
        raise wrong_use(f"{name} exists, and is not overwritten. Name another file, or remove this one first.")
    if not path.parent.is_dir():
        raise wrong_use(f"{name} can't be written: there is no directory {path.parent}.")
    if path.suffix != ".py" or not path.stem.isidentifier():
        raise wrong_use(f"{name} is no name of a module. Write, for example, dfinery_settings.py.")
    return path


def _write(path: Path, text: str) -> None:
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise CommandError(f"{path} can't be written: {error.strerror}.", returncode=FAILED) from error


def _chosen(label: str | None) -> type[models.Model] | None:
    try:
        return installed_model(label) if label else None
    except LookupError as error:
        raise wrong_use(f"--model is {error.args[0]}") from error


def _proposal_and_previews(chosen: type[models.Model] | None) -> tuple[Proposal, Previews]:
    from django.test.utils import override_settings

    from ...proposal.samples import rolled_back
    from ...proposal.shop import leave_out, whole_proposal

    # The site may have no setting yet, or one with mistakes: everything is tried under the proposed one.
    tokens, notes = {"TOKENS": {"default": "init"}}, _note_of_other_keys()
    with rolled_back(_databases()):
        with override_settings(DFINERY=tokens):
            proposal = whole_proposal(chosen, _messages_of)
        if proposal is None:
            raise CommandError(_SOUGHT, returncode=FAILED)
        proposal.notes += notes
        with override_settings(DFINERY={**tokens, **proposal.setting()}):
            leave_out(proposal, _all_messages())
        with override_settings(DFINERY={**tokens, **proposal.setting()}):
            return proposal, _previews(proposal)


def _databases() -> list[str]:
    """Return the databases that are read; a router of the site may know none for a model."""
    aliases = set()
    for model in apps.get_models():
        try:
            aliases.add(router.db_for_read(model))
        except Exception:  # noqa: BLE001, S112 - the site's own router  # nosec B112
            continue
    return sorted(aliases)


def _note_of_other_keys() -> list[str]:
    present = getattr(settings, "DFINERY", None)
    keys = sorted(map(str, {*present} - {"TOKENS", "USER_ATTRIBUTES", "EVENTS"})) if isinstance(present, dict) else []
    return [f"Your DFINERY also has {', '.join(keys)}, which this block does not repeat."] if keys else []


def _messages_of(definition: Any) -> Iterable[Any]:
    from ...checks.definitions import check_definition

    return check_definition(definition)


def _all_messages() -> Iterable[Any]:
    from ...checks import check_settings

    return check_settings()


def _previews(proposal: Proposal) -> Previews:
    from ...proposal.shop import last_row

    previews: Previews = {}
    for event in proposal.events:
        if not event.fault:
            row = last_row(event)
            previews[event.name] = (
                _explained(event.name, row) if row else f"There is no row of {event.model} to try it on."
            )
    return previews


def _explained(name: str, row: models.Model) -> Explanation | str:
    from ...db.savepoints import savepoint
    from ...definitions import registry
    from ...diagnostics.explain import explain

    using = row._state.db or "default"
    try:
        with savepoint(using):
            return explain(registry.get(name), row, using=using)
    except DatabaseError as error:
        return f"{name} can't be tried on a row, perhaps since migrate was not run yet: {one_line(error)}"
    except Exception as error:  # noqa: BLE001 - the site's own code
        return f"{name} can't be tried on a row: {one_line(error)}"


def _preview_text(preview: Explanation | str) -> str:
    if isinstance(preview, str):
        return preview
    title = f"{preview.source} {preview.source_pk} in database {preview.database!r}"
    return "\n".join([title, "", *explanation_lines(preview, no_style())])
