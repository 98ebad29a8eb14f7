"""The REST API, a door: ``path("dfinery/", include("dfinery_django.api.urls"))``. Needs Django REST framework."""
