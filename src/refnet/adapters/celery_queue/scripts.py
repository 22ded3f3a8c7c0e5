"""What Redis does in one step for the transport: fetch a message with its record, and move a recorded one.

They never encode a message anew: what a client put into a queue is kept byte for byte, since cjson would turn empty
lists into objects and round long numbers. They are not for a Redis cluster, where a script must be told every key.
"""

from __future__ import annotations

from functools import cache
from hashlib import sha1
from typing import Any

from redis.exceptions import NoScriptError

#: Seconds that a doorbell nobody answers is kept. One lost so costs a worker one more blocking wait, never a message.
BELL_EXPIRES = 60
#: Undecodable items that one fetch sets aside before it lets others have their turn.
_GARBAGE_AT_ONCE = 100
#: What stands behind the name of the list of undecodable items, for the number of those at its head that are not among
#: the dead letters yet.
NEW = ".new"
#: What stands in the tag of a record before the owner: who took the message.
OWNED_BY = "@"
#: The sorted set of owners.
OWNERS = "_refnet.owners"

#: Takes the first message of the first list that holds any, and records it as kombu would.
#:
#: KEYS: `unacked`, `unacked_index`, the list for what cannot be decoded, the set of owners; then for each queue its
#: doorbell and its list of priority 0. ARGV: what stands between the names of queue and priority; the priorities,
#: separated by spaces, the most urgent first; the owner, or nothing; then for each queue its name in JSON. (The lists
#: are named here because sending and encoding eleven names for each queue took half of a fetch's time.)
#: Returns the number of the queue from 1, the tag under which the message is recorded, and the message; nil when there
#: is none.
#:
#: The record names the queue itself, by the nameless exchange, so that it goes back there and nowhere else, whatever
#: exchanges are bound. A tag already in use (somebody pushed a copy) gets the time behind it: neither record then
#: overwrites the other. So does that of a message that comes again: whoever had it first may acknowledge it late, and
#: that must not forget the record of whoever has it now. Behind that stands the owner, who is known to be alive from
#: then on. The time is Redis' own: by that of a worker whose clock is wrong, a message might come again at once, or
#: never. The doorbell is rung again while more is waiting, so that one ring wakes as many workers as there are messages.
FETCH = f"""
local function tag_of(item)
  local ok, message = pcall(cjson.decode, item)
  if not ok or type(message) ~= 'table' then return nil end
  local properties = message.properties
  if type(properties) ~= 'table' or type(properties.delivery_info) ~= 'table' then return nil end
  local tag = properties.delivery_tag
  if type(tag) == 'number' then tag = tostring(tag) end
  if type(tag) == 'string' and tag ~= '' then return tag, properties.delivery_info.redelivered == true end
  return nil
end

local clock = redis.call('TIME')
local now = clock[1] .. '.' .. string.format('%06d', clock[2])
local between, priorities, owner = ARGV[1], ARGV[2], ARGV[3]
local garbage = 0
for queue = 1, #ARGV - 3 do
  local bell = KEYS[3 + 2 * queue]
  local lists = {{}}
  for priority in string.gmatch(priorities, '%S+') do
    local base = KEYS[4 + 2 * queue]
    lists[#lists + 1] = priority == '0' and base or base .. between .. priority
  end
  for list = 1, #lists do
    local item = redis.call('RPOP', lists[list])
    while item do
      local tag, again = tag_of(item)
      if tag then
        local behind = owner == '' and '' or '{OWNED_BY}' .. owner
        if again or redis.call('HEXISTS', KEYS[1], tag .. behind) == 1 then tag = tag .. '.' .. now end
        tag = tag .. behind
        redis.call('ZADD', KEYS[2], now, tag)
        redis.call('HSET', KEYS[1], tag, '[' .. item .. ', "", ' .. ARGV[3 + queue] .. ']')
        if owner ~= '' then redis.call('ZADD', KEYS[4], now, owner) end
        if redis.call('EXISTS', unpack(lists, list)) > 0 then
          redis.call('ZADD', bell, 0, 'rung')
          redis.call('EXPIRE', bell, {BELL_EXPIRES})
        end
        return {{queue, tag, item}}
      end
      redis.call('LPUSH', KEYS[3], item)
      redis.call('INCR', KEYS[3] .. '{NEW}')
      garbage = garbage + 1
      if garbage == {_GARBAGE_AT_ONCE} then
        redis.call('ZADD', bell, 0, 'rung')
        redis.call('EXPIRE', bell, {BELL_EXPIRES})
        return false
      end
      item = redis.call('RPOP', lists[list])
    end
  end
end
return false
"""

