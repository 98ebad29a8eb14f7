"""A shop whose columns hand out objects, and whose relations are read in ways of their own. It has no migrations."""

from __future__ import annotations

from django.contrib.contenttypes.fields import GenericForeignKey
from django.contrib.contenttypes.models import ContentType
from django.db import models
from django_countries.fields import CountryField
from django_fsm import FSMField, transition
from djmoney.models.fields import MoneyField
from i18nfield.fields import I18nCharField
from phonenumber_field.modelfields import PhoneNumberField
from polymorphic.models import PolymorphicModel
from taggit.managers import TaggableManager
from timezone_field import TimeZoneField

from tests.shop.models import User


class Brand(models.Model):
    name = models.CharField(max_length=50)  # translated, see translation.py


class Product(PolymorphicModel):
    name = models.CharField(max_length=50)
    brand = models.ForeignKey(Brand, models.PROTECT, null=True)
    tags = TaggableManager()


class Shirt(Product):
    size = models.CharField(max_length=5)


class Mug(Product):
    litres = models.DecimalField(max_digits=4, decimal_places=2)


class Sale(models.Model):
    number = models.CharField(max_length=20)
    status = FSMField(default="new")
    customer = models.ForeignKey(User, models.SET_NULL, null=True)
    phone = PhoneNumberField(blank=True)
    country = CountryField(blank=True)
    total = MoneyField(max_digits=14, decimal_places=2, default_currency="KRW")
    rebate = MoneyField(max_digits=14, decimal_places=2, null=True, default_currency=None)
    zone = TimeZoneField(default="Asia/Seoul")
    title = I18nCharField(max_length=200)
    duration = models.DurationField(null=True)

    @transition(field=status, source="new", target="paid")
    def pay(self) -> None:
        """The money has come."""


class Line(models.Model):
    sale = models.ForeignKey(Sale, models.CASCADE, related_name="lines")
    product = models.ForeignKey(Product, models.SET_NULL, null=True)
    price = MoneyField(max_digits=14, decimal_places=2, default_currency="KRW")
    kind = models.ForeignKey(ContentType, models.SET_NULL, null=True)
    gift_id = models.BigIntegerField(null=True)
    gift = GenericForeignKey("kind", "gift_id")

    class Meta:
        ordering = ["pk"]
