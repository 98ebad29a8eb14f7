"""``proposal``: what is guessed of shops of different shapes, and that every guess can be used."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.apps import apps
from django.core.management import call_command

from dfinery_django.checks import check_settings
from dfinery_django.checks.definitions import check_definition
from dfinery_django.definitions import registry
from dfinery_django.diagnostics.explain import explain
from dfinery_django.proposal.guesses import Guess, Proposal
from dfinery_django.proposal.orders import order_models
from dfinery_django.proposal.render import python_text
from dfinery_django.proposal.shop import last_row, whole_proposal
from tests.integration.proposal.conftest import SHOPS

Install = Callable[..., Any]

#: The model of orders of each shop.
ORDERS = {
    "hotel": "hotel.Booking",
    "tickets": "tickets.Order",
    "mall": "mall.Ord",
    "market": "market.CustomerOrder",
    "cart": "cart.Order",
    "wholesale": "wholesale.SalesOrder",
    "legacy": "legacy.Order",
    "cinema": "cinema.Booking",
    "fair": "fair.Order",
    "consign": "consign.Purchase",
    "stall": "stall.Order",
    "dianpu": "dianpu.Order",
    "courses": "courses.Invoice",
}
#: What a purchase says in each of them.
PURCHASES = {
    "hotel": {
        "model": '"hotel.Booking"',
        "when": '{"status__in": ["CO", "CI"]}',  # confirmed or later: no value is called paid
        "event_datetime": '"confirmed_at"',
        "order_id": '"booking_reference"',
        "order_sales": '"total_price"',
        "items": '"self"',
        "product_id": '"room.pk"',
        "product_name": '"room.number"',
        "category1": '"room.room_type.name"',
        "quantity": '"nights"',
        "price": 'Cast("total_price", FloatField()) / NullIf("nights", 0)',
        "user_id": '"guest.pk"',  # and not created_by, who is of the staff
    },
    "tickets": {
        "model": '"tickets.Order"',
        "when": '{"status": 2}',
        "reconcile_by": '"created_at"',
        "order_id": '"reference"',
        "order_sales": 'F("total_cents") / 100.0',
        "items": '"tickets"',
        "product_id": '"ticket_type.pk"',  # and not the ticket's own code
        "product_name": '"ticket_type.name"',
        "quantity": "Value(1)",
        "price": 'F("price") / 100.0',  # like total_cents
        "user_id": 'Coalesce("user.pk", Hashed("email"))',
        "user_name": '"user.get_full_name"',
    },
    "mall": {
        "model": '"mall.Ord"',
        "when": '{"stat": 20}',
        "event_datetime": '"pay_dt"',
        "order_id": '"ord_no"',
        "order_sales": '"tot_amt"',
        "discount": '"dc_amt"',
        "delivery_charge": '"dlv_amt"',
        "payment_method": '"get_pay_way_display"',
        "items": '"ordgoods_set"',
        "product_id": '"g.gd_cd"',
        "product_name": '"g.gd_nm"',
        "category1": '"g.cate.cate_nm"',
        "quantity": '"cnt"',
        "price": '"prc"',
        "user_id": 'Coalesce("mem.pk", Hashed("ord_email"))',
        "user_name": 'Coalesce("mem.get_full_name", "ord_nm")',
    },
    "market": {
        "model": '"market.CustomerOrder"',
        "when": '{"payment_status": "paid"}',
        "reconcile_by": '"placed_at"',
        "order_id": '"order_number"',
        "order_sales": '"grand_total"',
        "discount": '"discount_total"',
        "delivery_charge": '"shipping_total"',
        "items": '"vendor_orders.lines"',
        "product_id": '"product.sku"',
        "product_name": '"product_title"',
        "category1": '"product.categories.first.title"',
        "quantity": '"qty"',
        "price": 'Cast("line_total", FloatField()) / NullIf("qty", 0)',
        "user_id": 'Coalesce("buyer.pk", Hashed("billing_address.email"))',
        "user_name": 'Coalesce("buyer.get_full_name", "billing_address.full_name")',
    },
    "cart": {
        "model": '"cart.Order"',
        "when": '{"ordered": True}',
        "reconcile_by": '"start_date"',
        "order_id": '"ref_code"',
        "order_sales": '"get_total"',
        "items": '"items"',
        "product_id": '"item.pk"',
        "product_name": '"item.title"',
        "category1": '"item.get_category_display"',
        "quantity": '"quantity"',
        "price": '"item.price"',
        "user_id": '"user.pk"',
        "user_name": '"user.get_full_name"',
    },
    "wholesale": {  # without rows nothing tells what the statuses are called, so a payment says it
        "model": '"wholesale.Payment"',
        "when": '{"captured_at__isnull": False}',
        "event_datetime": '"captured_at"',
        "order_id": '"order.pk"',
        "order_sales": '"order.gross_amount"',
        "payment_method": '"method"',
        "items": '"order.salesorderline_set"',
        "product_id": '"item.sku"',
        "product_name": '"item.name"',
        "quantity": '"quantity"',
        "price": '"gross_price"',
        "user_id": '"order.client.pk"',
        "user_name": '"order.client.get_full_name"',
    },
    "legacy": {
        "model": '"legacy.Order"',
        "when": '{"state": "p"}',
        "event_datetime": '"payment_date"',
        "order_id": '"number"',
        "order_sales": '"ordertotal"',
        "delivery_charge": '"freight"',
        "items": '"rows"',
        "product_id": '"sku"',
        "product_name": '"title"',
        "quantity": '"qty"',
        "price": '"priceeach"',
        "user_id": 'Coalesce("customer_id", Hashed("email"))',
    },
    "cinema": {
        "model": '"cinema.Booking"',
        "when": '{"state": "CONFIRMED"}',
        "reconcile_by": '"created_at"',  # set before, so it is no moment of a purchase
        "order_id": '"number"',
        "order_sales": '"total_price"',
        "items": '"self"',
        "product_id": '"showing.movie.pk"',
        "product_name": '"showing.movie.title"',
        "category1": '"showing.movie.venue.name"',
        "quantity": '"seats"',
        "price": 'Cast("total_price", FloatField()) / NullIf("seats", 0)',
        "user_id": 'Coalesce("booked_by.pk", Hashed("email"), Hashed("phone"))',
        "user_name": '"booked_by.get_full_name"',
    },
    "fair": {
        "model": '"fair.Order"',
        "when": '{"status": "p", "testmode": False}',
        "event_datetime": '"paid_at"',
        "order_id": '"full_code"',  # code is unique for an organizer alone
        "order_sales": '"total"',
        "items": 'Rows("positions", canceled=False)',
        "product_id": '"item.pk"',
        "product_name": '"item.name"',
        "quantity": "Value(1)",
        "price": '"price"',
        "user_id": 'Hashed("email")',
    },
    "consign": {  # a save of the payment fires no condition of the purchase
        "model": '"consign.Payment"',
        "when": '{"state": "DONE"}',
        "reconcile_by": '"created"',
        "order_id": '"purchase.reference"',
        "order_sales": '"purchase.grand_total"',
        "delivery_charge": 'Sum("purchase__consignments__shipping_cost")',
        "items": '"purchase.consignments.lines"',
        "product_id": '"variant.sku"',
        "product_name": '"variant.listing.title"',
        "category1": '"variant.listing.taxons.first.title"',
        "quantity": '"pieces"',
        "price": '"price_each"',
        "user_id": '"purchase.buyer.pk"',
        "user_name": '"purchase.buyer.get_full_name"',
    },
    "stall": {
        "model": '"stall.Order"',
        "when": '{"is_paid": True}',
        "reconcile_by": '"updated_at"',
        "order_id": '"number"',
        "order_sales": 'Sum(F("lines__unit_price") * F("lines__quantity"))',
        "items": 'Rows("lines", kind="product")',
        "product_id": '"product.pk"',
        "product_name": '"product.name"',
        "quantity": '"quantity"',
        "price": '"unit_price"',
        "user_id": '"user.pk"',
        "user_name": '"user.get_full_name"',
    },
    "dianpu": {  # without rows nothing is known of its JSON
        "model": '"dianpu.Order"',
        "when": '{"pay_time__isnull": False}',
        "event_datetime": '"pay_time"',
        "order_id": '"sn"',
        "order_sales": '"amount"',
        "discount": '"reduced"',
        "delivery_charge": '"carriage"',
        "items": '"ordersku_set"',
        "product_id": '"sku.code"',
        "product_name": '"sku.spu.title"',  # and not the code of a variant that has no name
        "category1": '"sku.spu.categories.first.name"',
        "quantity": '"count"',
        "price": '"sku.price"',
        "user_id": '"buyer.pk"',
        "user_name": '"buyer.get_full_name"',
    },
    "courses": {
        "model": '"courses.Invoice"',
        "when": '{"status": "paid"}',
        "event_datetime": '"ordered_at"',
        "order_id": '"number"',
        "order_sales": 'F("total") / 100.0',
        "discount": 'F("discount") / 100.0',
        "delivery_charge": 'F("shipping") / 100.0',
        "items": '"items"',
        "product_id": '"offer.pk"',
        "product_name": '"offer.name"',
        "quantity": '"quantity"',
        "price": "lambda row: (cents := row.price) and cents / 100",
        "currency": '"invoice.currency"',
        "user_id": '"user.pk"',
        "user_name": '"user.get_full_name"',
    },
}


def propose_for(name: str) -> Proposal:
    proposal = whole_proposal(apps.get_model(ORDERS[name]), check_definition)
    assert proposal is not None
    return proposal


def guesses_of(proposal: Proposal, name: str = "purchase") -> dict[str, str]:
    """The values of a definition as Python text, by the names of keys and fields; those of items come last."""
    event = next(each for each in proposal.events if each.name == name)
    found = {"model": f'"{event.model}"'}
    for key, guess in event.keys.items():
        found.update({key: guess.code} if isinstance(guess, Guess) else {each: guess[each].code for each in guess})
    return found


def setting_of(text: str) -> dict[str, Any]:
    """The setting that a reader has who pastes the text."""
    names: dict[str, Any] = {}
    exec(compile(text, "settings", "exec"), names)
    setting: dict[str, Any] = names["DFINERY"]
    return setting


@pytest.mark.parametrize("name", SHOPS)
def test_the_model_of_orders_is_found(install: Install, name: str) -> None:
    """Among all models of a shop, the one that a person would name is the best."""
    install(name)
    found = [each.label for each in order_models() if each.label.startswith(f"{name}.")]
    assert found[0] == ORDERS[name]


@pytest.mark.parametrize("name", SHOPS)
def test_what_a_purchase_says(install: Install, name: str) -> None:
    """Each field gets the path that a person would write."""
    install(name)
    assert guesses_of(propose_for(name)) == PURCHASES[name]


def test_rows_of_a_table_of_statuses_name_them(install: Install) -> None:
    """With the rows there, the order's own status says that it was paid."""
    install("wholesale")
    status: Any = apps.get_model("wholesale.OrderStatus")
    for code in ("draft", "paid", "shipped", "cancelled"):
        status.objects.create(code=code, name=code.title())
    proposal = propose_for("wholesale")
    assert guesses_of(proposal)["model"] == '"wholesale.SalesOrder"'
    assert guesses_of(proposal)["when"] == '{"status__code": "paid"}'
    assert guesses_of(proposal, "cancel_order")["when"] == '{"status__code": "cancelled"}'