#: What stands behind the record of a message whose task was begun. JSON takes no notice of it, and so does whoever else
#: reads records.
BEGUN = " "

#: Marks the record of a message: its task is begun. Takes it out first, which a full Redis allows, and then the rest.
#:
#: KEYS: `unacked`. ARGV: the tag.
BEGIN = f"""
local record = redis.call('HGET', KEYS[1], ARGV[1])
if record and string.sub(record, -1) ~= '{BEGUN}' then
  redis.call('HDEL', KEYS[1], ARGV[1])
  redis.call('HSET', KEYS[1], ARGV[1], record .. '{BEGUN}')
end
"""

#: Forgets the record of a message. Not by MULTI as kombu does: Redis 7 lets no transaction begin while it is full, so
#: that nobody could empty it.
#:
#: KEYS: `unacked`, `unacked_index`. ARGV: the tag.
ACKNOWLEDGE = """
redis.call('ZREM', KEYS[2], ARGV[1])
return redis.call('HDEL', KEYS[1], ARGV[1])
"""

#: Moves a recorded message into lists and rings for it, unless the record is gone: then somebody else has moved it; and
#: unless its owner, where one is named, has been heard of since it was found lost.
#:
#: KEYS: `unacked`, `unacked_index`, the set of owners; then pairs of a list and its doorbell. ARGV: the tag, what to put
#: into the lists, LPUSH for their far end or RPUSH for the end that is taken from next; and, for a message of a lost
#: owner, that one and its score as `LOST` returned it. Returns 1 when moved, else 0.
MOVE = f"""
if ARGV[4] and redis.call('ZSCORE', KEYS[3], ARGV[4]) ~= ARGV[5] then return 0 end
local moved = redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('ZREM', KEYS[2], ARGV[1])
if moved == 1 then
  for list = 4, #KEYS, 2 do
    redis.call(ARGV[3], KEYS[list], ARGV[2])
    redis.call('ZADD', KEYS[list + 1], 0, 'rung')
    redis.call('EXPIRE', KEYS[list + 1], {BELL_EXPIRES})
  end
end
return moved
"""

#: Moves what was recorded as a message, and is none, into the list of undecodable items.
#:
#: KEYS: `unacked`, `unacked_index`, that list. ARGV: the tag, the item.
SET_ASIDE = f"""
local moved = redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('ZREM', KEYS[2], ARGV[1])
if moved == 1 then
  redis.call('LPUSH', KEYS[3], ARGV[2])
  redis.call('INCR', KEYS[3] .. '{NEW}')
end
return moved
"""

#: Tells that an owner lives, and since when some owner has told so without a break.
#:
#: KEYS: the set of owners, by when each was last heard of; the text with the other time. ARGV: the owner; milliseconds
#: that are no break yet. Begins with what a full Redis allows, which then allows the rest: none is to be taken for lost
#: because of that.
BEAT = """
redis.call('ZREM', KEYS[1], ARGV[1])
local clock = redis.call('TIME')
local now = clock[1] .. '.' .. string.format('%06d', clock[2])
redis.call('ZADD', KEYS[1], now, ARGV[1])
local since = redis.call('GET', KEYS[2])
if not since or tonumber(since) > tonumber(now) then since = now end
redis.call('SET', KEYS[2], since, 'PX', ARGV[2])
"""

