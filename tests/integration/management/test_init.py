"""``manage.py dfinery init`` as it is typed, also in a shop that has no setting and no tables yet."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import WARNING
from django.core.management import CommandError, call_command
from django.utils import timezone

from dfinery_django import EventDefinition, register
from dfinery_django.checks import check_settings
from dfinery_django.checks.definitions import check_definition
from dfinery_django.definitions.registry import unregister
from dfinery_django.models import Event
from dfinery_django.proposal.guesses import Guess, ProposedEvent
from dfinery_django.proposal.shop import keep_valid
from dfinery_django.sandbox import Sandbox
from tests.shop.models import Line, Order, Product
from tests.support.doubles import Shop
from tests.support.typed_docs import ROOT

SETTINGS = """
SECRET_KEY = "only for tests"
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "django_q", "dfinery_django", *{apps}]
OPTIONS = {{"transaction_mode": "IMMEDIATE"}}
DATABASES = {{"default": {{"ENGINE": "django.db.backends.sqlite3", "NAME": "{folder}/db.sqlite3", "OPTIONS": OPTIONS}}}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
Q_CLUSTER = {{"name": "shop", "orm": "default", "timeout": 60, "retry": 90}}
{more}
"""


class Site:
    """A site of its own, in a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.set_up()

    def set_up(self, more: str = "", apps: tuple[str, ...] = ("tests.shop",)) -> None:
        more = f'AUTH_USER_MODEL = "shop.User"\n{more}' if "tests.shop" in apps else more
        text = SETTINGS.format(apps=list(apps), folder=self.folder, more=more)
        (self.folder / "site_settings.py").write_text(text)

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        # The variable of the token is not set: a block has to pass the checks all the same.
        env = {name: value for name, value in os.environ.items() if name != "DFINERY_API_TOKEN"}
        env.update(PYTHONPATH=f"{self.folder}{os.pathsep}{ROOT}", DJANGO_SETTINGS_MODULE="site_settings")
        command = [sys.executable, "-m", "django", *words]
        return subprocess.run(command, env=env, cwd=self.folder, capture_output=True, text=True, check=False)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


@pytest.fixture
def paid_order(transactional_db: None, shop: Shop) -> Any:
    return shop.place(status="paid", customer=shop.customer(), paid_at=timezone.now())


def init(capsys: Any, *words: str) -> str:
    call_command("dfinery", "init", *words)
    out: str = capsys.readouterr().out
    return out


def test_a_new_site_pastes_what_it_reads(site: Site) -> None:
    """Before migrate and without a setting: the module that is written passes the checks, with no token set."""
    written = site.run("dfinery", "init", "--write", "dfinery_settings.py")
    assert (written.returncode, written.stderr) == (0, "")
    assert written.stdout == (
        "Written: dfinery_settings.py. In your settings: from .dfinery_settings import DFINERY\nThen: manage.py check\n"
    )
    text = (site.folder / "dfinery_settings.py").read_text()
    assert (
        "# No row of shop.Order can be read (OperationalError: no such table: shop_order): names alone decided." in text
    )
    site.set_up("from dfinery_settings import DFINERY\nSILENCED_SYSTEM_CHECKS = ['dfinery.I001']")
    checked = site.run("check")
    assert (checked.returncode, checked.stdout) == (0, "System check identified no issues (1 silenced).\n")


@pytest.mark.parametrize(
    "setting",
    ["DFINERY = {}", "DFINERY = 7", 'DFINERY = {"EVENT": {}}', 'DFINERY = {"EVENTS": {"purchase": {"model": "x.Y"}}}'],
)
def test_a_setting_with_mistakes_is_no_obstacle(site: Site, setting: str) -> None:
    """The proposal is tried under itself, and not under what the site has so far."""
    site.set_up(setting)
    shown = site.run("dfinery", "init")
    assert shown.returncode == 0, shown.stderr
    assert '"model": "shop.Order",' in shown.stdout


def test_without_orders_it_says_what_was_sought(site: Site) -> None:
    """Exit code 1, and what to type."""
    site.set_up(apps=())
    failed = site.run("dfinery", "init")
    assert failed.returncode == 1
    assert failed.stdout == ""
    assert failed.stderr == (
        "CommandError: No model looks like the shop's orders. Sought was one that is named like an order, has a way to "
        "the user model or an e-mail address, lines with a quantity or a price, and a total. Name it: manage.py "
        "dfinery init --model app.Model\n"
    )


def test_an_app_that_is_missing_is_named(site: Site) -> None:
    """django-q2 delivers: without it the block would do nothing."""
    settings = (site.folder / "site_settings.py").read_text().replace('"django_q", ', "")
    (site.folder / "site_settings.py").write_text(settings)
    assert '# INSTALLED_APPS += ["django_q"]  # it is missing\n' in site.run("dfinery", "init").stdout


def test_what_the_site_itself_lacks_is_a_note(site: Site) -> None:
    """Such as a broker of django-q2: the block can't have it, and the checks would complain after it is pasted."""
    site.set_up("del Q_CLUSTER")
    assert (
        "# manage.py check says, whatever the mapping: Q_CLUSTER names no broker" in site.run("dfinery", "init").stdout
    )


def test_a_file_is_not_overwritten(tmp_path: Path, capsys: Any, transactional_db: None) -> None:
    """Neither asked nor done: the error says what to do."""
    file = tmp_path / "dfinery_settings.py"
    file.write_text("DFINERY = {}\n")
    with pytest.raises(CommandError) as error:
        init(capsys, "--write", str(file))
    assert str(error.value) == f"{file} exists, and is not overwritten. Name another file, or remove this one first."
    assert error.value.returncode == 2
    assert file.read_text() == "DFINERY = {}\n"


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("no/such/folder/dfinery_settings.py", "{path} can't be written: there is no directory {parent}."),
        ("dfinery-settings.py", "{path} is no name of a module. Write, for example, dfinery_settings.py."),
        ("dfinery_settings.txt", "{path} is no name of a module. Write, for example, dfinery_settings.py."),
    ],
)
def test_a_path_that_can_be_no_module(tmp_path: Path, capsys: Any, name: str, problem: str) -> None:
    """It is refused before anything is looked at."""
    path = tmp_path / name
    with pytest.raises(CommandError) as error:
        init(capsys, "--write", str(path))
    assert str(error.value) == problem.format(path=path, parent=path.parent)


