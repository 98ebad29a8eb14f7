"""The visits of a plan, one after the other, each with a browser of its own."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from django.db import connections, transaction
from oscar.apps.order.models import Order, PaymentEventType
from oscar.apps.order.signals import order_placed

from tests.system.oscar.checkout.views import InvoiceFailed
from tests.system.oscar.plan import Ending, Later, Visit
from tests.system.oscar.shop import FREE, TOMORROW, Catalogue, Clerk, Customer


class Run:
    def __init__(self) -> None:
        self.catalogue = Catalogue()
        self.catalogue.offer("Autumn", "5")
        self.vouchers = {code: self.catalogue.voucher(code, off) for code, off in (
            ("TEN", "10"), ("TWENTY", "20"), ("FREE", "100"),
        )}  # fmt: skip
        self.vouchers["SHIP"] = self.catalogue.voucher("SHIP", "50", kind="Shipping percentage")
        self.clerk = Clerk()
        PaymentEventType.objects.create(name="Refunded")
        self.members = 0
        self.surprises: list[str] = []

    def visit(self, number: int, visit: Visit) -> None:
        """One customer, from the first page to the last, and what becomes of the order."""
        before = Order.objects.count()
        connections.settings["default"]["ATOMIC_REQUESTS"] = visit.is_atomic
        customer = self._at_the_last_page(number, visit)
        getattr(self, f"_{visit.ending.name.lower()}")(number, customer)
        left = Order.objects.count() - before
        if left != visit.orders:
            self.surprises.append(f"visit {number} ({visit.ending.value}) left {left} orders")
        elif visit.ending is Ending.PLACED:
            self._later(customer.thank_you(), visit.later)

    def _at_the_last_page(self, number: int, visit: Visit) -> Customer:
        customer = Customer(visit.language)
        email = f"Customer{number}@Example.com"
        if visit.is_member:
            customer.register(email)
            self.members += 1
        for index in visit.products:
            customer.add(self.catalogue.products[index], visit.quantity)
        vouchers = [self.vouchers[code] for code in visit.vouchers]
        if visit.ending is Ending.TAKEN_BACK:
            vouchers = [self.catalogue.voucher(f"ONCE{number}", "10", usage="Single use")]
        for voucher in vouchers:
            customer.use(voucher)
        guest = "" if visit.is_member else email
        customer.go_to_checkout(guest=guest, shipping=TOMORROW if visit.ships_tomorrow else FREE)
        return customer

    def _placed(self, number: int, customer: Customer) -> None:
        self._expect(number, customer.place_order(), 302)

    def _declined(self, number: int, customer: Customer) -> None:
        self._expect(number, customer.place_order(declined="yes"), 200)

    def _taken_back(self, number: int, customer: Customer) -> None:
        from oscar.apps.voucher.models import Voucher

        voucher = Voucher.objects.get(code=f"ONCE{number}")
        Customer().buy(self.catalogue.stickers, guest="first@example.com", vouchers=[voucher])
        self._expect(number, customer.place_order(), 200)

    def _undone(self, number: int, customer: Customer) -> None:
        with contextlib.suppress(InvoiceFailed):
            customer.place_order(**{"no-invoice": "yes"})
            self.surprises.append(f"visit {number}: the invoice did not fail")

    def _never_was(self, number: int, customer: Customer) -> None:
        with contextlib.suppress(InvoiceFailed), transaction.atomic():
            self._placed(number, customer)
            raise InvoiceFailed

    def _told_failed(self, number: int, customer: Customer) -> None:
        with _failing_receiver():
            self._expect(number, customer.place_order(), 200)

    def _expect(self, number: int, answer: Any, status: int) -> None:
        if answer.status_code != status:
            self.surprises.append(f"visit {number}: the last page answered {answer.status_code}, not {status}")

    def _later(self, order: Any, later: Later) -> None:
        if later is Later.SAVED:
            order.save()
            order.save(update_fields=["analytics_tracked"])
        elif later is Later.COMPLETED:
            order.set_status("Being processed")
            order.set_status("Complete")
        elif later is Later.CANCELLED:
            order.set_status("Cancelled")
            order.save()
        elif later is Later.CANCELLED_AT_DESK:
            self.clerk.set_status(order, "Being processed")
            self.clerk.set_status(order, "Cancelled")
        elif later is Later.NOT_CANCELLED:
            with contextlib.suppress(InvoiceFailed), transaction.atomic():
                order.set_status("Cancelled")
                raise InvoiceFailed
        elif later is Later.REFUNDED:
            self.clerk.refund(order, "1000")


@contextlib.contextmanager
def _failing_receiver() -> Iterator[None]:
    def fail(**kwargs: Any) -> None:
        raise InvoiceFailed

    order_placed.connect(fail)
    try:
        yield
    finally:
        order_placed.disconnect(fail)
