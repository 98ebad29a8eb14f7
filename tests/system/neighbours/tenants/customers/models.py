"""The tenants of the site."""

from __future__ import annotations

from django_tenants.models import DomainMixin, TenantMixin


class Tenant(TenantMixin):
    auto_create_schema = True
    auto_drop_schema = True

    class Meta:
        app_label = "customers"

    def __str__(self) -> str:
        return self.schema_name


class Domain(DomainMixin):
    class Meta:
        app_label = "customers"

    def __str__(self) -> str:
        return self.domain
