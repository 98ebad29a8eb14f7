"""The products at the beginning. Stocking again changes nothing that is sold already."""

from .models import Category, Coupon, Product

CATEGORIES = [("electronics", "Electronics"), ("fashion", "Fashion"), ("kitchen", "Kitchen"), ("books", "Books")]

# category, SKU, name, price in won, description; each has a drawing under its SKU
PRODUCTS = [
    ("electronics", "LAPTOP-14", 'Laptop Air 14"', 1_900_000, "Light, quiet, and a battery for the whole day."),
    ("electronics", "PHONE-S", "Smartphone S, 256 GB", 1_150_000, "A small phone with a large camera."),
    ("electronics", "HEADPHONE-NC", "Noise-cancelling headphones", 329_000, "Thirty hours of your own world."),
    ("electronics", "WATCH-2", "Smart watch 2", 259_000, "Counts steps, swims, and tells the time."),
    ("fashion", "COAT-WOOL", "Wool coat", 218_000, "Warm from November to March."),
    ("fashion", "SNEAKER-W", "White sneakers", 89_000, "They go with everything."),
    ("fashion", "HAT-STRAW", "Straw hat", 38_500, "For the first day at the sea."),
    ("kitchen", "RICE-COOKER", "Rice cooker for six", 178_000, "Knows eleven kinds of rice."),
    ("kitchen", "KETTLE-1L", "Kettle, 1 litre", 46_900, "Boils in three minutes."),
    ("kitchen", "TEA-GREEN", "Green tea from Boseong, 80 g", 15_900, "First harvest, picked by hand."),
    ("books", "BOOK-KIMCHI", "The Kimchi Book", 27_000, "Sixty recipes and a long winter."),
    ("books", "BOOK-POEMS", "Poems for the underground", 12_300, "One for each station of Line 2."),
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
