from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from dfinery_django.admin import DfineryEventsMixin

from .models import Category, Coupon, Order, OrderLine, Product, Refund, Subscription


@admin.register(Category)
class CategoryAdmin(admin.ModelAdmin):
    list_display = ["name", "position"]
    prepopulated_fields = {"slug": ["name"]}


@admin.register(Product)
class ProductAdmin(admin.ModelAdmin):
    list_display = ["name", "sku", "category", "price", "stock"]
    list_filter = ["category"]
    search_fields = ["name", "sku"]


@admin.register(Coupon)
class CouponAdmin(admin.ModelAdmin):
    list_display = ["code", "percent"]


class LineInline(admin.TabularInline):
    model = OrderLine
    extra = 0


@admin.register(Order)
class OrderAdmin(DfineryEventsMixin, admin.ModelAdmin):
    list_display = ["number", "buyer_name", "status", "payment_method", "total", "created_at", "paid_at"]
    list_filter = ["status", "payment_method"]
    list_select_related = ["customer"]
    search_fields = ["number", "customer__email", "guest_email"]
    # Payment and cancellation have their own steps in services.py, each with its moment: not edited by hand.
    readonly_fields = ["status", "created_at", "paid_at", "cancelled_at"]
    autocomplete_fields = ["customer"]
    inlines = [LineInline]

    @admin.display(description=_("buyer"))
    def buyer_name(self, order):
        return order.buyer


@admin.register(Refund)
class RefundAdmin(DfineryEventsMixin, admin.ModelAdmin):
    list_display = ["order", "amount", "refunded_at"]


@admin.register(Subscription)
class SubscriptionAdmin(DfineryEventsMixin, admin.ModelAdmin):
    list_display = ["customer", "product", "paid_until", "renewed_at"]
    autocomplete_fields = ["customer", "product"]
