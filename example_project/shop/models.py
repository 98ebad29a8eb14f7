"""What the shop sells and what it sold. No word about DFINERY: that is all in the settings."""

from django.conf import settings
from django.db import models
from django.urls import reverse
from django.utils import timezone


class Won(models.DecimalField):
    """An amount in Korean won, which has no smaller unit."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **{"max_digits": 12, "decimal_places": 0, **kwargs})


class Category(models.Model):
    name = models.CharField(max_length=100, unique=True)
    slug = models.SlugField(unique=True)
    position = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering = ["position", "name"]
        verbose_name_plural = "categories"

    def __str__(self):
        return self.name

    def get_absolute_url(self):
        return reverse("shop:category", args=[self.slug])


class Product(models.Model):
    sku = models.SlugField("SKU", max_length=40, unique=True)
    name = models.CharField(max_length=200)
    description = models.TextField(blank=True)
    picture = models.SlugField(max_length=40, default="parcel", help_text="Name of a drawing in pictures.svg.")
    category = models.ForeignKey(Category, on_delete=models.PROTECT, related_name="products")
    price = Won()
    stock = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["category__position", "-price"]

    def __str__(self):
        return self.name

    def get_absolute_url(self):
        return reverse("shop:product", args=[self.sku])


class Coupon(models.Model):
    code = models.CharField(max_length=20, unique=True)
    percent = models.PositiveSmallIntegerField()

    class Meta:
        ordering = ["code"]

    def __str__(self):
        return f"{self.code} (-{self.percent}%)"


class Order(models.Model):
    class Status(models.TextChoices):
        PENDING = "pending", "Waiting for payment"
        PAID = "paid", "Paid"
        CANCELLED = "cancelled", "Cancelled"

    class PaymentMethod(models.TextChoices):
        CARD = "card", "Credit card"
        TRANSFER = "transfer", "Bank transfer"
        PHONE = "phone", "Mobile phone"
        VOUCHER = "voucher", "Gift voucher"

    number = models.CharField(max_length=20, unique=True)
    customer = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="orders"
    )
    guest_email = models.EmailField(blank=True)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.PENDING)
    payment_method = models.CharField(max_length=10, choices=PaymentMethod.choices, blank=True)
    coupon = models.ForeignKey(Coupon, on_delete=models.SET_NULL, null=True, blank=True)
    discount_total = Won(default=0)
    delivery_charge = Won(default=0)
    total = Won(default=0)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    paid_at = models.DateTimeField(null=True, blank=True)
    cancelled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at"]

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

    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="lines")
    product = models.ForeignKey(Product, on_delete=models.SET_NULL, null=True)
    sku = models.CharField("SKU", max_length=40)
    name = models.CharField(max_length=200)
    quantity = models.PositiveIntegerField()
    unit_price = Won()
    discount = Won(default=0, help_text="Off the whole line.")

    class Meta:
        ordering = ["pk"]

    def __str__(self):
        return f"{self.quantity} x {self.name}"

    @property
    def gross(self):
        return self.quantity * self.unit_price
