"""A checkout that takes payment, which each oscar shop writes for itself, and where things go wrong on request."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from oscar.apps.checkout import views
from oscar.apps.payment.exceptions import UnableToTakePayment
from oscar.apps.payment.models import Source, SourceType


class InvoiceFailed(Exception):
    """A step of the shop's own, after the order is placed, that fails."""


class PaymentDetailsView(views.PaymentDetailsView):
    def handle_payment(self, order_number: Any, total: Any, **kwargs: Any) -> None:
        if "declined" in self.request.POST:
            raise UnableToTakePayment("The card was declined.")
        if not total.incl_tax:
            return
        card, _ = SourceType.objects.get_or_create(name="Credit card", code="card")
        self.add_payment_source(
            Source(source_type=card, currency=total.currency, amount_debited=total.incl_tax, reference="T-1")
        )
        self.add_payment_event("Settled", total.incl_tax, reference="T-1")

    def submit(self, *args: Any, **kwargs: Any) -> HttpResponse:
        response = super().submit(*args, **kwargs)
        if "no-invoice" in self.request.POST:
            raise InvoiceFailed
        return response
