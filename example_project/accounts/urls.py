from django.contrib.auth.views import LoginView, LogoutView
from django.urls import path

from .views import SignUp, leave

app_name = "accounts"
urlpatterns = [
    path("sign-up/", SignUp.as_view(), name="sign_up"),
    path("login/", LoginView.as_view(template_name="accounts/login.html"), name="login"),
    path("leave/", leave, name="leave"),
    path("logout/", LogoutView.as_view(), name="logout"),
]
