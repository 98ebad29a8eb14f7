from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("dfinery/", include("dfinery_django.api.urls")),
    path("language/", include("django.conf.urls.i18n")),
    path("account/", include("accounts.urls")),
    path("", include("shop.urls")),
]
