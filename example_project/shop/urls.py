from django.urls import path

from . import views

app_name = "shop"
urlpatterns = [
    path("", views.catalogue, name="catalogue"),
    path("category/<slug:slug>/", views.catalogue, name="category"),
    path("product/<slug:sku>/", views.product, name="product"),
    path("product/<slug:sku>/wish/", views.wish, name="wish"),
    path("product/<slug:sku>/subscribe/", views.subscribe, name="subscribe"),
    path("cart/", views.cart, name="cart"),
    path("cart/<slug:sku>/add/", views.add_to_cart, name="add_to_cart"),
    path("cart/<slug:sku>/change/", views.change_cart, name="change_cart"),
    path("checkout/", views.checkout, name="checkout"),
    path("orders/", views.orders, name="orders"),
    path("orders/<slug:number>/", views.order, name="order"),
    path("orders/<slug:number>/pay/", views.payment, name="payment"),
    path("orders/<slug:number>/cancel/", views.cancel, name="cancel"),
    path("orders/<slug:number>/lines/<int:pk>/cancel/", views.cancel_line, name="cancel_line"),
    path("orders/<slug:number>/lines/<int:pk>/return/", views.give_back, name="give_back"),
]
