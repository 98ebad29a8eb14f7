"""From an object of the shop to its events: the line on its own admin page."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.test import Client, RequestFactory

from dfinery_django.admin import DfineryEventsMixin
from dfinery_django.delivery.worker import drain
from dfinery_django.models import Event
from tests.shop.models import Order
from tests.support.doubles import PURCHASE, FarSide
from tests.support.staff import LIST, page_of, text_of

pytestmark = pytest.mark.django_db


class PaidOrder(Order):
    class Meta:
        proxy = True
        app_label = "shop"


class PaidOrderAdmin(DfineryEventsMixin, admin.ModelAdmin):
    readonly_fields = ["number"]


@pytest.fixture
def order(configured: Any, shop: Any, far_side: FarSide) -> Any:
    cancelled = {**PURCHASE, "when": {"status": "cancelled"}}
    configured(EVENTS={"purchase": PURCHASE, "cancel_order": cancelled, "sign_up": {"model": "shop.User"}})
    placed = shop.place(status="paid", customer=shop.customer())
    shop.place(status="paid", customer=placed.customer)
    drain("default", send=far_side)
    return placed


def test_the_page_of_an_order_shows_its_events_and_leads_to_them(order: Any, admin_client: Any) -> None:
    """Only its own, the latest first, with a link to each and to all."""
    answer = admin_client.get(f"/admin/shop/order/{order.pk}/change/")
    event = Event.objects.get(source="shop.Order", source_pk=str(order.pk))
    page = answer.content.decode()
    assert "DFINERY events" in page
    assert "delivered purchase" in text_of(answer)
    assert f'href="{page_of(event)}"' in page
    address = f"{LIST}?definition__in=purchase%2Ccancel_order&amp;source_pk={order.pk}"
    assert address in page
    listed = admin_client.get(address.replace("&amp;", "&")).context["cl"]
    assert [each.pk for each in listed.result_list] == [event.pk]
    assert "By source" in text_of(admin_client.get(address.replace("&amp;", "&")))


def test_saving_the_page_works_as_before(order: Any, admin_client: Any) -> None:
    """The line is read-only, and the form none the wiser."""
    form = {"number": "N-1", "status": "paid", "total": "1"}
    assert admin_client.post(f"/admin/shop/order/{order.pk}/change/", form).status_code == 302
    order.refresh_from_db()
    assert order.number == "N-1"
    assert admin_client.get("/admin/shop/order/add/").status_code == 200
    assert "DFINERY events" not in admin_client.get("/admin/shop/order/add/").content.decode()


def test_a_model_with_fieldsets_and_a_uuid_key(order: Any, admin_client: Any) -> None:
    """The line stands in a fieldset of its own."""
    page = text_of(admin_client.get(f"/admin/shop/user/{order.customer.pk}/change/"))
    assert "DFINERY events" in page
    assert "sign_up All its DFINERY events" in page


def test_a_proxy_shows_the_events_of_its_model(order: Any, admin_user: Any) -> None:
    """Whatever fields its admin names."""
    page = PaidOrderAdmin(PaidOrder, admin.site)
    request = RequestFactory().get("/")
    request.user = admin_user
    proxy = PaidOrder.objects.get(pk=order.pk)
    assert page.get_fieldsets(request, proxy)[-1][1] == {"fields": ["dfinery_events"]}
    assert [title for title, options in page.get_fieldsets(request, proxy) if "dfinery_events" in options["fields"]]
    assert "dfinery_events" in page.get_readonly_fields(request, proxy)
    assert "purchase" in page.dfinery_events(proxy)


def test_who_may_not_view_events_sees_no_line(order: Any, django_user_model: Any) -> None:
    """The order's page is as it was."""
    user = django_user_model.objects.create_user("clerk", password="x", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename="change_order"))
    client = Client()
    client.force_login(user)
    url = f"/admin/shop/order/{order.pk}/change/"
    assert "DFINERY events" not in client.get(url).content.decode()
    user.user_permissions.add(Permission.objects.get(codename="view_event"))
    assert "DFINERY events" in client.get(url).content.decode()


def test_a_model_that_nothing_watches_has_no_line(order: Any, configured: Any, admin_client: Any) -> None:
    """Nor does a site whose setting is broken lose its pages."""
    configured(EVENTS={})
    assert "DFINERY events" not in admin_client.get(f"/admin/shop/order/{order.pk}/change/").content.decode()
    configured(NO_SUCH_KEY=1)
    assert admin_client.get(f"/admin/shop/order/{order.pk}/change/").status_code == 200


def test_an_order_without_events_says_so(order: Any, admin_client: Any) -> None:
    """And still links to the list."""
    Event.objects.all().delete()
    assert "none yet" in text_of(admin_client.get(f"/admin/shop/order/{order.pk}/change/"))