def test_a_model_that_does_not_exist(capsys: Any) -> None:
    """The nearest one is named."""
    with pytest.raises(CommandError) as error:
        init(capsys, "--model", "shop.Ordr")
    assert str(error.value) == "--model is 'shop.Ordr', which is not an installed model. Did you mean 'shop.Order'?"
    assert error.value.returncode == 2


def test_the_last_row_is_shown(paid_order: Any, capsys: Any) -> None:
    """After the block stands what preview says of it, in comments: all of it can be pasted."""
    out = init(capsys)
    names: dict[str, Any] = {}
    exec(out, names)
    assert names["DFINERY"]["EVENTS"]["purchase"]["model"] == "shop.Order"
    assert f"shop.Order {paid_order.pk} in database 'default'" in out
    assert f'"{paid_order.number}"' in out
    assert "Its event would be sent to default." in out


def test_a_written_module_has_the_row_in_comments(paid_order: Any, capsys: Any, tmp_path: Path) -> None:
    """With a warning, since it is a customer's, and as comments only."""
    file = tmp_path / "dfinery_settings.py"
    init(capsys, "--write", str(file))
    block, _, rest = file.read_text().partition("\n}\n")
    assert "in database" not in block
    assert (
        rest.splitlines()[1] == "# What the last rows would send. They are real: remove these lines before you commit."
    )
    assert all(line.startswith("#") for line in rest.splitlines() if line)
    assert f"# shop.Order {paid_order.pk} in database 'default'" in rest


def test_another_model_can_be_named(capsys: Any, transactional_db: None) -> None:
    """The others that it could be are hints of the block."""
    assert "# It could also be shop.Booking (" in init(capsys)
    assert '"model": "shop.Booking",' in init(capsys, "--model", "shop.Booking")


def test_json_has_reasons_and_alternatives(paid_order: Any, capsys: Any) -> None:
    """What tools need: each guess with its place, and the text to paste."""
    form = json.loads(init(capsys, "--json"))
    assert form["order"]["model"] == "shop.Order"
    assert form["events"]["purchase"]["keys"]["when"] == {
        "value": '{"status": "paid"}',
        "reason": "a status of its own: Paid",
        "confidence": "high",
        "alternatives": [
            {"value": '{"paid_at__isnull": False}', "reason": "a moment that is empty before"},
        ],
    }
    assert form["previews"]["purchase"]["ending"] == "pending"
    assert form["python"].startswith("import os\n")


def test_other_keys_of_the_setting_are_named(settings: Any, capsys: Any, transactional_db: None) -> None:
    """The block replaces the setting, so a reader has to know what it lacks."""
    settings.DFINERY = {"TOKENS": {"default": "token"}, "BASE_URL": "http://127.0.0.1:9", "RETENTION_DAYS": 7}
    assert "# Your DFINERY also has BASE_URL, RETENTION_DAYS, which this block does not repeat." in init(capsys)


