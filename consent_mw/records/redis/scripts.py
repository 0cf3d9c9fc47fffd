"""
The Lua scripts. A script runs atomically, but its changes are not rolled back if it fails.

So each script checks everything before it changes anything. :mod:`consent_mw.records.redis` lists the keys. Every key
that a script touches is passed to it, so that a Cluster that is moving the site's slot refuses the script as a whole.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

__all__ = [
    "ADD_COUNTS",
    "ADD_SEAL",
    "ADOPT",
    "ADOPT_SEAL",
    "APPEND",
    "CLEAR",
    "CLOCK",
    "ERASE",
    "FORGET",
    "INDEXED",
    "JOINED",
    "KEEP_NOTICE",
    "OBSERVE",
    "PUBLISH",
    "PURGE",
    "SIZES",
    "TAKE",
    "TOMBSTONES",
    "Script",
]


@dataclass(frozen=True, slots=True)
class Script:
    """A script and the hash by which the server knows it."""

    text: str
    digest: str


def _script(text: str) -> Script:
    # Redis identifies scripts by SHA-1; nothing is protected by it.
    return Script(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


# KEYS index, waiting, schema. ARGV key (with its last NUL), document, then the keys of the marks of its receipt.
# If the entry is there already, a key is rewritten unchanged, so that WAIT covers the earlier write as well. An entry
# that was written again from a cookie gives way to the original until it is sealed; its document ends as AGAIN does.
APPEND = _script(r"""
local key, AGAIN = ARGV[1], ',"cookie"]'
if #redis.call('ZRANGEBYLEX', KEYS[1], '[' .. key, '(' .. key .. '\255', 'LIMIT', 0, 1) > 0 then
  local there = redis.call('ZRANGEBYLEX', KEYS[2], '[' .. key, '(' .. key .. '\255', 'LIMIT', 0, 1)[1]
  if there and string.sub(there, -#AGAIN) == AGAIN then
    redis.call('ZREM', KEYS[2], there)
    redis.call('ZADD', KEYS[2], 0, key .. ARGV[2])
    return 1
  end
  redis.call('SET', KEYS[3], redis.call('GET', KEYS[3]))
  return 0
end
for at = 3, #ARGV do
  local mark = ARGV[at]
  if #redis.call('ZRANGEBYLEX', KEYS[1], '[' .. mark, '(' .. mark .. '\255', 'LIMIT', 0, 1) > 0 then return 0 end
end
redis.call('ZADD', KEYS[1], 0, key)
redis.call('ZADD', KEYS[2], 0, key .. ARGV[2])
return 1
""")

# KEYS index, waiting, schema. ARGV for each entry: key, document, number of marks, the key of each mark.
TAKE = _script(r"""
local function there(key)
  return #redis.call('ZRANGEBYLEX', KEYS[1], '[' .. key, '(' .. key .. '\255', 'LIMIT', 0, 1) > 0
end
local at, taken = 1, 0
while at <= #ARGV do
  local key, marks = ARGV[at], tonumber(ARGV[at + 2])
  local free = not there(key)
  for mark = at + 3, at + 2 + marks do free = free and not there(ARGV[mark]) end
  if free then
    redis.call('ZADD', KEYS[1], 0, key)
    redis.call('ZADD', KEYS[2], 0, key .. ARGV[at + 1])
    taken = taken + 1
  end
  at = at + 3 + marks
end
if taken == 0 then redis.call('SET', KEYS[3], redis.call('GET', KEYS[3])) end
return taken
""")

# KEYS schema, which selects the node. Nothing is changed.
CLOCK = _script("return redis.call('TIME')")

# KEYS notices, schema. ARGV digest, document.
KEEP_NOTICE = _script(r"""
if redis.call('HSETNX', KEYS[1], ARGV[1], ARGV[2]) == 0 then
  redis.call('SET', KEYS[2], redis.call('GET', KEYS[2]))
  return 0
end
return 1
""")

# KEYS head, index, waiting, sealed:N, seals, leaves, kept.
# ARGV number, day, seal, leaves, then key and document of each entry.
# Entries go in batches: a command for each would block the server several times as long.
ADD_SEAL = _script(r"""
local number = ARGV[1]
if tonumber(redis.call('GET', KEYS[1]) or '0') + 1 ~= tonumber(number) then return 0 end
local batches = {}
for first = 5, #ARGV, 1000 do
  local batch = {waiting = {}, old = {}, new = {}, sealed = {}}
  for at = first, math.min(first + 998, #ARGV), 2 do
    local place = (at - 5) / 2
    local waiting = ARGV[at] .. ARGV[at + 1]
    table.insert(batch.waiting, waiting)
    table.insert(batch.old, ARGV[at])
    table.insert(batch.new, 0)
    table.insert(batch.new, ARGV[at] .. number .. '/' .. place)
    table.insert(batch.sealed, place)
    table.insert(batch.sealed, waiting)
  end
  for _, score in ipairs(redis.call('ZMSCORE', KEYS[3], unpack(batch.waiting))) do
    if not score then return 0 end
  end
  table.insert(batches, batch)
end
redis.call('SET', KEYS[1], number)
redis.call('HSET', KEYS[5], number, ARGV[3])
redis.call('HSET', KEYS[6], number, ARGV[4])
redis.call('ZADD', KEYS[7], ARGV[2], number)
for _, batch in ipairs(batches) do
  redis.call('ZREM', KEYS[3], unpack(batch.waiting))
  redis.call('ZREM', KEYS[2], unpack(batch.old))
  redis.call('ZADD', KEYS[2], unpack(batch.new))
  redis.call('HSET', KEYS[4], unpack(batch.sealed))
end
return 1
""")

# KEYS index, waiting, erased, then sealed:N for each entry that is sealed.
# ARGV receipt (with its NUL), number of entries, key and document of the mark (empty: none), then for each entry: its
# key, its seal and place, which of KEYS contains it (0: it is not sealed), its place there, and the key and document of
# its tombstone.
ERASE = _script(r"""
local receipt, number = ARGV[1], tonumber(ARGV[2])
if redis.call('ZLEXCOUNT', KEYS[1], '[' .. receipt, '(' .. receipt .. '\255') ~= number then return -1 end
for at = 5, #ARGV, 6 do
  if not redis.call('ZSCORE', KEYS[1], ARGV[at] .. ARGV[at + 1]) then return -1 end
end
local mark = ARGV[3]
if mark ~= '' and #redis.call('ZRANGEBYLEX', KEYS[1], '[' .. mark, '(' .. mark .. '\255', 'LIMIT', 0, 1) == 0 then
  redis.call('ZADD', KEYS[1], 0, mark)
  redis.call('ZADD', KEYS[2], 0, mark .. ARGV[4])
end
for at = 5, #ARGV, 6 do
  local key = ARGV[at]
  redis.call('ZREM', KEYS[1], key .. ARGV[at + 1])
  if ARGV[at + 2] == '0' then
    redis.call('ZREMRANGEBYLEX', KEYS[2], '[' .. key, '(' .. key .. '\255')
  else
    local sealed = KEYS[tonumber(ARGV[at + 2])]
    local there = redis.call('HGET', sealed, ARGV[at + 3])
    if there and string.sub(there, 1, #key) == key then redis.call('HDEL', sealed, ARGV[at + 3]) end
    redis.call('ZADD', KEYS[1], 0, ARGV[at + 4])
    redis.call('ZADD', KEYS[2], 0, ARGV[at + 4] .. ARGV[at + 5])
  end
end
redis.call('SET', KEYS[3], '1')
return number
""")

# KEYS index, waiting, sealed:N (or schema). ARGV number (empty: not sealed), then key, place, document of each entry.
# A sealed entry takes the place of an unsealed one with the same key; an unsealed one of none.
ADOPT = _script(r"""
local number = ARGV[1]
for at = 2, #ARGV, 3 do
  local key, place, document = ARGV[at], ARGV[at + 1], ARGV[at + 2]
  local there = #redis.call('ZRANGEBYLEX', KEYS[1], '[' .. key, '(' .. key .. '\255', 'LIMIT', 0, 1) > 0
  if number ~= '' then
    if there then
      redis.call('ZREM', KEYS[1], key)
      redis.call('ZREMRANGEBYLEX', KEYS[2], '[' .. key, '(' .. key .. '\255')
    end
    redis.call('ZADD', KEYS[1], 0, key .. number .. '/' .. place)
    redis.call('HSET', KEYS[3], place, key .. document)
  elseif not there then
    redis.call('ZADD', KEYS[1], 0, key)
    redis.call('ZADD', KEYS[2], 0, key .. document)
  end
end
return 1
""")

# KEYS head, seals, leaves, kept. ARGV number, day, seal, leaves (empty: purged).
ADOPT_SEAL = _script(r"""
redis.call('HSET', KEYS[2], ARGV[1], ARGV[3])
if ARGV[4] ~= '' then
  redis.call('HSET', KEYS[3], ARGV[1], ARGV[4])
  redis.call('ZADD', KEYS[4], ARGV[2], ARGV[1])
end
redis.call('SET', KEYS[1], ARGV[1])
return 1
""")

# KEYS index, waiting, erased, then all other keys but the schema, and those of seals and figures.
# ARGV key and document of each mark that stays.
CLEAR = _script(r"""
for at = 1, #KEYS do redis.call('UNLINK', KEYS[at]) end
for at = 1, #ARGV, 2 do
  redis.call('ZADD', KEYS[1], 0, ARGV[at])
  redis.call('ZADD', KEYS[2], 0, ARGV[at] .. ARGV[at + 1])
end
redis.call('SET', KEYS[3], '1')
return 1
""")

# KEYS index, sealed:N. ARGV number. Nothing is changed.
# The entries of a seal by place, joined by NUL; nil if a place is empty, if the index lacks one of the entries, or if
# there are more than in any seal.
JOINED = _script(r"""
local size, all = redis.call('HLEN', KEYS[2]), {}
if size > 5000 then return false end
for first = 0, size - 1, 1000 do
  local places, members = {}, {}
  for place = first, math.min(first + 999, size - 1) do table.insert(places, place) end
  for at, kept in ipairs(redis.call('HMGET', KEYS[2], unpack(places))) do
    local receipt = kept and string.find(kept, '\0', 1, true)
    local step = receipt and string.find(kept, '\0', receipt + 1, true)
    if not step then return false end
    table.insert(all, kept)
    table.insert(members, string.sub(kept, 1, step) .. ARGV[1] .. '/' .. places[at])
  end
  for _, score in ipairs(redis.call('ZMSCORE', KEYS[1], unpack(members))) do
    if not score then return false end
  end
end
return table.concat(all, '\0')
""")

# KEYS index, sealed:N. ARGV number. Nothing is changed.
# Places and entries, alternating, of all in the seal that may be tombstones and that the index has. JSON can write the
# name of an act with escapes, too.
TOMBSTONES = _script(r"""
local all, found = redis.call('HGETALL', KEYS[2]), {}
for at = 1, #all, 2 do
  local kept = all[at + 1]
  local receipt = string.find(kept, '\0', 1, true)
  local step = receipt and string.find(kept, '\0', receipt + 1, true)
  if step and (string.find(kept, 'erase', step, true) or string.find(kept, '\\', step, true)) then
    local member = string.sub(kept, 1, step) .. ARGV[1] .. '/' .. all[at]
    if redis.call('ZSCORE', KEYS[1], member) then
      table.insert(found, all[at])
      table.insert(found, kept)
    end
  end
end
return found
""")

# KEYS index, waiting, head. Nothing is changed: sizes that are read together belong together.
SIZES = _script(r"""
return {redis.call('ZCARD', KEYS[1]), redis.call('ZCARD', KEYS[2]), redis.call('GET', KEYS[3]) or '0'}
""")

# KEYS index, waiting. ARGV where to begin, how many. Nothing is changed.
# Unsealed entries in order, each followed by whether the index has it.
INDEXED = _script(r"""
local found = {}
for _, kept in ipairs(redis.call('ZRANGEBYLEX', KEYS[2], ARGV[1], '+', 'LIMIT', 0, ARGV[2])) do
  local receipt = string.find(kept, '\0', 1, true)
  local step = receipt and string.find(kept, '\0', receipt + 1, true)
  table.insert(found, kept)
  table.insert(found, step and redis.call('ZSCORE', KEYS[1], string.sub(kept, 1, step)) and 1 or 0)
end
return found
""")

# KEYS index, sealed:N, leaves, kept, erased. ARGV number.
PURGE = _script(r"""
local number = ARGV[1]
local found = redis.call('HGETALL', KEYS[2])
local members = {}
for at = 1, #found, 2 do
  local kept = found[at + 1]
  local receipt = string.find(kept, '\0', 1, true)
  local step = receipt and string.find(kept, '\0', receipt + 1, true)
  if step then
    table.insert(members, string.sub(kept, 1, step) .. number .. '/' .. found[at])
  end
end
for first = 1, #members, 1000 do
  redis.call('ZREM', KEYS[1], unpack(members, first, math.min(first + 999, #members)))
end
redis.call('UNLINK', KEYS[2])
redis.call('HDEL', KEYS[3], number)
redis.call('ZREM', KEYS[4], number)
redis.call('SET', KEYS[5], '1')
return #found / 2
""")

# KEYS counts. ARGV name and number, alternating. Scores are floats, which are exact up to 2^53.
ADD_COUNTS = _script(r"""
for at = 1, #ARGV, 2 do
  if tonumber(redis.call('ZSCORE', KEYS[1], ARGV[at]) or '0') + tonumber(ARGV[at + 1]) > 9007199254740992 then
    return redis.error_reply('ERR a counter is full')
  end
end
for at = 1, #ARGV, 2 do
  redis.call('ZINCRBY', KEYS[1], ARGV[at + 1], ARGV[at])
end
return 1
""")

# KEYS counts, tables, then figures:TABLE of each table.
# ARGV number of figures, then for each: which of KEYS, table, first day, last day, document; then name and number of
# the counts that they use up, alternating. Figures of a table must not overlap: it is enough to check the last run that
# begins before the end of the new one.
PUBLISH = _script(r"""
local spent = 2 + 5 * tonumber(ARGV[1])
for at = 2, spent - 1, 5 do
  local before = redis.call('ZREVRANGEBYSCORE', KEYS[tonumber(ARGV[at])], ARGV[at + 3], '-inf', 'LIMIT', 0, 1)[1]
  if before and tonumber(string.match(before, '^%-?%d+ (%-?%d+) ')) >= tonumber(ARGV[at + 2]) then return 0 end
end
for at = spent, #ARGV, 2 do
  if tonumber(redis.call('ZSCORE', KEYS[1], ARGV[at]) or '0') ~= tonumber(ARGV[at + 1]) then return 0 end
end
for at = 2, spent - 1, 5 do
  redis.call('SADD', KEYS[2], ARGV[at + 1])
  redis.call('ZADD', KEYS[tonumber(ARGV[at])], ARGV[at + 2], ARGV[at + 2] .. ' ' .. ARGV[at + 3] .. ' ' .. ARGV[at + 4])
end
for at = spent, #ARGV, 2 do
  redis.call('ZREM', KEYS[1], ARGV[at])
end
return 1
""")

# KEYS observed, learned. ARGV for each sighting: which of KEYS, field, first day, last day, pages, place.
# A value is "FIRST LAST PAGES PLACE"; an older version stored the first day alone.
OBSERVE = _script(r"""
for at = 1, #ARGV, 6 do
  local key, field, place = KEYS[tonumber(ARGV[at])], ARGV[at + 1], ARGV[at + 5]
  local first, last, pages = tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3]), tonumber(ARGV[at + 4])
  local known = redis.call('HGET', key, field)
  if known then
    local began, ended, number, where = string.match(known, '^(%-?%d+) (%-?%d+) (%d+) (.*)$')
    if not began then began, ended, number, where = known, known, '0', '' end
    began, ended = tonumber(began), tonumber(ended)
    if place == '' or (where ~= '' and began <= first) then place = where end
    first, last, pages = math.min(first, began), math.max(last, ended), pages + tonumber(number)
  end
  redis.call('HSET', key, field, string.format('%d %d %d %s', first, last, pages, place))
end
return 1
""")

# KEYS observed. ARGV day, most, the field that stays.
FORGET = _script(r"""
local all, left = redis.call('HGETALL', KEYS[1]), {}
for at = 1, #all, 2 do
  local last = tonumber(string.match(all[at + 1], '^%-?%d+ (%-?%d+) '))
  if all[at] == ARGV[3] then
    last = nil
  elseif last < tonumber(ARGV[1]) then
    redis.call('HDEL', KEYS[1], all[at])
  else
    table.insert(left, {last, all[at]})
  end
end
table.sort(left, function(one, other)
  if one[1] ~= other[1] then return one[1] > other[1] end
  return one[2] < other[2]
end)
for at = tonumber(ARGV[2]) + 1, #left do
  redis.call('HDEL', KEYS[1], left[at][2])
end
return 1
""")
