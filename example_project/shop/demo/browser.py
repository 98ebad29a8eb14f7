"""A browser, as far as a shop needs one: cookies, forms with their hidden fields, errors that are seen."""

from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

from .errors import DemoError
from .processes import local_session

TIMEOUT_SECONDS = 30


class Forms(HTMLParser):
    """The forms of a page: address and fields, with the values that hidden fields have."""

    def __init__(self, html):
        super().__init__()
        self.found = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        if tag == "form":
            self.found.append((values.get("action") or "", {}))
        elif tag in ("input", "select", "textarea") and self.found and values.get("name"):
            hidden = values.get("value", "") if values.get("type") == "hidden" else None
            self.found[-1][1].setdefault(values["name"], hidden)


class Browser:
    def __init__(self, shop_url):
        self._shop_url = shop_url
        self._session = local_session()
        self._page = None

    @property
    def path(self):
        """Where it is now."""
        return urlsplit(self._page.url).path

    def open(self, path):
        self._look(self._session.get(self._shop_url + path, timeout=TIMEOUT_SECONDS))

    def submit(self, **values):
        """Fill in the form that has these fields, and send it."""
        action, fields = self._form_with(set(values))
        hidden = {name: value for name, value in fields.items() if value is not None}
        self._post(action, {**hidden, **values})

    def press(self, ending):
        """Send the form whose address ends like this."""
        for action, fields in Forms(self._page.text).found:
            if action.endswith(ending):
                return self._post(action, {name: value for name, value in fields.items() if value is not None})
        raise DemoError(f"{self._page.url} has no button for {ending}")

    def _form_with(self, names):
        for action, fields in Forms(self._page.text).found:
            if names <= set(fields):
                return action, fields
        raise DemoError(f"{self._page.url} has no form with {', '.join(sorted(names))}")

    def _post(self, action, values):
        url = urljoin(self._page.url, action or self._page.url)
        headers = {"Referer": self._page.url}
        self._look(self._session.post(url, values, headers=headers, timeout=TIMEOUT_SECONDS))

    def _look(self, page):
        if not page.ok:
            raise DemoError(f"{page.request.method} {page.url} answered {page.status_code}")
        if 'class="errorlist' in page.text or "message error" in page.text:
            raise DemoError(f"{page.url} shows an error: see what was sent: {page.request.body!r}")
        self._page = page