def test_a_purchase_arrives_by_the_pasted_block(settings: Any, shop: Shop, transactional_db: None, capsys: Any) -> None:
    """Without an edit: an order that becomes paid is sent with its number, total, lines and customer."""
    names: dict[str, Any] = {}
    exec(init(capsys).partition("\n}\n")[0] + "\n}\n", names)
    with Sandbox(tokens=["test-token"]) as sandbox:
        settings.DFINERY = {**names["DFINERY"], "TOKENS": {"default": "test-token"}, "BASE_URL": sandbox.url}
        customer = shop.customer()
        order = shop.place(customer=customer, lines=2)
        order.paid_at = timezone.now()
        shop.pay(order)
        Event.objects.update(due_at=timezone.now())
        call_command("dfinery", "drain")
        bodies = {each.event_name: each.body for each in sandbox.arrivals}
    assert bodies["purchase"]["user_attributes"]["user_id"] == str(customer.pk)
    attributes = bodies["purchase"]["event_attributes"]
    assert {name: attributes[name] for name in ("order_id", "order_sales", "discount", "payment_method")} == {
        "order_id": "2026-00001", "order_sales": 4000000.0, "discount": 0.0, "payment_method": "MobilePayment",
    }  # fmt: skip
    line = {
        "product_id": "123456789", "product_name": "Macbook Air 13", "category1": "Macbook Air", "quantity": 1,
        "price": 1900000.0, "discount": 0.0,
    }  # fmt: skip
    assert attributes["items"] == [line, line]


def test_nothing_is_stored(paid_order: Any, capsys: Any) -> None:
    """No event, and no row of the shop."""
    counts = [model._base_manager.count() for model in (Event, Order, Line, Product)]
    init(capsys)
    assert [model._base_manager.count() for model in (Event, Order, Line, Product)] == counts


def test_a_definition_that_is_there_as_a_class_is_not_proposed_twice(capsys: Any, transactional_db: None) -> None:
    """It is commented out, and the reason stands above it."""

    @register("shop.Order", name="purchase")
    class Purchase(EventDefinition):
        user = "customer"

    try:
        out = init(capsys)
    finally:
        unregister("purchase")
    assert "        # TODO purchase can't be used as it is: Event 'purchase' is both registered as a class" in out
    assert '\n        # "purchase": {\n' in out
    names: dict[str, Any] = {}
    exec(out.partition("\n}\n")[0] + "\n}\n", names)
    assert sorted(names["DFINERY"]["EVENTS"]) == ["cancel_order", "sign_up"]


def test_a_path_that_the_checks_refuse_is_replaced(capsys: Any, transactional_db: None) -> None:
    """By the next candidate; the reason stands in the block."""
    event = ProposedEvent("purchase", "shop.Order")
    event.keys["event_attributes"] = {
        "order_id": Guess("no_such_field", alternatives=(Guess("number"), Guess("customer"))),
        "order_sales": Guess("customer", alternatives=(Guess("nothing"),)),
    }
    event.keys["when"] = Guess({"status": "payed"}, alternatives=(Guess({"status": "paid"}),))
    keep_valid(event, check_definition)
    assert event.content() == {
        "model": "shop.Order", "event_attributes": {"order_id": "number"}, "when": {"status": "paid"},
    }  # fmt: skip
    assert [each.partition(".")[0] for each in event.todo] == [
        '"order_id": "no_such_field" was tried',
        '"order_sales": "customer" was tried',
        '"when": {"status": "payed"} was tried',
    ]


STRANGE = (
    "Order",
    "Booking",
    "BranchOrder",
    "GiftOrder",
    "OrderReport",
    "Voucher",
    "Ticket",
    "Stage",
    "Product",
    "User",
)


@pytest.mark.parametrize("model", STRANGE)
def test_whatever_is_named_passes_the_checks(model: str, settings: Any, capsys: Any, transactional_db: None) -> None:
    """A child, a proxy, a composite key, a UUID, a text as key, a manager that refuses, and what is no order at all."""
    names: dict[str, Any] = {}
    exec(init(capsys, "--model", f"shop.{model}").partition("\n}\n")[0] + "\n}\n", names)
    assert names["DFINERY"]["EVENTS"]["purchase"]["model"] == f"shop.{model}"
    settings.DFINERY = names["DFINERY"]
    assert [each.msg for each in check_settings() if each.level >= WARNING] == []


def test_the_example_project(tmp_path: Path) -> None:
    """The shop of the demo gets the mapping that its own settings have."""
    file = tmp_path / "dfinery_settings.py"
    command = [sys.executable, "manage.py", "dfinery", "init", "--write", str(file)]
    env = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    env["PYTHONPATH"] = str(ROOT)
    done = subprocess.run(command, cwd=ROOT / "example_project", env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    names: dict[str, Any] = {}
    exec(file.read_text(), names)
    purchase = names["DFINERY"]["EVENTS"]["purchase"]
    assert (purchase["model"], purchase["when"], purchase["event_datetime"]) == (
        "shop.Order", {"status": "paid"}, "paid_at",
    )  # fmt: skip
    assert purchase["event_attributes"] == {
        "order_id": "number", "order_sales": "total", "discount": "discount_total",
        "delivery_charge": "delivery_charge", "payment_method": "get_payment_method_display",
    }  # fmt: skip
    assert {**purchase["item_attributes"], "product_id": repr(purchase["item_attributes"]["product_id"])} == {
        "product_id": "'sku'", "product_name": "name", "category1": "product.category.name", "quantity": "quantity",
        "price": "unit_price", "discount": "discount",
    }  # fmt: skip
    assert repr(purchase["user_attributes"]["user_id"]) == "Coalesce('customer.pk', Hashed('guest_email'))"
