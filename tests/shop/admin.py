from django.contrib import admin

from dfinery_django.admin import DfineryEventsMixin
from tests.shop.models import Order, User


@admin.register(Order)
class OrderAdmin(DfineryEventsMixin, admin.ModelAdmin):
    fields = ["number", "status", "total"]


@admin.register(User)
class UserAdmin(DfineryEventsMixin, admin.ModelAdmin):
    fieldsets = [(None, {"fields": ["username", ("grade", "email")]})]
