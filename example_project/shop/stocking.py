"""The products at the beginning. Stocking again changes nothing that is sold already.

Their names are stored in English, which is what DFINERY gets. The pages translate them.
"""

from django.utils.translation import gettext_noop as _

from .models import Category, Coupon, Product

CATEGORIES = [
    ("electronics", _("Electronics")), ("fashion", _("Fashion")), ("kitchen", _("Kitchen")), ("books", _("Books")),
]  # fmt: skip

# category, SKU, name, price in won, description; each has a drawing under its SKU
PRODUCTS = [
    ("electronics", "LAPTOP-14", _('Laptop Air 14"'), 1_900_000, _("Light, quiet, and a battery for the whole day.")),
    ("electronics", "PHONE-S", _("Smartphone S, 256 GB"), 1_150_000, _("A small phone with a large camera.")),
    ("electronics", "HEADPHONE-NC", _("Noise-cancelling headphones"), 329_000, _("Thirty hours of your own world.")),
    ("electronics", "WATCH-2", _("Smart watch 2"), 259_000, _("Counts steps, swims, and tells the time.")),
    ("fashion", "COAT-WOOL", _("Wool coat"), 218_000, _("Warm from November to March.")),
    ("fashion", "SNEAKER-W", _("White sneakers"), 89_000, _("They go with everything.")),
    ("fashion", "HAT-STRAW", _("Straw hat"), 38_500, _("For the first day at the sea.")),
    ("kitchen", "RICE-COOKER", _("Rice cooker for six"), 178_000, _("Knows eleven kinds of rice.")),
    ("kitchen", "KETTLE-1L", _("Kettle, 1 litre"), 46_900, _("Boils in three minutes.")),
    ("kitchen", "TEA-GREEN", _("Green tea from Boseong, 80 g"), 15_900, _("First harvest, picked by hand.")),
    ("books", "BOOK-KIMCHI", _("The Kimchi Book"), 27_000, _("Sixty recipes and a long winter.")),
    ("books", "BOOK-POEMS", _("Poems for the underground"), 12_300, _("One for each station of Line 2.")),
]
COUPONS = {"WELCOME10": 10, "SUMMER25": 25}
STOCK = 500


def fill_shelves():
    for position, (slug, name) in enumerate(CATEGORIES, start=1):
        Category.objects.get_or_create(slug=slug, defaults={"name": name, "position": position})
    for row in PRODUCTS:
        _add_product(*row)
    for code, percent in COUPONS.items():
        Coupon.objects.get_or_create(code=code, defaults={"percent": percent})


def _add_product(category, sku, name, price, description):
    defaults = {
        "name": name,
        "category": Category.objects.get(slug=category),
        "price": price,
        "picture": sku,
        "description": description,
        "stock": STOCK,
    }
    Product.objects.get_or_create(sku=sku, defaults=defaults)
