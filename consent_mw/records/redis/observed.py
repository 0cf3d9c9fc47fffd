"""The observations of a site's pages in Redis."""

from __future__ import annotations

from collections.abc import Mapping

from consent_mw.core.observations import PAGE as INSPECTED
from consent_mw.core.observations import Occurrence
from consent_mw.core.observations import Sighting
from consent_mw.core.observations import of_service
from consent_mw.records.redis import keys
from consent_mw.records.redis import scripts
from consent_mw.records.redis.store import PAGE
from consent_mw.records.redis.store import RedisStore
from consent_mw.records.redis.store import pairs


class RedisObservations(RedisStore):
    """What the pages of a site were seen to contain."""

    def observe(self, seen: Mapping[Sighting, Occurrence]) -> None:
        """Add to the observations, all or nothing."""
        names = (self._keys.observed, self._keys.learned)
        args: list[str | bytes | int] = []
        for sighting, occurrence in seen.items():
            args += [names.index(self._observed_in(sighting)) + 1, keys.field_of(sighting), *occurrence[:3]]
            args.append(occurrence.place.encode())
        with self._using() as link:
            if args:
                link.script(scripts.OBSERVE, names, args, slow=len(seen) > PAGE)

    def observed(self) -> dict[Sighting, Occurrence]:
        """Return all observations."""
        with self._using() as link:
            named, services = link.read_all(
                [("HGETALL", self._keys.observed), ("HGETALL", self._keys.learned)], slow=True
            )
            found = {keys.sighting_of(field): keys.occurrence_of(value) for field, value in pairs(named)}
            return found | {of_service(field.decode()): keys.occurrence_of(value) for field, value in pairs(services)}

    def learned(self) -> frozenset[str]:
        """Return the ids of the services that were held in any page."""
        with self._using() as link:
            return frozenset(name.decode() for name in link.read("HKEYS", self._keys.learned))

    def forget_observations(self, before: int, most: int) -> None:
        """Delete third parties and cookies that pages last contained before that day, and all but the latest."""
        with self._using() as link:
            link.script(scripts.FORGET, (self._keys.observed,), (before, most, keys.field_of(INSPECTED)), slow=True)

    def _observed_in(self, sighting: Sighting) -> str:
        """Return the key of the hash that has a sighting; those that are read every second have a hash of their own."""
        return self._keys.learned if sighting.of_service else self._keys.observed
