from django.contrib.auth import login, logout
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.shortcuts import redirect
from django.urls import reverse_lazy
from django.views.decorators.http import require_POST
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


@require_POST
@login_required
def leave(request):
    """The member leaves. The row stays, since orders point to it."""
    request.user.is_active = False
    request.user.save(update_fields=["is_active"])
    logout(request)
    return redirect("shop:catalogue")
