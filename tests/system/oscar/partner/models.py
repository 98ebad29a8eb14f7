from oscar.apps.partner.models import *  # noqa: F403 - as oscar's documentation says
