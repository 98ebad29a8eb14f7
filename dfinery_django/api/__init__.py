"""The REST API: ``path("dfinery/", include("dfinery_django.api.urls"))``. Needs Django REST framework."""
