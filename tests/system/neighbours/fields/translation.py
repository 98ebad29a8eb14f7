from __future__ import annotations

from modeltranslation.translator import TranslationOptions, register

from .models import Brand


@register(Brand)
class BrandTranslation(TranslationOptions):
    fields = ("name",)
