"""The example's settings with a mistake that no check can see: the buyer's name where the sum belongs."""

from config.settings import *  # noqa: F403
from config.settings import DFINERY

DFINERY["EVENTS"]["purchase"]["event_attributes"]["order_sales"] = "buyer"