def test_what_comes_after_a_purchase(install: Install) -> None:
    """A cancellation and a refund have the order's number and user, and the moment where there is one."""
    install("mall")
    user = 'Coalesce("mem.pk", Hashed("ord_email"))'
    proposal = propose_for("mall")
    assert guesses_of(proposal, "cancel_order") == {
        "model": '"mall.Ord"', "when": '{"stat": 90}', "event_datetime": '"cancel_dt"', "order_id": '"ord_no"',
        "order_sales": '"tot_amt"', "user_id": user,
    }  # fmt: skip
    assert guesses_of(proposal, "refund") == {
        "model": '"mall.Ord"', "when": '{"stat": 95}', "reconcile_by": '"reg_dt"', "order_id": '"ord_no"',
        "order_sales": '"tot_amt"', "user_id": user,
    }  # fmt: skip


def test_a_payment_says_that_an_order_was_cancelled(install: Install) -> None:
    """Where the order has no state, that of its payment counts for what comes later, too."""
    install("consign")
    assert guesses_of(propose_for("consign"), "cancel_order") == {
        "model": '"consign.Payment"', "when": '{"state": "CANCELED"}', "event_datetime": '"canceled_at"',
        "order_id": '"purchase.reference"', "order_sales": '"purchase.grand_total"', "user_id": '"purchase.buyer.pk"',
    }  # fmt: skip


