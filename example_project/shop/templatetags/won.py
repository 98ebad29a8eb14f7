from django import template

register = template.Library()


@register.filter
def won(amount):
    """₩1,900,000"""
    return f"₩{int(amount):,}"
