from django.contrib.auth import login
from django.db import transaction
from django.urls import reverse_lazy
from django.views.generic import FormView

from .forms import SignUpForm


class SignUp(FormView):
    """A new member: one saved user, one ``sign_up`` event. Nothing here speaks of DFINERY."""

    form_class = SignUpForm
    template_name = "accounts/sign_up.html"
    success_url = reverse_lazy("shop:catalogue")

    def form_valid(self, form):
        with transaction.atomic():
            user = form.save()
        login(self.request, user)
        return super().form_valid(form)
