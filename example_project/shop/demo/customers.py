"""Who comes into the shop, and what they do there."""

from dataclasses import dataclass

from .browser import Browser

PASSWORD = "a-word-for-the-demo-7"

# name -> membership
MEMBERS = {
    "Mina Kim": "gold",
    "Jun Park": "silver",
    "Sora Lee": "basic",
    "Haneul Choi": "gold",
    "Yuna Jung": "basic",
    "Dohyun Kang": "silver",
    "Eunji Yoon": "basic",
    "Taeyang Lim": "gold",
}
GUESTS = ["Guest One", "Guest Two", "Guest Three", "Guest Four"]

PAID, ABANDONED, CANCELLED = "paid", "not paid", "cancelled"


@dataclass(frozen=True)
class Visit:
    """One walk through the shop, from the shelves to the order."""

    customer: str
    basket: dict
    coupon: str = ""
    method: str = "card"
    ending: str = PAID

    @property
    def what(self):
        return ", ".join(f"{quantity} x {sku}" for sku, quantity in self.basket.items())


VISITS = [
    Visit("Mina Kim", {"LAPTOP-14": 1, "HEADPHONE-NC": 1}, coupon="WELCOME10"),
    Visit("Guest One", {"TEA-GREEN": 3}),
    Visit("Jun Park", {"SNEAKER-W": 1}, method="phone"),
    Visit("Sora Lee", {"BOOK-KIMCHI": 1, "BOOK-POEMS": 2}, coupon="SUMMER25"),
    Visit("Haneul Choi", {"PHONE-S": 2}, ending=ABANDONED),
    Visit("Guest Two", {"RICE-COOKER": 1, "KETTLE-1L": 1, "TEA-GREEN": 2}, method="transfer"),
    Visit("Yuna Jung", {"HAT-STRAW": 1, "COAT-WOOL": 1}, method="transfer"),
    Visit("Haneul Choi", {"PHONE-S": 1}, coupon="WELCOME10"),
    Visit("Dohyun Kang", {"WATCH-2": 1}, method="voucher"),
    Visit("Guest Three", {"COAT-WOOL": 1}, coupon="WELCOME10", ending=ABANDONED),
    Visit("Eunji Yoon", {"BOOK-POEMS": 1}),
    Visit("Mina Kim", {"KETTLE-1L": 1, "TEA-GREEN": 4}),
    Visit("Taeyang Lim", {"LAPTOP-14": 2, "WATCH-2": 2}, coupon="SUMMER25", method="transfer"),
    Visit("Guest Four", {"HEADPHONE-NC": 1}, method="phone"),
    Visit("Jun Park", {"PHONE-S": 1, "WATCH-2": 1}, ending=CANCELLED),
    Visit("Guest One", {"BOOK-KIMCHI": 2}, coupon="WELCOME10"),
    Visit("Sora Lee", {"RICE-COOKER": 1}, method="voucher"),
    Visit("Yuna Jung", {"SNEAKER-W": 2, "HAT-STRAW": 3}, coupon="SUMMER25", method="phone"),
    Visit("Eunji Yoon", {"TEA-GREEN": 10, "KETTLE-1L": 1}, ending=ABANDONED),
    Visit("Guest Two", {"LAPTOP-14": 1, "BOOK-KIMCHI": 1}, method="transfer"),
    Visit("Dohyun Kang", {"COAT-WOOL": 1, "SNEAKER-W": 1, "HAT-STRAW": 1}, coupon="WELCOME10"),
]


class Customers:
    """Each with a browser of their own, in which they stay logged in, or stay a guest."""

    def __init__(self, shop_url):
        self._shop_url = shop_url
        self._browsers = {}

    def visit(self, visit):
        """What the customer does; what happened, in one line."""
        signs_up = visit.customer in MEMBERS and visit.customer not in self._browsers
        browser = self._browser_of(visit.customer)
        number = order(browser, visit)
        if visit.ending != ABANDONED:
            browser.submit(method=visit.method)
        if visit.ending == CANCELLED:
            browser.press(f"/{number}/cancel/")
        return f"{visit.customer:<12} {'signs up, ' if signs_up else ''}order {number}: {visit.what}, {visit.ending}"

    def _browser_of(self, customer):
        if customer not in self._browsers:
            browser = self._browsers[customer] = Browser(self._shop_url)
            if customer in MEMBERS:
                sign_up(browser, customer)
        return self._browsers[customer]


def sign_up(browser, name):
    browser.open("/account/sign-up/")
    browser.submit(name=name, email=email_of(name), membership=MEMBERS[name], password1=PASSWORD, password2=PASSWORD)


def order(browser, visit):
    """Fill the cart and order; the order's number. Ends on the payment page."""
    for sku, quantity in visit.basket.items():
        browser.open(f"/product/{sku}/")
        browser.submit(quantity=quantity)
    browser.open("/checkout/")
    guest = {} if visit.customer in MEMBERS else {"guest_email": email_of(visit.customer)}
    browser.submit(coupon=visit.coupon, **guest)
    return browser.path.strip("/").split("/")[1]  # /orders/<number>/pay/


def email_of(name):
    return f"{name.lower().replace(' ', '.')}@example.com"
