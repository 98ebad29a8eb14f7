"""Reports to the site: signals and log lines, counters, incidents.

It decides nothing about an event or a destination. Every package from ``building`` up may import it.
"""