def test_refunds_with_rows_of_their_own(install: Install) -> None:
    """Each is an event, since an order may have several."""
    install("cart")
    assert guesses_of(propose_for("cart"), "refund") == {
        "model": '"cart.Refund"', "when": '{"accepted": True}', "order_id": '"order.ref_code"',
        "user_id": '"order.user.pk"',
    }  # fmt: skip


def test_customers_who_are_no_users_sign_up(install: Install) -> None:
    """Where orders belong to a model of customers, a row of it is a sign-up."""
    install("hotel")
    assert guesses_of(propose_for("hotel"), "sign_up") == {
        "model": '"hotel.Guest"',
        "when": '"created"',
        "user_id": '"pk"',
    }


@pytest.mark.parametrize("rows", [0, 3])
@pytest.mark.parametrize("name", SHOPS)
def test_a_pasted_proposal_passes_the_checks(install: Install, settings: Any, name: str, rows: int) -> None:
    """No error and no warning, with or without rows; reconcile may have a note, and moments without a zone."""
    install(name, rows=rows)
    settings.DFINERY = setting_of(python_text(propose_for(name)))
    settings.Q_CLUSTER = {"name": "tests", "orm": "default", "timeout": 60, "retry": 90}
    assert {each.id for each in check_settings()} <= {"dfinery.I001", "dfinery.I002"}
    assert set(registry.definition_faults()) == set()


