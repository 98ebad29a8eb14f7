"""What should have arrived, from the shop's tables, beside what did arrive."""

from dataclasses import dataclass, field


@dataclass
class Expected:
    """One thing that happened in the shop, and the arrivals that speak of it."""

    event_name: str
    key: str  # order number, or user id
    who: str
    happened_at: float  # epoch seconds
    amount: float | None = None
    discount: float | None = None
    lines: list = field(default_factory=list)
    arrivals: list = field(default_factory=list)

    @property
    def seconds(self):
        return self.arrivals[0]["received_at"] - self.happened_at if self.arrivals else None

    @property
    def arrived_amount(self):
        return self.arrivals[0]["body"]["event_attributes"].get("order_sales") if self.arrivals else None

    @property
    def faults(self):
        if len(self.arrivals) != 1:
            return [f"arrived {len(self.arrivals)} times"]
        attributes = self.arrivals[0]["body"]["event_attributes"]
        pairs = [("order_sales", self.amount), ("discount", self.discount)]
        faults = [f"{name} {attributes.get(name)}" for name, ours in pairs if attributes.get(name) != ours]
        return faults + self._line_faults(attributes.get("items") or [])

    @property
    def equal_lines(self):
        if not self.arrivals:
            return 0
        items = self.arrivals[0]["body"]["event_attributes"].get("items") or []
        return sum(_as_item(line) == _seen(item) for line, item in zip(self.lines, items, strict=False))

    def _line_faults(self, items):
        if len(items) == len(self.lines) == self.equal_lines:
            return []
        return [f"{self.equal_lines} of {len(self.lines)} lines equal, {len(items)} arrived"]


def _as_item(line):
    return {
        "product_id": line["sku"],
        "quantity": line["quantity"],
        "price": line["unit_price"],
        "discount": line["discount"],
    }


def _seen(item):
    return {name: item.get(name) for name in ("product_id", "quantity", "price", "discount")}


def expected_from(tables):
    """One entry for each event that the shop's tables ask for."""
    found = [Expected("sign_up", user["id"], user["name"], user["joined_at"]) for user in tables["users"]]
    for order in tables["orders"]:
        number, buyer, total = order["number"], order["buyer"], order["total"]
        if order["paid_at"]:
            sums = {"amount": total, "discount": order["discount"], "lines": order["lines"]}
            found.append(Expected("purchase", number, buyer, order["paid_at"], **sums))
        if order["cancelled_at"]:
            found.append(Expected("cancel_order", number, buyer, order["cancelled_at"], amount=total))
    return found


def assign(expected, arrivals):
    """Give each arrival to what it speaks of; those that speak of nothing are returned."""
    by_key = {(each.event_name, each.key): each for each in expected}
    strays = []
    for arrival in arrivals:
        owner = by_key.get(key_of(arrival))
        (owner.arrivals if owner else strays).append(arrival)
    return strays


def key_of(arrival):
    name = arrival["event_name"]
    body = arrival["body"]
    if name == "sign_up":
        return name, body["user_attributes"]["user_id"]
    return name, body["event_attributes"].get("order_id")
