"""What the shop sells and what it sold. No word about DFINERY: that is all in the settings."""

from django.conf import settings
from django.db import models
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class Won(models.DecimalField):
    """An amount in Korean won, which has no smaller unit."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **{"max_digits": 12, "decimal_places": 0, **kwargs})


class Category(models.Model):
    name = models.CharField(_("name"), max_length=100, unique=True)
    slug = models.SlugField(_("slug"), unique=True)
    position = models.PositiveSmallIntegerField(_("position"), default=0)

    class Meta:
        ordering = ["position", "name"]
        verbose_name, verbose_name_plural = _("category"), _("categories")

    def __str__(self):
        return self.name

    def get_absolute_url(self):
        return reverse("shop:category", args=[self.slug])


class Product(models.Model):
    sku = models.SlugField(_("SKU"), max_length=40, unique=True)
    name = models.CharField(_("name"), max_length=200)
    description = models.TextField(_("description"), blank=True)
    picture = models.SlugField(
        _("picture"), max_length=40, default="parcel", help_text=_("Name of a drawing in pictures.svg.")
    )
    category = models.ForeignKey(
        Category, on_delete=models.PROTECT, related_name="products", verbose_name=_("category")
    )
    price = Won(_("price"))
    stock = models.PositiveIntegerField(_("stock"), default=0)

    class Meta:
        ordering = ["category__position", "-price"]
        verbose_name, verbose_name_plural = _("product"), _("products")

    def __str__(self):
        return self.name

    def get_absolute_url(self):
        return reverse("shop:product", args=[self.sku])


class Coupon(models.Model):
    code = models.CharField(_("code"), max_length=20, unique=True)
    percent = models.PositiveSmallIntegerField(_("percent"))

    class Meta:
        ordering = ["code"]
        verbose_name, verbose_name_plural = _("coupon"), _("coupons")

    def __str__(self):
        return f"{self.code} (-{self.percent}%)"


class Order(models.Model):
    class Status(models.TextChoices):
        PENDING = "pending", _("Waiting for payment")
        PAID = "paid", _("Paid")
        CANCELLED = "cancelled", _("Cancelled")

    class PaymentMethod(models.TextChoices):
        CARD = "card", _("Credit card")
        TRANSFER = "transfer", _("Bank transfer")
        PHONE = "phone", _("Mobile phone")
        VOUCHER = "voucher", _("Gift voucher")

    number = models.CharField(_("number"), max_length=20, unique=True)
    customer = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="orders",
        verbose_name=_("customer"),
    )  # fmt: skip
    guest_email = models.EmailField(_("guest's e-mail"), blank=True)
    status = models.CharField(_("status"), max_length=10, choices=Status.choices, default=Status.PENDING)
    payment_method = models.CharField(_("payment method"), max_length=10, choices=PaymentMethod.choices, blank=True)
    coupon = models.ForeignKey(Coupon, on_delete=models.SET_NULL, null=True, blank=True, verbose_name=_("coupon"))
    discount_total = Won(_("discount"), default=0)
    delivery_charge = Won(_("delivery charge"), default=0)
    total = Won(_("total"), default=0)
    created_at = models.DateTimeField(_("ordered at"), default=timezone.now, editable=False)
    paid_at = models.DateTimeField(_("paid at"), null=True, blank=True)
    cancelled_at = models.DateTimeField(_("cancelled at"), null=True, blank=True)

    class Meta:
        ordering = ["-created_at"]
        verbose_name, verbose_name_plural = _("order"), _("orders")

    def __str__(self):
        return self.number

    def get_absolute_url(self):
        return reverse("shop:order", args=[self.number])

    @property
    def buyer(self):
        return self.customer.name if self.customer else self.guest_email

    @property
    def is_payable(self):
        return self.status == self.Status.PENDING

    @property
    def is_cancellable(self):
        return self.status == self.Status.PAID

    @property
    def goods_total(self):
        return sum(line.gross for line in self.lines.all())


class OrderLine(models.Model):
    """One product of an order, with copies of what it was called and cost on that day."""

    class Status(models.TextChoices):
        ORDERED = "ordered", _("Ordered")
        CANCELLED = "cancelled", _("Cancelled")

    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="lines", verbose_name=_("order"))
    product = models.ForeignKey(Product, on_delete=models.SET_NULL, null=True, verbose_name=_("product"))
    sku = models.CharField(_("SKU"), max_length=40)
    name = models.CharField(_("name"), max_length=200)
    quantity = models.PositiveIntegerField(_("quantity"))
    unit_price = Won(_("unit price"))
    discount = Won(_("discount"), default=0, help_text=_("Off the whole line."))
    status = models.CharField(_("status"), max_length=10, choices=Status.choices, default=Status.ORDERED)
    cancelled_at = models.DateTimeField(_("cancelled at"), null=True, blank=True)

    class Meta:
        ordering = ["pk"]
        verbose_name, verbose_name_plural = _("order line"), _("order lines")

    def __str__(self):
        return f"{self.quantity} x {self.name}"

    @property
    def gross(self):
        return self.quantity * self.unit_price

    @property
    def is_cancellable(self):
        return self.order.is_cancellable and self.status == self.Status.ORDERED


class Refund(models.Model):
    """Money for pieces that came back. An order may have several."""

    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="refunds", verbose_name=_("order"))
    amount = Won(_("amount"))
    refunded_at = models.DateTimeField(_("refunded at"), default=timezone.now, editable=False)

    class Meta:
        ordering = ["pk"]
        verbose_name, verbose_name_plural = _("refund"), _("refunds")

    def __str__(self):
        return f"{self.order}: {self.amount}"


class RefundLine(models.Model):
    refund = models.ForeignKey(Refund, on_delete=models.CASCADE, related_name="lines", verbose_name=_("refund"))
    line = models.ForeignKey(OrderLine, on_delete=models.CASCADE, related_name="+", verbose_name=_("order line"))
    quantity = models.PositiveIntegerField(_("quantity"))

    class Meta:
        ordering = ["pk"]
        verbose_name, verbose_name_plural = _("refunded line"), _("refunded lines")

    def __str__(self):
        return f"{self.quantity} x {self.line.name}"


class SavedCart(models.Model):
    """A member's cart, kept for the next visit. It is saved after its lines."""

    customer = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, verbose_name=_("customer"))
    changed_at = models.DateTimeField(_("changed at"), auto_now=True)

    class Meta:
        verbose_name, verbose_name_plural = _("saved cart"), _("saved carts")

    def __str__(self):
        return str(self.customer)