@pytest.mark.parametrize("name", SHOPS)
def test_a_real_row_can_be_sent(install: Install, settings: Any, name: str) -> None:
    """Each definition of the pasted text builds an event of the last row, without a fault."""
    install(name, rows=3)
    proposal = propose_for(name)
    settings.DFINERY = setting_of(python_text(proposal))
    for event in proposal.events:
        row: Any = last_row(event)
        explanation = explain(registry.get(event.name), row, using="default")
        assert (explanation.ending, explanation.reason) == ("pending", "")
        faults = [each.fault for part in explanation.parts for each in part.readings if each.fault]
        assert faults == []


@pytest.mark.parametrize("name", SHOPS)
def test_the_same_shop_has_the_same_proposal(install: Install, name: str) -> None:
    """Nothing of it depends on an order of sets, or on what was asked before."""
    install(name, rows=3)
    assert python_text(propose_for(name)) == python_text(propose_for(name))


@pytest.mark.parametrize("name", SHOPS)
def test_what_is_tried_is_what_is_written(install: Install, settings: Any, name: str) -> None:
    """The text of a value and the value that the checks saw give the same payload."""
    from dfinery_django import preview

    install(name, rows=3)
    proposal = propose_for(name)
    payloads = []
    for setting in (proposal.setting(), setting_of(python_text(proposal))):
        settings.DFINERY = {**setting, "TOKENS": {"default": "test-token"}}
        for event in proposal.events:
            row: Any = last_row(event)
            payload: Any = preview(event.name, row)
            said = {**payload.event_attributes, "event_id": None, "event_datetime": None}  # of each look its own
            payloads.append((event.name, payload.user_attributes, payload.items, said))
    half = len(payloads) // 2
    assert payloads[:half] == payloads[half:]


def test_a_guess_from_rows_is_told_by_them(install: Install) -> None:
    """A column that is empty in every row is less likely than another that has a value."""
    app = install("cart", rows=3)
    orders: Any = app.get_model("Order").objects
    orders.update(ref_code=None)
    proposal = propose_for("cart")
    assert guesses_of(proposal)["order_id"] == '"ref_code"'  # the name still speaks for it
    event = next(each for each in proposal.events if each.name == "purchase")
    fields: Any = event.keys["event_attributes"]
    assert "filled in 0 of 3 rows" in fields["order_id"].reason


def test_a_moment_that_bought_orders_lack_is_none(install: Install) -> None:
    """An event whose moment is empty would fail: the moment of the save counts, and reconcile has another column."""
    app = install("fair", rows=3)
    orders: Any = app.get_model("Order").objects
    orders.update(status="p", testmode=False, paid_at=None)
    keys = guesses_of(propose_for("fair"))
    assert "event_datetime" not in keys
    assert keys["reconcile_by"] == '"datetime"'


