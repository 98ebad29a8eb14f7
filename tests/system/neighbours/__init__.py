"""The app beside packages that many shops have: each folder with its settings. ``pytest tests/system/neighbours/api``.

themes · every page of our admin under the common themes      api · the REST API under others' exception handlers
fields · columns, relations and managers of others            frozen · tests that stop or move the clock
tenants · a schema for each tenant (django-tenants)           pgbouncer · a pooler that lends a connection a transaction
"""
