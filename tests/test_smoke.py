import pytest
from dfinery_django.delivery import drain
from dfinery_django.models import Event
pytestmark = pytest.mark.django_db(transaction=True)

def test_it(shop, far_side):
    order = shop.place(customer=shop.customer(), lines=2)
    assert not Event.objects.exists()
    shop.pay(order)
    assert Event.objects.get().status == "captured"
    print(drain("default", send=far_side))
    e = Event.objects.get()
    assert e.status == "delivered", (e.status, e.reason)
    print(far_side.requests[0].body.decode())
