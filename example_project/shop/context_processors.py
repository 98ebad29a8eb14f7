from .cart import Cart
from .models import Category


def shop(request):
    """What every page shows: the categories in the menu and the number on the cart."""
    return {"menu": Category.objects.all(), "cart_size": len(Cart(request.session))}
