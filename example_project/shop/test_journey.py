"""Each recipe of docs/map/journey.md, as the page has it: a customer does it, and an event would be sent."""
# ruff: noqa: PT009 - the assertions of Django's own test classes

import copy
import datetime as dt
import hashlib
import re
from pathlib import Path
from unittest import mock
from zlib import crc32

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.checks import INFO, run_checks
from django.core.management import call_command
from django.db.models.signals import post_delete, post_save
from django.test import override_settings
from django.urls import reverse
from django.utils import timezone

from dfinery_django.definitions import registry
from dfinery_django.models import Event
from dfinery_django.outbox.reconcile import obstacle
from dfinery_django.testing import captured_events

from . import services, signals
from .models import Order, Refund, SavedCartLine, Subscription, Wish
from .tests import ShopTestCase

EXAMPLE = Path(settings.BASE_DIR)
PAGE = (EXAMPLE.parent / "docs/map/journey.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
RECONCILED = {"sign_up", "add_to_wishlist", "use_coupon", "cancel_item", "refund"}
ENVELOPE = ("event_id", "event_name", "event_datetime")
PASSWORD = "korrekt-horse-9"
TEA = {"product_id": "TEA-GREEN", "product_name": "Green tea from Boseong, 80 g", "price": 15_900.0}


def blocks_with(words):
    return [block for block in BLOCKS if words in block]


def journey_settings():
    """The shop's settings, and each block of the page that begins with # settings.py, executed."""
    names = {"DFINERY": copy.deepcopy(settings.DFINERY)}
    for block in blocks_with("# settings.py\n"):
        exec(block, names)
    return names["DFINERY"]


def is_sampled(user):
    return crc32(str(user.pk).encode()) % 10 == 0


def member(sampled=True):
    """A new member, among those whose views and carts are sent, or among the others."""
    users = iter(lambda: get_user_model()(name="Yuna Jung"), None)
    user = next(each for each in users if is_sampled(each) == sampled)
    user.email = f"{user.pk}@example.com"
    user.save()
    return user


def at(hour, minute):
    """Let it be that time of a day."""
    return mock.patch(
        "django.utils.timezone.now", return_value=dt.datetime(2026, 11, 28, hour, minute, tzinfo=dt.timezone.utc)
    )


class CarriedTests(ShopTestCase):
    def test_the_shop_carries_each_recipe_as_it_is_printed(self):
        carried = (EXAMPLE / "config/journey.py").read_text()
        for block in blocks_with("# settings.py\n"):
            self.assertIn(block[block.index("DFINERY[") :], carried)
        (view,) = blocks_with("# shop/dfinery_events.py")
        self.assertEqual(view.partition("\n")[2], (EXAMPLE / "journey/dfinery_events.py").read_text())

    def test_no_migration_is_missing(self):
        call_command("makemigrations", check=True, dry_run=True, verbosity=0)


@override_settings(DFINERY=journey_settings())
class JourneyTests(ShopTestCase):
    def setUp(self):
        self.yuna = member()
        self.client.force_login(self.yuna)
        self.send_view = self.receiver("send_view")
        self.addCleanup(signals.product_viewed.disconnect, self.send_view)

    def receiver(self, name):
        """A receiver of the page, connected. Signals refer to it weakly."""
        (block,) = blocks_with(f"def {name}(")
        names = {"__name__": "shop.dfinery_events"}
        exec(block, names)
        return names[name]

    def post(self, page, /, *args, **form):
        answer = self.client.post(reverse(page, args=args), form)
        self.assertEqual(answer.status_code, 302)
        return answer

    def buy(self, *skus, coupon="", quantity=1):
        for sku in skus:
            self.post("shop:add_to_cart", sku, quantity=quantity)
        self.post("shop:checkout", guest_email="guest@example.com", coupon=coupon)
        order = Order.objects.latest("pk")
        self.post("shop:payment", order.number, method="card")
        return order

    def assert_said(self, events, name, *, user=None, **attributes):
        """One event of that name, that says this and nothing else, of that user."""
        payload = events.only(name).payload
        said = {key: value for key, value in payload["event_attributes"].items() if key not in ENVELOPE}
        self.assertEqual(said, attributes)
        self.assertEqual(payload["user_attributes"], {"user_id": str(user or self.yuna.pk)})

    def test_the_settings_have_no_mistake(self):
        self.assertEqual([each for each in run_checks(tags=["dfinery"]) if each.level > INFO], [])

    def test_reconcile_finds_what_the_page_says(self):
        found = {each.name for each in registry.definitions() if not obstacle(each)}
        self.assertEqual(found - {"purchase", "cancel_order"}, RECONCILED)

    def test_sign_up_and_login(self):
        self.client.logout()
        form = {"name": "Jun Park", "email": "jun@example.com", "membership": "silver"}
        with captured_events() as events:
            self.post("accounts:sign_up", **form, password1=PASSWORD, password2=PASSWORD)
        self.assertEqual([each.event_name for each in events], ["sign_up", "login"])
        jun = get_user_model().objects.get(email="jun@example.com")
        user = {"user_id": str(jun.pk), "user_name": "Jun Park", "membership": "silver"}
        self.assertEqual(events.only("sign_up").payload["user_attributes"], user)
        with captured_events() as events:
            self.post("accounts:logout")
            self.post("accounts:login", username="jun@example.com", password=PASSWORD)
            self.post("accounts:logout")
            self.post("accounts:login", username="jun@example.com", password=PASSWORD)
            self.client.post(reverse("accounts:login"), {"username": "jun@example.com", "password": "wrong"})
        self.assertEqual([each.event_name for each in events], ["login", "login"])
        self.assertEqual(events[0].payload["user_attributes"], {"user_id": str(jun.pk)})

    def test_no_administrator_signs_up_or_logs_in(self):
        with captured_events() as events:
            get_user_model().objects.create_superuser("boss@example.com", PASSWORD, name="Boss")
            self.client.post(reverse("admin:login"), {"username": "boss@example.com", "password": PASSWORD})
        events.none()

    def test_a_member_leaves_and_the_row_stays(self):
        with captured_events() as events:
            self.post("accounts:leave")
            get_user_model().objects.get(pk=self.yuna.pk).save()
        self.assert_said(events, "withdrawal")
        self.assertEqual(len(events), 1)

    def test_one_who_never_logged_in_does_not_leave(self):
        with captured_events() as events:
            member(sampled=False)
            get_user_model().objects.create_user("new@example.com", PASSWORD, name="New", is_active=False)
        events.none("withdrawal")

    def test_the_row_of_a_member_is_deleted(self):
        cart_changed = self.receiver("cart_changed")
        for signal in (post_save, post_delete):
            self.addCleanup(signal.disconnect, cart_changed, sender=SavedCartLine)
        self.post("shop:add_to_cart", "TEA-GREEN", quantity=1)
        self.client.force_login(get_user_model().objects.create_superuser("boss@example.com", PASSWORD, name="Boss"))
        key = str(self.yuna.pk)
        with captured_events() as events, at(10, 0):
            self.post("admin:accounts_user_delete", key, post="yes")
        self.assertFalse(get_user_model().objects.filter(pk=key).exists())
        self.assert_said(events, "account_deleted", user=key)
        self.assertEqual(len(events), 1, "the cart that went with the member is no event")

    def test_views_are_sampled_and_one_per_ten_minutes(self):
        look = self.tea.get_absolute_url()
        with captured_events() as events:
            for hour, minute in ((10, 0), (10, 9), (10, 10)):
                with at(hour, minute):
                    self.client.get(look)
            with at(10, 11):
                self.client.get(self.laptop.get_absolute_url())
            self.client.logout()
            self.client.get(look)
            self.client.force_login(member(sampled=False))
            self.client.get(look)
        views = events.named("view_product_details")
        self.assertEqual(
            [each.payload["event_attributes"]["items"][0]["product_id"] for each in views],
            ["TEA-GREEN", "TEA-GREEN", "LAPTOP-14"],
        )
        self.assertEqual(views[0].payload["event_attributes"]["items"], [TEA])
        self.assertEqual(views[0].payload["user_attributes"], {"user_id": str(self.yuna.pk)})

    def test_a_cart_that_changes_often_is_one_event_with_what_is_in_it_at_the_end(self):
        with captured_events() as events:
            for minute, sku, quantity in ((0, "TEA-GREEN", 1), (5, "LAPTOP-14", 1), (9, "TEA-GREEN", 2)):
                with at(10, minute):
                    self.post("shop:add_to_cart", sku, quantity=quantity)
            with at(10, 9):
                self.post("shop:change_cart", "LAPTOP-14", quantity=0)
            with at(10, 10):
                self.post("shop:change_cart", "TEA-GREEN", quantity=4)
        self.assertEqual(len(events), 2)
        self.assertEqual(events[0].payload["event_attributes"]["items"], [{**TEA, "quantity": 4}])
        self.assertEqual(events[0].payload["user_attributes"], {"user_id": str(self.yuna.pk)})

    def test_a_cart_waits_ten_minutes(self):
        with at(10, 3):
            self.post("shop:add_to_cart", "TEA-GREEN", quantity=1)
        event = Event.objects.get(definition="update_cart")
        self.assertEqual(event.due_at - event.created_at, dt.timedelta(minutes=10))

    def test_other_carts_are_not_sent(self):
        with captured_events() as events:
            self.client.force_login(member(sampled=False))
            self.post("shop:add_to_cart", "TEA-GREEN", quantity=1)
            self.client.logout()
            self.post("shop:add_to_cart", "TEA-GREEN", quantity=1)
        events.none("update_cart")

    def test_lines_alone_are_enough(self):
        """The receiver of the page: a line that is saved or deleted, and its cart is not."""
        cart_changed = self.receiver("cart_changed")
        for signal in (post_save, post_delete):
            self.addCleanup(signal.disconnect, cart_changed, sender=SavedCartLine)
        with at(9, 0):
            cart = services.save_cart(self.yuna, [])
        with captured_events() as events:
            with at(10, 0):
                line = cart.lines.create(product=self.tea, quantity=2)
                cart.lines.create(product=self.laptop, quantity=1)
            with at(10, 10):
                line.delete()
        self.assertEqual([each.event_name for each in events], ["update_cart", "update_cart"])
        self.assertEqual([each["product_id"] for each in events[1].payload["event_attributes"]["items"]], ["LAPTOP-14"])

    def test_a_wish(self):
        with captured_events() as events:
            self.post("shop:wish", "TEA-GREEN")
            self.post("shop:wish", "TEA-GREEN")
        self.assertEqual(Wish.objects.count(), 1)
        self.assert_said(events, "add_to_wishlist", items=[TEA])

    def test_a_coupon(self):
        with captured_events() as events:
            order = self.buy("TEA-GREEN", coupon="WELCOME10", quantity=2)
            self.buy("LAPTOP-14")
        said = {"order_id": order.number, "coupon_code": "WELCOME10", "discount": 3_180.0}
        self.assert_said(events, "use_coupon", **said)

    def test_a_single_line_is_cancelled(self):
        order = self.buy("TEA-GREEN", "LAPTOP-14")
        line = order.lines.get(sku="TEA-GREEN")
        with captured_events() as events:
            self.post("shop:cancel_line", order.number, line.pk)
            self.post("shop:cancel_line", order.number, line.pk)
        self.assert_said(events, "cancel_item", order_id=order.number, items=[{**TEA, "quantity": 1}])
        self.assertEqual(len(events), 1)

    def test_a_whole_order_is_cancelled(self):
        order = self.buy("TEA-GREEN", "LAPTOP-14")
        with captured_events() as events:
            self.post("shop:cancel", order.number)
        self.assertEqual([each.event_name for each in events], ["cancel_order"])

    def test_a_partial_refund_names_what_came_back(self):
        order = self.buy("TEA-GREEN", "LAPTOP-14", coupon="WELCOME10", quantity=3)
        tea, laptop = order.lines.all()
        with captured_events() as events:
            self.post("shop:give_back", order.number, tea.pk, quantity=2)
            self.post("shop:give_back", order.number, tea.pk, quantity=2)  # there is but one left
            self.post("shop:give_back", order.number, laptop.pk, quantity=1)
        self.assertEqual(Refund.objects.count(), 2)
        said = [each.payload["event_attributes"] for each in events]
        self.assertEqual([each["event_name"] for each in said], ["refund", "refund"])
        self.assertEqual([each["refund_amount"] for each in said], [28_620.0, 1_710_000.0])
        self.assertEqual(said[0]["items"], [{**TEA, "quantity": 2}])
        self.assertEqual(events[0].payload["user_attributes"], {"user_id": str(self.yuna.pk)})

    def test_a_guest_s_refund_and_line_are_theirs(self):
        self.client.logout()
        order = self.buy("TEA-GREEN", quantity=2)
        guest = hashlib.sha256(b"guest@example.com").hexdigest()
        line = order.lines.get()
        with captured_events() as events:
            self.post("shop:give_back", order.number, line.pk, quantity=1)
            self.post("shop:cancel_line", order.number, line.pk)
        self.assertEqual([each.event_name for each in events], ["refund", "cancel_item"])
        self.assertEqual({each.payload["user_attributes"]["user_id"] for each in events}, {guest})

    def test_a_subscription_is_renewed_each_month(self):
        with captured_events() as events:
            self.post("shop:subscribe", "TEA-GREEN")
        events.none("renew_subscription")
        subscription, now = Subscription.objects.get(), timezone.now()
        said = []
        for days in (29, 31, 31, 62):
            with captured_events() as events:
                services.renew_subscriptions(now + dt.timedelta(days=days))
                Subscription.objects.get().save()
            said += [each.payload for each in events]
        self.assertEqual([each["event_attributes"]["event_name"] for each in said], ["renew_subscription"] * 2)
        self.assertEqual(said[0]["event_attributes"]["subscription_id"], subscription.pk)
        self.assertEqual(said[0]["event_attributes"]["items"], [TEA])
        self.assertEqual(said[0]["user_attributes"], {"user_id": str(self.yuna.pk)})
