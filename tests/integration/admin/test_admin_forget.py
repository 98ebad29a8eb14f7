"""Forget people in the admin: asked first, with what will happen; done, told, and logged without a name."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.core.management import CommandError, call_command
from django.utils import timezone

from dfinery_django import track
from dfinery_django.admin import bulk_actions, forget
from dfinery_django.delivery.worker import drain
from dfinery_django.models import Event, Repair
from tests.support.doubles import PURCHASE, accepted
from tests.support.staff import LIST, ask, client_of, confirm, make, text_of

pytestmark = pytest.mark.django_db


def test_the_people_of_chosen_events_are_forgotten(configured: Any, admin_client: Any) -> None:
    """All events of them, also those that were not chosen; others stay. The log says how many, and not whose."""
    configured()
    chosen = [make("delivered", user_id="hong"), make("failed", user_id="kim")]
    for user in ("hong", "kim", "lee"):
        make("pending", user_id=user)
    asked = ask(admin_client, "forget", *chosen)
    page = text_of(asked)
    assert "Erase all events of these 2 people?" in page
    assert "4 erased: all their events, also those not chosen; content, ids and attempts." in page
    assert "DFINERY keeps what it received" in page
    assert "Yes, erase 4 events" in asked.content.decode()
    assert Event.objects.count() == 5
    done = confirm(admin_client, asked)
    assert done.redirect_chain[-1][0].startswith(LIST)
    assert "Erased: 4 events, with their contents and attempts." in text_of(done)
    assert Event.objects.get().user_id == "lee"
    entry = LogEntry.objects.get()
    assert (entry.change_message, entry.object_id) == ("Erased: 4 events, with their contents and attempts.", None)
    assert "hong" not in entry.object_repr


def test_it_says_whose_events_go_and_shows_all_of_them(configured: Any) -> None:
    """Ids for those who may see payloads, else the number of people; the red button stands for all events listed."""
    configured()
    chosen = make("delivered", user_id="hong@example.com", order_id="A-1")
    other = make("failed", user_id="hong@example.com", order_id="A-2")
    make("delivered", user_id="lee")
    for number, permissions in enumerate((["view_payload"], [])):
        client = client_of(f"u{number}", "view_event", "forget_user", *permissions)
        asked = ask(client, "forget", chosen)
        page = asked.content.decode()
        assert {event.pk for event in asked.context["listed"]} == {chosen.pk, other.pk}
        assert [(status, count) for _label, status, count in asked.context["statuses"]] == [
            ("delivered", 1), ("failed", 1),
        ]  # fmt: skip
        assert 'class="dfinery-erase"' in page
        assert f'href="{LIST}?q=hong%40example.com"' in page or not permissions
        assert ("hong" in page) == bool(permissions)
        assert ("1 person. The user id is shown to those who may see payloads." in text_of(asked)) != bool(permissions)


def test_erasing_stands_apart_in_the_list(configured: Any, admin_client: Any) -> None:
    """At the end of the actions, in a group of its own."""
    configured()
    make("delivered")
    *others, (label, apart) = admin_client.get(LIST).context["action_form"].fields["action"].choices
    assert [name for name, _ in others] == ["", "resend", "rebuild", "cancel"]
    assert (label, apart) == ("Personal data", [("forget", "Erase all events of these people")])


def test_it_says_what_may_still_arrive_and_what_stays(configured: Any, shop: Any, admin_client: Any) -> None:
    """A request under way, a trace, and an event of which nobody knows whose it is."""
    configured(EVENTS={"purchase": PURCHASE})
    kim = shop.customer("kim")
    shop.pay(shop.place(customer=kim))
    built = Event.objects.get()
    make("sending", user_id=str(kim.pk), due_at=timezone.now() + timezone.timedelta(seconds=50))
    lost = make("failed", definition="gone", payload="", reason_code="not_registered")
    asked = ask(admin_client, "forget", built, lost)
    page = text_of(asked)
    assert "Erase all events of this person?" in page, "a captured event is asked for its source"
    assert "2 erased: all their events" in page
    assert "1 of these leave a tombstone without any id for about two days" in page
    assert "1 being sent at this moment and can't be recalled: may still arrive" in page
    assert "1 skipped: their source can't be read" in page
    done = text_of(confirm(admin_client, asked))
    assert "1 being sent at this moment" in done
    assert sorted(Event.objects.values_list("reason_code", flat=True)) == ["forgotten", "not_registered"]


def test_nobody_to_forget(configured: Any, admin_client: Any) -> None:
    """Events that are about nobody: there is no button."""
    configured()
    asked = ask(admin_client, "forget", make("failed", definition="gone", payload=""))
    assert "So there is nothing to do." in text_of(asked)
    assert "Yes, erase" not in asked.content.decode()


def test_all_that_match(configured: Any, admin_client: Any) -> None:
    """What the search leaves, also what is not listed."""
    configured()
    for user in ("hong", "kim"):
        make("delivered", user_id=user)
    confirm(admin_client, ask(admin_client, "forget", across=True, query="?q=hong"))
    assert Event.objects.get().user_id == "kim"


@pytest.mark.parametrize("limit", ["MAX_FORGOTTEN_EVENTS", "MAX_FORGOTTEN_PEOPLE"])
def test_too_many_at_once(configured: Any, admin_client: Any, monkeypatch: Any, limit: str) -> None:
    """A whole list is not erased by one click."""
    configured()
    monkeypatch.setattr(forget, limit, 2)
    for number in range(3):
        make("delivered", user_id=f"u{number}")
    asked = ask(admin_client, "forget", across=True)
    assert asked.status_code == 302
    assert "Choose fewer" in text_of(admin_client.get(LIST))
    assert Event.objects.count() == 3


def test_a_page_that_is_too_old(configured: Any, admin_client: Any) -> None:
    """Does nothing, and says so."""
    configured()
    make("delivered", user_id="u1")
    done = admin_client.post("/admin/dfinery_django/event/forget/", {"confirmation": "forged"}, follow=True)
    assert "That page was too old." in text_of(done)
    assert Event.objects.count() == 1


def test_the_log_of_a_repair_names_nobody(configured: Any, admin_client: Any, monkeypatch: Any) -> None:
    """Django's log is kept for good: what was searched for is told by the repair alone, which is pruned."""
    configured()
    monkeypatch.setattr(bulk_actions, "MAX_LOG_ENTRIES", 0)
    make("failed", user_id="hong@example.com")
    confirm(admin_client, ask(admin_client, "resend", across=True, query="?q=hong@example.com"))
    entry = LogEntry.objects.get()
    assert "searched for: …" in entry.change_message
    assert "hong" not in entry.change_message + entry.object_repr
    assert "hong@example.com" in Repair.objects.get().selection


