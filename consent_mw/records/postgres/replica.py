"""A read replica in PostgreSQL: a server that follows another one, and takes no writes."""

from __future__ import annotations

from consent_mw.records.postgres import PostgresRecords

__all__ = ["PostgresReplica"]

# Whether it follows anybody, and how far it is. A replica whose server does nothing has an old timestamp, and nothing
# left to replay. Managed services may hide all of it.
_STATE = (
    "SELECT pg_is_in_recovery(), (SELECT count(*) FROM pg_stat_wal_receiver), "
    "coalesce(pg_last_wal_receive_lsn() <= pg_last_wal_replay_lsn(), true), "
    "coalesce(extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()), 0)::bigint"
)


class PostgresReplica(PostgresRecords):
    """
    The records of ``site`` on a replica at ``url``; reading works as in the store, writing fails.

    Raises:
        ConfigError: if the URL is not valid.
        RecordsError: if the server does not answer, or has no records of this version.
    """

    def __init__(self, url: str, *, site: str = "site") -> None:
        super().__init__(url, site=site, writes=False)

    def problem(self, most: int) -> str:
        """
        Return why the replica should not be read now; empty if it may be.

        Args:
            most: Seconds by which it may be behind.
        """
        with self._reading(slow=True) as session:
            ((follows, receivers, replayed, age),) = session.rows(_STATE)
        if not follows:
            return f"The server of {self._database.name} is not a replica."
        if int(age or 0) > most and not (receivers and replayed):
            return f"The replica {self._database.name} is {int(age or 0) // 60:,} minutes behind."
        return ""
