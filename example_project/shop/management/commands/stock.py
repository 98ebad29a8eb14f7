from django.core.management.base import BaseCommand

from shop import stocking
from shop.models import Category, Coupon, Product


class Command(BaseCommand):
    help = "Fills the shelves: categories, products, coupons. Can be run again."

    def handle(self, **options):
        stocking.fill_shelves()
        counts = f"{Product.objects.count()} products in {Category.objects.count()} categories"
        self.stdout.write(f"In stock: {counts}; {Coupon.objects.count()} coupons.")
