from django.conf import settings
from django.contrib import admin
from django.urls import include, path

if settings.THEME == "baton":
    from baton.autodiscover import admin

#: What some themes have beside the admin.
OWN = {"baton": ["baton.urls"], "grappelli": ["grappelli.urls"], "admin_interface": ["django.conf.urls.i18n"]}

urlpatterns = [path("admin/", admin.site.urls)]
urlpatterns += [path(f"{settings.THEME}/", include(urls)) for urls in OWN.get(settings.THEME, ())]
