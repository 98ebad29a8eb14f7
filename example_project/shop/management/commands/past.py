from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from shop.past import Past


class Command(BaseCommand):
    help = "Fills the last two days with orders, and events of every kind. Needs a sandbox, and no cluster that runs."

    def handle(self, **options):
        url = settings.DFINERY["BASE_URL"]
        if not url.startswith("http://127.0.0.1:"):
            raise CommandError(f"Only for a sandbox on this machine, not for {url}: set DFINERY_BASE_URL.")
        counts = Past(url).fill()
        self.stdout.write(", ".join(f"{count} {status}" for status, count in counts.items()))