#: The owners of whom nothing was heard for long: for each its name, and the score it has from now on. For a while nobody
#: else is told of them.
#:
#: KEYS: as for `BEAT`. ARGV: seconds of silence after which an owner is lost; seconds that owners must have been heard
#: without a break, else it may have been Redis that was away; seconds for which the lost are the caller's to see to.
LOST = """
local clock = redis.call('TIME')
local now = tonumber(clock[1] .. '.' .. string.format('%06d', clock[2]))
local since = redis.call('GET', KEYS[2])
local found = {}
if not since or now - tonumber(since) < tonumber(ARGV[2]) then return found end
for _, owner in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[1], 'LIMIT', 0, 100)) do
  redis.call('ZREM', KEYS[1], owner)
  redis.call('ZADD', KEYS[1], now - ARGV[1] + ARGV[3], owner)
  found[#found + 1] = {owner, redis.call('ZSCORE', KEYS[1], owner)}
end
return found
"""

#: Forgets a lost owner, unless it has been heard of since.
#:
#: KEYS: the set of owners. ARGV: the owner; its score as `LOST` returned it.
FORGET_OWNER = """
if redis.call('ZSCORE', KEYS[1], ARGV[1]) == ARGV[2] then redis.call('ZREM', KEYS[1], ARGV[1]) end
"""

#: The oldest undecodable items that are not among the dead letters yet, the oldest first: for each its SHA-1, its
#: length and its beginning.
#:
#: KEYS: the list of undecodable items. ARGV: how many items, how many bytes of each. Somebody may have emptied the list
#: by hand, so the number of new ones is no more than it holds.
UNRECORDED = f"""
local new = math.min(tonumber(redis.call('GET', KEYS[1] .. '{NEW}') or '0'), redis.call('LLEN', KEYS[1]))
redis.call('SET', KEYS[1] .. '{NEW}', new)
local found = {{}}
for place = new - 1, math.max(0, new - tonumber(ARGV[1])), -1 do
  local item = redis.call('LINDEX', KEYS[1], place)
  found[#found + 1] = {{redis.sha1hex(item), #item, string.sub(item, 1, tonumber(ARGV[2]))}}
end
return found
"""

#: Counts as recorded the oldest new undecodable items that are still there. Somebody may have removed some since they
#: were found, and more may have come: the number alone would count those.
#:
#: KEYS: the list of undecodable items. ARGV: the SHA-1s of those recorded.
RECORDED = f"""
local told = {{}}
for each = 1, #ARGV do told[ARGV[each]] = true end
local new = math.min(tonumber(redis.call('GET', KEYS[1] .. '{NEW}') or '0'), redis.call('LLEN', KEYS[1]))
for _ = 1, #ARGV do
  local item = new > 0 and redis.call('LINDEX', KEYS[1], new - 1)
  if not item or not told[redis.sha1hex(item)] then break end
  new = new - 1
end
redis.call('SET', KEYS[1] .. '{NEW}', math.max(0, new))
"""

#: Removes undecodable items, also those that are not among the dead letters yet. Returns how many.
#:
#: KEYS: the list of undecodable items. ARGV: their SHA-1s.
REMOVE_UNDECODABLE = f"""
local unwanted = {{}}
for each = 1, #ARGV do unwanted[ARGV[each]] = true end
local new = tonumber(redis.call('GET', KEYS[1] .. '{NEW}') or '0')
local removed = 0
for place = redis.call('LLEN', KEYS[1]) - 1, 0, -1 do
  local item = redis.call('LINDEX', KEYS[1], place)
  if unwanted[redis.sha1hex(item)] then
    redis.call('LREM', KEYS[1], -1, item)
    if place < new then redis.call('DECR', KEYS[1] .. '{NEW}') end
    removed = removed + 1
  end
end
return removed
"""


@cache
def digest(script: str) -> str:
    """The name under which a server knows a script once it has run it."""
    return sha1(script.encode(), usedforsecurity=False).hexdigest()


def run(client: Any, script: str, keys: list[str], *arguments: Any) -> Any:
    """What the script returns. Raises what redis-py does."""
    try:
        return client.evalsha(digest(script), len(keys), *keys, *arguments)
    except NoScriptError:  # a new or restarted server
        return client.eval(script, len(keys), *keys, *arguments)
