"""A database of the run's own: made, made to fail, dropped. One class for each server, driven without Django."""

from __future__ import annotations

import random
import sqlite3
import tempfile
import time
from pathlib import Path
from typing import Any


def chosen(draw: random.Random, connections: dict[int, bool]) -> tuple[str, list[int]]:
    """Which connections are to end, of those that there are; true for one in the midst of something."""
    busy = sorted(pid for pid, is_busy in connections.items() if is_busy)
    if draw.random() < 0.3:
        return "all connections ended", sorted(connections)
    if busy and draw.random() < 0.7:
        return "one connection ended, in a transaction", [draw.choice(busy)]
    return "one connection ended", draw.sample(sorted(connections), min(1, len(connections)))


class PostgreSQL:
    def __init__(self, name: str, settings: dict[str, Any]) -> None:
        import psycopg

        self.name = name
        self._connection = psycopg.connect(
            host=settings["HOST"], port=settings["PORT"], user=settings["USER"], password=settings["PASSWORD"],
            dbname="postgres", autocommit=True, connect_timeout=5,
        )  # fmt: skip
        self._connection.execute(f'CREATE DATABASE "{name}"')

    def strike(self, draw: random.Random) -> str:
        """Terminate connections of the workers and writers."""
        found = self._connection.execute("SELECT pid, state FROM pg_stat_activity WHERE datname = %s", [self.name])
        kind, pids = chosen(draw, {pid: state != "idle" for pid, state in found})
        for pid in pids:
            self._connection.execute("SELECT pg_terminate_backend(%s)", [pid])
        return kind

    def drop(self) -> None:
        self._connection.execute(f'DROP DATABASE IF EXISTS "{self.name}" WITH (FORCE)')
        self._connection.close()


class MariaDB:
    def __init__(self, name: str, settings: dict[str, Any]) -> None:
        import MySQLdb

        self.name, self._error = name, MySQLdb.Error
        self._connection = MySQLdb.connect(
            host=settings["HOST"], port=int(settings["PORT"]), user=settings["USER"], password=settings["PASSWORD"],
            autocommit=True, connect_timeout=5,
        )  # fmt: skip
        # As many old servers make them: what needs four bytes a character does not fit into a text of that charset.
        self._run(f"CREATE DATABASE `{name}` CHARACTER SET utf8mb3")

    def _run(self, sql: str, *parameters: object) -> list[Any]:
        with self._connection.cursor() as cursor:
            cursor.execute(sql, parameters or None)
            return list(cursor.fetchall())

    def strike(self, draw: random.Random) -> str:
        """Kill connections of the workers and writers."""
        found = self._run("SELECT id FROM information_schema.processlist WHERE db = %s", self.name)
        busy = {pid for (pid,) in self._run("SELECT trx_mysql_thread_id FROM information_schema.innodb_trx")}
        kind, pids = chosen(draw, {pid: pid in busy for (pid,) in found})
        for pid in pids:
            try:
                self._run("KILL CONNECTION %s", pid)
            except self._error:  # it ended by itself
                continue
        return kind

    def drop(self) -> None:
        self._run(f"DROP DATABASE IF EXISTS `{self.name}`")
        self._connection.close()


class SQLite:
    def __init__(self, name: str, settings: dict[str, Any]) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="dfinery-chaos-")
        self.name = str(Path(self._folder.name) / f"{name}.sqlite3")

    def strike(self, draw: random.Random) -> str:
        """Hold the write lock for a while."""
        connection = sqlite3.connect(self.name, timeout=20, isolation_level=None)
        try:
            connection.execute("BEGIN IMMEDIATE")
            time.sleep(draw.uniform(0.5, 1.2))
            connection.execute("ROLLBACK")
        finally:
            connection.close()
        return "write lock held"

    def drop(self) -> None:
        self._folder.cleanup()


Database = PostgreSQL | MariaDB | SQLite


def create(server: str, name: str, settings: dict[str, Any]) -> Database:
    """Make the database.

    :raises Exception: the driver's own error, if the server can't be reached
    """
    kinds = {"postgresql": PostgreSQL, "mariadb": MariaDB, "sqlite": SQLite}
    return kinds[server](name, settings)  # type: ignore[abstract]