def test_the_command_says_what_it_erased(configured: Any, shop: Any, capsys: Any) -> None:
    """In counts, with what follows from them; nobody's id is printed."""
    configured(EVENTS={"purchase": PURCHASE})
    kim = shop.customer("kim")
    shop.pay(shop.place(customer=kim))
    drain("default", send=lambda request: accepted())
    call_command("dfinery", "forget", str(kim.pk), "--dry-run")
    assert capsys.readouterr().out.splitlines()[0] == "Would be erased: 1 event (1 delivered), 1 delivery attempt."
    assert Event.objects.get().status == "delivered"
    call_command("dfinery", "forget", str(kim.pk))
    out = capsys.readouterr().out
    assert out.splitlines() == [
        "Erased: 1 event (1 delivered), 1 delivery attempt.",
        "Tombstones without any id, kept for 49 h so that nothing is captured again: 1.",
        "DFINERY itself keeps what was delivered: have it erased there, too.",
    ]
    call_command("dfinery", "forget", str(kim.pk))
    assert capsys.readouterr().out.startswith("There is no event of this user_id.")


def test_the_command_for_machines_and_mistakes(configured: Any, capsys: Any) -> None:
    """JSON with the counts; an id that is empty and a database that is none end it with a line."""
    configured()
    track("coupon", user_id="u1")
    call_command("dfinery", "forget", "u1", "--json")
    assert '"pending": 1' in capsys.readouterr().out
    for arguments, words in (([" "], "user_id is empty"), (["u1", "--database", "nowhere"], "no alias of DATABASES")):
        with pytest.raises(CommandError, match=words) as caught:
            call_command("dfinery", "forget", *arguments)
        assert caught.value.returncode == 2
