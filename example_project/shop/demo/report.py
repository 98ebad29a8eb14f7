"""The comparison as a table for people."""

HEADING = ("order", "customer", "ordered", "arrived", "lines", "", "seconds")
ROW = "{:<14} {:<24} {:>12} {:>12} {:>6}  {}  {:>7}"


def lines(expected, strays):
    """The report, line by line."""
    purchases = [each for each in expected if each.event_name == "purchase"]
    yield ROW.format(*HEADING[:5], " ", HEADING[6])
    for each in purchases:
        yield _row(each)
        yield from (f"{'':<14} {fault}" for fault in each.faults)
    yield ROW.format("total", "", *_totals(purchases), "", " ", "")
    yield ""
    for event_name, words in (("sign_up", "sign-ups"), ("cancel_order", "cancellations"), ("purchase", "paid orders")):
        yield from _summary(words, [each for each in expected if each.event_name == event_name])
    yield f"{'nothing else arrived':<24} {_mark(not strays)}"
    yield from (f"    {each['event_name']} {each['event_id']}" for each in strays)


def is_good(expected, strays):
    return not strays and not any(each.faults for each in expected)


def won(amount):
    return "-" if amount is None else f"₩{amount:,.0f}"


def _row(each):
    line_count = f"{each.equal_lines}/{len(each.lines)}"
    sums = won(each.amount), won(each.arrived_amount)
    return ROW.format(each.key, each.who, *sums, line_count, _mark(not each.faults), _seconds(each))


def _seconds(each):
    return "-" if each.seconds is None else f"{each.seconds:.1f}"


def _totals(purchases):
    yield won(sum(each.amount for each in purchases))
    yield won(sum(each.arrived_amount or 0 for each in purchases))


def _summary(words, group):
    good = sum(not each.faults for each in group)
    waits = sorted(each.seconds for each in group if each.arrivals)
    slowest = f"median {waits[len(waits) // 2]:.1f} s, slowest {waits[-1]:.1f} s" if waits else ""
    yield f"{words:<14} {good:>3} of {len(group):<3} {_mark(good == len(group))}  {slowest}"
    if words != "paid orders":
        yield from (f"    {each.who} {each.key}: {', '.join(each.faults)}" for each in group if each.faults)


def _mark(is_good):
    return "✓" if is_good else "✗"
