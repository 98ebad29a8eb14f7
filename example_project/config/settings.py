"""Settings of the example shop. Everything about DFINERY is at the end, under its own heading."""

import os
from pathlib import Path

from dfinery_django import Coalesce, Hashed, Value

BASE_DIR = Path(__file__).resolve().parent.parent
VAR_DIR = BASE_DIR / "var"  # the database, logs and what the sandbox keeps; not in the repository
VAR_DIR.mkdir(exist_ok=True)

# A key for a demonstration on your own machine. A real shop sets DJANGO_SECRET_KEY.
SECRET_KEY = os.environ.get("DJANGO_SECRET_KEY", "example-shop-key-that-protects-nothing-worth-having-0000")
DEBUG = os.environ.get("DJANGO_DEBUG", "1") == "1"
ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]"]

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_q",
    "rest_framework",  # for the pages that a browser shows of the REST API
    "dfinery_django",
    "accounts",
    "shop",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",  # shop and admin in the language of their reader
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "shop.context_processors.shop",
            ],
        },
    },
]

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ.get("SHOP_DATABASE", VAR_DIR / "shop.sqlite3"),
        "OPTIONS": {
            # The shop and the workers write at the same time: take the write lock at the start of a transaction,
            # wait for it, and let readers go on meanwhile.
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        },
    },
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
STATIC_URL = "static/"

AUTH_USER_MODEL = "accounts.User"
LOGIN_URL = "accounts:login"
LOGIN_REDIRECT_URL = "shop:catalogue"
LOGOUT_REDIRECT_URL = "shop:catalogue"

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("ko", "한국어"), ("ja", "日本語")]  # the shop has no Japanese, the admin does
LOCALE_PATHS = [BASE_DIR / "locale"]
TIME_ZONE = "Asia/Seoul"
USE_I18N = True
USE_TZ = True

# ── django-q2: the workers that carry events to DFINERY ───────────────────────────────────────────────────────────

Q_CLUSTER = {
    "name": "shop",
    "orm": "default",  # tasks are kept in the shop's own database: no Redis to run
    "workers": 2,
    "timeout": 60,
    "retry": 90,  # above the timeout, or a task that still runs is started once more
    "poll": 0.2,
    "save_limit": 100,
    "catch_up": False,
}

# ── DFINERY ───────────────────────────────────────────────────────────────────────────────────────────────────────

# Who an order belongs to. Members are known by their key, guests by a hash of their e-mail address.
CUSTOMER = {
    "user_id": Coalesce("customer.pk", Hashed("guest_email")),
    "user_name": "customer.name",
    "membership": "customer.membership",
}

DFINERY = {
    "TOKENS": {"default": os.environ.get("DFINERY_API_TOKEN", "sandbox-token")},
    "BASE_URL": os.environ.get("DFINERY_BASE_URL", "https://openapi.dfinery.io"),
    "EVENTS": {
        "purchase": {
            "model": "shop.Order",
            "when": {"status": "paid"},
            "event_datetime": "paid_at",
            "event_attributes": {
                "order_id": "number",
                "order_sales": "total",
                "payment_method": "get_payment_method_display",
                "discount": "discount_total",
                "delivery_charge": "delivery_charge",
                "coupon_code": "coupon.code",
                "source_type": Value("WEB"),
            },
            "items": "lines",
            "item_attributes": {
                "product_id": "sku",
                "product_name": "name",
                "category1": "product.category.name",
                "quantity": "quantity",
                "price": "unit_price",
                "discount": "discount",
                "currency": Value("KRW"),
            },
            "user_attributes": CUSTOMER,
        },
        "cancel_order": {
            "model": "shop.Order",
            "when": {"status": "cancelled"},
            "event_datetime": "cancelled_at",
            "event_attributes": {"order_id": "number", "order_sales": "total"},
            "user_attributes": CUSTOMER,
        },
        "sign_up": {
            "model": "accounts.User",
            "when": "created",
            "event_datetime": "date_joined",
            "user_attributes": {"user_id": "pk", "user_name": "name", "membership": "membership"},
        },
    },
    # Fields that DFINERY does not predefine. Declared, their types can never drift.
    "CUSTOM_FIELDS": {
        "event": {"coupon_code": "string", "source_type": "string"},
        "user": {"membership": "string"},
    },
}
