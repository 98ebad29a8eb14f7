from zlib import crc32

from django.dispatch import receiver
from shop.signals import product_viewed

from dfinery_django import Every, track


@receiver(product_viewed)  # or call it in the view
def send_view(product, user, **kwargs):
    if user.is_authenticated and crc32(str(user.pk).encode()) % 10 == 0:
        item = {"product_id": product.sku, "product_name": product.name, "price": product.price}
        key = (user.pk, product.pk, Every(minutes=10).slot())
        track("view_product_details", user_id=user.pk, items=[item], dedup_key=key)
