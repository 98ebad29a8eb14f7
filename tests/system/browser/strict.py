"""The example's settings under a Content-Security-Policy: nothing inline without a nonce.

Django 6.1's admin puts the nonce on each of its files, so that nothing but nonces is allowed. With earlier versions the
site's own files are allowed, too.
"""

import django
from config.settings import *  # noqa: F403
from config.settings import MIDDLEWARE, TEMPLATES

FILES = ["'self'"] if django.VERSION < (6, 1) else []

if django.VERSION >= (6, 0):
    from django.utils.csp import CSP

    NONCE, CSP_MIDDLEWARE = CSP.NONCE, "django.middleware.csp.ContentSecurityPolicyMiddleware"
    TEMPLATES[0]["OPTIONS"]["context_processors"].append("django.template.context_processors.csp")
else:
    from csp.constants import NONCE

    CSP_MIDDLEWARE = "csp.middleware.CSPMiddleware"

POLICY = {
    "default-src": ["'none'"],
    "script-src": [*FILES, NONCE],
    "style-src": [*FILES, NONCE],
    "img-src": ["'self'"],
    "connect-src": ["'self'"],
    "form-action": ["'self'"],
    "base-uri": ["'none'"],
}
SECURE_CSP = POLICY  # Django 6.0
CONTENT_SECURITY_POLICY = {"DIRECTIVES": POLICY}  # django-csp
MIDDLEWARE = [*MIDDLEWARE, CSP_MIDDLEWARE]