class SavedCartLine(models.Model):
    cart = models.ForeignKey(SavedCart, on_delete=models.CASCADE, related_name="lines", verbose_name=_("saved cart"))
    product = models.ForeignKey(Product, on_delete=models.CASCADE, verbose_name=_("product"))
    quantity = models.PositiveIntegerField(_("quantity"))

    class Meta:
        ordering = ["pk"]
        verbose_name, verbose_name_plural = _("line of a saved cart"), _("lines of saved carts")

    def __str__(self):
        return f"{self.quantity} x {self.product}"


class Wish(models.Model):
    """A product on a member's wish list."""

    customer = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="wishes", verbose_name=_("customer")
    )
    product = models.ForeignKey(Product, on_delete=models.CASCADE, verbose_name=_("product"))
    added_at = models.DateTimeField(_("added at"), default=timezone.now, editable=False)

    class Meta:
        ordering = ["pk"]
        verbose_name, verbose_name_plural = _("wish"), _("wishes")
        constraints = [models.UniqueConstraint(fields=["customer", "product"], name="one_wish_per_product")]

    def __str__(self):
        return str(self.product)


class Subscription(models.Model):
    """A product that a member gets every month."""

    customer = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="subscriptions", verbose_name=_("customer")
    )
    product = models.ForeignKey(Product, on_delete=models.PROTECT, verbose_name=_("product"))
    started_at = models.DateTimeField(_("started at"), default=timezone.now, editable=False)
    paid_until = models.DateTimeField(_("paid until"))
    renewed_at = models.DateTimeField(_("renewed at"), null=True, blank=True)

    class Meta:
        ordering = ["pk"]
        verbose_name, verbose_name_plural = _("subscription"), _("subscriptions")

    def __str__(self):
        return str(self.product)