def test_a_status_beats_a_moment_that_bought_orders_lack(install: Install) -> None:
    """Some way of paying does not set it, so its orders would never be found."""
    app = install("dianpu", rows=6)
    orders: Any = app.get_model("Order").objects
    assert guesses_of(propose_for("dianpu"))["when"] == '{"pay_time__isnull": False}'
    orders.filter(state=3).update(pay_time=None)
    keys = guesses_of(propose_for("dianpu"))
    assert keys["when"] == '{"state__in": [2, 3, 4]}'  # who waits for the goods has paid
    assert "event_datetime" not in keys
    assert keys["reconcile_by"] == '"added"'


def test_an_unpaid_order_may_lack_the_moment(install: Install) -> None:
    """It says nothing against the moment of payment."""
    app = install("dianpu", rows=6)
    orders: Any = app.get_model("Order").objects
    orders.filter(state=1).update(pay_time=None)
    assert guesses_of(propose_for("dianpu"))["when"] == '{"pay_time__isnull": False}'


def test_bought_orders_lack_the_moment_of_a_cancellation(install: Install) -> None:
    """That says nothing against it."""
    app = install("mall", rows=6)
    app.get_model("Ord").objects.filter(stat__lt=90).update(cancel_dt=None)
    cancel = next(each for each in propose_for("mall").events if each.name == "cancel_order")
    when: Any = cancel.keys["when"]
    assert [each.reason for each in when.alternatives] == ["a moment that is empty before"]


def test_a_copy_of_the_product_as_json(install: Install, settings: Any) -> None:
    """Where rows tell its keys, it is what the customer bought; a number may be a text, or missing."""
    from dfinery_django import preview

    app = install("dianpu", rows=3)
    lines: Any = app.get_model("OrderSku").objects
    lines.update(snapshot={"title": "灯", "subtitle": "新", "price": "129.00", "image": "/sku.png"})
    keys = guesses_of(proposal := propose_for("dianpu"))
    assert keys["product_id"] == '"sku.code"'
    assert keys["product_name"] == '"snapshot.title"'
    assert keys["price"] == 'lambda row: float(number) if (number := (row.snapshot or {}).get("price")) else None'
    settings.DFINERY = setting_of(python_text(proposal))
    row: Any = last_row(proposal.events[0])
    for snapshot, price in (({"price": "129.00"}, 129.0), ({}, None), ({"price": ""}, None), ({"price": "0.00"}, 0.0)):
        lines.update(snapshot=snapshot)
        payload: Any = preview("purchase", row)
        assert [each.get("abx:price", each.get("price")) for each in payload.items] == [price]


def test_cents_in_a_copy_as_json(install: Install, settings: Any) -> None:
    """Each is divided as a column would be."""
    from dfinery_django import preview

    app = install("courses", rows=3)
    lines: Any = app.get_model("InvoiceItem").objects
    lines.update(copy={"name": "Welding", "price": 4950})
    keys = guesses_of(proposal := propose_for("courses"))
    assert keys["product_name"] == '"copy.name"'
    assert keys["price"] == 'lambda row: cents / 100 if (cents := (row.copy or {}).get("price")) else cents'
    settings.DFINERY = setting_of(python_text(proposal))
    payload: Any = preview("purchase", last_row(proposal.events[0]))  # type: ignore[arg-type]
    assert [each.get("abx:price", each.get("price")) for each in payload.items] == [49.5]


@pytest.mark.parametrize("price", ["129 yuan", ["129"], None])
def test_a_text_that_is_no_number_is_no_price(install: Install, price: Any) -> None:
    """Then today's price of the product is the next best."""
    app = install("dianpu", rows=3)
    app.get_model("OrderSku").objects.update(snapshot={"price": price})
    assert guesses_of(propose_for("dianpu"))["price"] == '"sku.price"'


