"""The cart: SKU -> quantity, in the visitor's session."""

from .models import Product

_KEY = "cart"
MAX_QUANTITY = 99


class Cart:
    def __init__(self, session):
        self._session = session
        self._quantities = session.get(_KEY, {})

    def __len__(self):
        return sum(self._quantities.values())

    def add(self, product, quantity=1):
        self.put(product.sku, self._quantities.get(product.sku, 0) + quantity)

    def put(self, sku, quantity):
        """So many of them; none takes it out."""
        self._quantities[sku] = min(quantity, MAX_QUANTITY)
        if quantity < 1:
            del self._quantities[sku]
        self._session[_KEY] = self._quantities

    def clear(self):
        self._quantities = self._session[_KEY] = {}

    def lines(self):
        """Pairs of product and quantity, in the order they were put in. Products that are gone are left out."""
        products = Product.objects.select_related("category").in_bulk(list(self._quantities), field_name="sku")
        return [(products[sku], quantity) for sku, quantity in self._quantities.items() if sku in products]

    def rows(self):
        return [
            {"product": product, "quantity": quantity, "sum": product.price * quantity}
            for product, quantity in self.lines()
        ]

    def total(self):
        return sum(row["sum"] for row in self.rows())
