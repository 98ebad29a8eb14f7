from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView

urlpatterns = [
    path("dfinery/", include("dfinery_django.api.urls")),
    path("schema/", SpectacularAPIView.as_view()),
]