@pytest.mark.parametrize(
    ("codes", "total", "price"),
    [
        (["usd"], 'F("total") / 100.0', "lambda row: (cents := row.price) and cents / 100"),
        (["EUR", "GBP", "CNY"], 'F("total") / 100.0', "lambda row: (cents := row.price) and cents / 100"),
        (["KRW"], '"total"', '"price"'),
        (["jpy"], '"total"', '"price"'),
        (["usd", "jpy"], '"total"', '"price"'),  # no one scale is right for both
    ],
)
def test_integers_of_a_currency_with_cents(install: Install, codes: list[str], total: str, price: str) -> None:
    """They are cents; won and yen are counted whole."""
    app = install("courses", rows=3)
    for i, each in enumerate(app.get_model("Invoice").objects.all()):
        each.currency = codes[i % len(codes)]
        each.save()
    keys = guesses_of(propose_for("courses"))
    assert (keys["order_sales"], keys["price"]) == (total, price)


@pytest.mark.parametrize(("code", "total"), [("EUR", 'F("tot_amt") / 100.0'), ("KRW", '"tot_amt"'), ("€", '"tot_amt"')])
def test_a_currency_of_the_settings(install: Install, settings: Any, code: str, total: str) -> None:
    """It counts where no column says one."""
    install("mall")
    settings.DEFAULT_CURRENCY = code
    assert guesses_of(propose_for("mall"))["order_sales"] == total


def test_decimals_are_no_cents(install: Install, settings: Any) -> None:
    """Whatever the currency."""
    install("dianpu")
    settings.DEFAULT_CURRENCY = "CNY"
    assert guesses_of(propose_for("dianpu")) == PURCHASES["dianpu"]


def test_cents_that_are_missing_stay_so(install: Install, settings: Any) -> None:
    """No price is no 0, and the reason is written beside each amount."""
    from dfinery_django import preview

    app = install("courses", rows=3)
    text = python_text(proposal := propose_for("courses"))
    assert text.count("an integer in USD, so in cents") >= 4
    settings.DFINERY = setting_of(text)
    row: Any = last_row(proposal.events[0])
    offer: Any = app.get_model("Offer")
    kept = offer.current_price
    try:
        for given, price in ((4950, 49.5), (0, 0.0), (None, None)):
            offer.current_price = lambda each, given=given: given
            payload: Any = preview("purchase", row)
            assert [each.get("abx:price", each.get("price")) for each in payload.items] == [price]
    finally:
        offer.current_price = kept


@pytest.mark.parametrize("name", ["dianpu", "courses", "mall"])
def test_no_line_that_makes_no_sense(install: Install, name: str) -> None:
    """Where something says that an order was bought, its creation is no alternative, and neither is that moment."""
    install(name, rows=3)
    purchase = next(each for each in propose_for(name).events if each.name == "purchase")
    for key in ("when", "event_datetime"):
        guess: Any = purchase.keys[key]
        assert not {"created", "added", "reg_dt"} & {str(each.value) for each in guess.alternatives}


def test_rows_that_can_not_be_read_are_no_obstacle(install: Install, capsys: Any) -> None:
    """Such as a column whose field refuses the stored value: the names decide, and the reason is shown."""
    app = install("cart", rows=3)
    model: Any = app.get_model("Order")

    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise ArithmeticError("not a number")

    model.from_db = classmethod(refuse)
    try:
        call_command("dfinery", "init", "--model", "cart.Order")
    finally:
        del model.from_db
    out = capsys.readouterr().out
    assert "# No row of cart.Order can be read (ArithmeticError: not a number): names alone decided." in out
    assert guesses_of(propose_for("cart")) == PURCHASES["cart"]


def test_a_property_that_fails_is_not_proposed(install: Install) -> None:
    """Neither is one that gives no number for an amount."""
    app = install("cart", rows=3)
    model: Any = app.get_model("Order")
    model.grand_total = property(lambda order: 1 / 0)
    model.total_price = property(lambda order: "ten")
    try:
        assert guesses_of(propose_for("cart"))["order_sales"] == '"get_total"'
    finally:
        del model.grand_total, model.total_price


def test_nothing_is_stored_by_a_look(install: Install, capsys: Any) -> None:
    """A property that writes is undone."""
    app = install("cart", rows=3)
    model: Any = app.get_model("Order")
    before = list(model.objects.values())
    model.total = property(lambda order: model.objects.filter(pk=order.pk).update(ref_code="x"))
    try:
        call_command("dfinery", "init", "--model", "cart.Order")
    finally:
        del model.total
    assert list(model.objects.values()) == before
    assert '"model": "cart.Order"' in capsys.readouterr().out
