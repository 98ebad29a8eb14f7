from django import forms
from django.utils.translation import gettext_lazy as _

from .cart import MAX_QUANTITY
from .models import Coupon, Order


class QuantityForm(forms.Form):
    quantity = forms.IntegerField(min_value=0, max_value=MAX_QUANTITY)


class CheckoutForm(forms.Form):
    guest_email = forms.EmailField(label=_("E-mail for the order confirmation"))
    coupon = forms.CharField(label=_("Coupon code"), required=False)

    def __init__(self, *args, is_member, **kwargs):
        super().__init__(*args, **kwargs)
        if is_member:
            del self.fields["guest_email"]

    def clean_coupon(self):
        code = self.cleaned_data["coupon"].strip().upper()
        coupon = Coupon.objects.filter(code=code).first()
        if code and coupon is None:
            raise forms.ValidationError(_("We do not know this coupon."))
        return coupon


class PaymentForm(forms.Form):
    method = forms.ChoiceField(
        label=_("How would you like to pay?"),
        choices=Order.PaymentMethod.choices,
        initial=Order.PaymentMethod.CARD,
        widget=forms.RadioSelect,
    )
