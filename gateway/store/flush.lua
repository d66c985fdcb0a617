-- Add one replica's batch of counts to the shared sums, exactly once.
--
-- KEYS  1  state     hash: the agent's record
--       2  batch     string: the last sequence of this replica that was applied
--       3  tally     hash: the rollout's sums, <tally key>|<field>
--       4  evidence  hash: the evidence epoch, see below
--       5  units     set: the canary's units
--       then two for each component of the batch, sets: stable's bad units, the canary's bad units
-- ARGV  1  sequence of the batch
--       2  seconds that the sequence is remembered, 3  seconds that the sums are kept, both after the last flush
--       4  seconds that the evidence is kept when the record has gone on to other evidence
--       5  members at which a set of bad units stops growing, 6  members at which the set of units does
--       7  the evidence epoch of the batch, 8  1 when the evidence is wanted in return
--       9  stable's judged calls, 10  the canary's
--       then five lists, each headed by its length:
--         the tally's sums: field, amount
--         the evidence's sums: field, amount
--         the samples: each a list of sums; when the first is refused, so are the others
--         the canary's units
--         bad units: number of the component, arm, component, badness of each, and the list of them; stable's first
-- Returns the record's epoch, the clock, and the evidence when it is wanted.
--
-- The evidence hash holds, by arm, <arm>|requests|<slot>, <arm>|errors, <arm>|units, <arm>|bad|<component>|<slot> in
-- millionths, <arm>|bad_units|<component>, <arm>|<metric>|n, |total, |squares, |bin|<i>|n and |bin|<i>|total; and `began`,
-- `stable_seen`, `slot`. A slot that has ended is folded into the text of its series, <arm>|requests or
-- <arm>|bad|<component>: "<slot>:<sum> " again and again, an eighth of the memory.

local TALLY, EVIDENCE, UNITS = KEYS[3], KEYS[4], KEYS[5]
local MAX_BAD, MAX_UNITS = tonumber(ARGV[5]), tonumber(ARGV[6])
local AT_ONCE = 1000 -- unpack() has a limit of some thousands

local time = redis.call('TIME')
local now = time[1] .. '.' .. string.format('%06d', time[2])

local cursor = 10 -- in ARGV
local function take()
  cursor = cursor + 1
  return ARGV[cursor]
end

-- The same rule as in policies/restarts.py.
local function slot(minute)
  local shift = 0
  while math.floor(minute / 2 ^ shift) >= 32 do shift = shift + 1 end
  return shift * 16 + math.floor(minute / 2 ^ shift)
end

local function fold(current)
  if redis.call('HGET', EVIDENCE, 'slot') == current then return end
  redis.call('HSET', EVIDENCE, 'slot', current)
  local fields = redis.call('HGETALL', EVIDENCE)
  for index = 1, #fields, 2 do
    local series, ended = string.match(fields[index], '^(.+)|(%d+)$')
    if series and ended ~= current then
      local before = redis.call('HGET', EVIDENCE, series) or ''
      redis.call('HSET', EVIDENCE, series, before .. ended .. ':' .. fields[index + 1] .. ' ')
      redis.call('HDEL', EVIDENCE, fields[index])
    end
  end
end

-- The slot of this minute, as text; the first call of an evidence epoch starts its clock.
local found
local function current_slot()
  if not found then
    redis.call('HSETNX', EVIDENCE, 'began', now)
    local seconds = math.max(0, tonumber(now) - tonumber(redis.call('HGET', EVIDENCE, 'began')))
    found = string.format('%d', slot(math.floor(seconds / 60)))
    fold(found)
  end
  return found
end

-- A sum that would leave 64 bits stays as it is: a script that stops halfway would count the rest of its batch never.
local function add(key, field, amount)
  local sum = redis.pcall('HINCRBY', key, field, amount)
  if type(sum) ~= 'table' then return true end
  if not (string.find(sum.err, 'overflow') or string.find(sum.err, 'out of range')) then error(sum.err) end
  return false
end

local function add_sums(key)
  for _ = 1, tonumber(take()) do add(key, take(), take()) end
end

-- A mean whose squares no longer grow would look more certain than it is; so all of the sample stops with them.
local function add_sample()
  local goes_on = true
  for _ = 1, tonumber(take()) do
    local field, amount = take(), take()
    goes_on = goes_on and add(EVIDENCE, field, amount)
  end
end

-- Put the list that comes next into a set, up to its limit; how many were new.
local function remember(set, limit)
  local first = cursor + 2
  local last = first + tonumber(take()) - 1
  local known = redis.call('SCARD', set)
  local room = limit - known
  cursor = last
  while first <= last and room > 0 do
    local upto = math.min(last, first + math.min(room, AT_ONCE) - 1)
    room = room - redis.call('SADD', set, unpack(ARGV, first, upto))
    first = upto + 1
  end
  return math.max(0, limit - room - known)
end

local function count_requests(arm, requests)
  if requests == '0' then return end
  add(EVIDENCE, arm .. '|requests|' .. current_slot(), requests)
  if arm == 'stable' then redis.call('HSET', EVIDENCE, 'stable_seen', now) end
end

local function count_units()
  if remember(UNITS, MAX_UNITS) > 0 then redis.call('HSET', EVIDENCE, 'canary|units', redis.call('SCARD', UNITS)) end
end

-- A full set freezes its component for both arms: what one of them could no longer count would tilt the other.
local function count_bad()
  local number, arm, component, badness = tonumber(take()), take(), take(), take()
  local stable, canary = KEYS[4 + 2 * number], KEYS[5 + 2 * number]
  local full = redis.call('SCARD', arm == 'stable' and canary or stable) >= MAX_BAD
  local set = arm == 'stable' and stable or canary
  local new = remember(set, full and 0 or MAX_BAD)
  if new == 0 then return end
  add(EVIDENCE, arm .. '|bad|' .. component .. '|' .. current_slot(), string.format('%.0f', new * badness))
  redis.call('HSET', EVIDENCE, arm .. '|bad_units|' .. component, redis.call('SCARD', set))
end

-- Late calls of a step that has ended shorten the life of what nobody decides on any more.
local function keep()
  local running = redis.call('HGET', KEYS[1], 'evidence') or ARGV[7]
  redis.call('EXPIRE', TALLY, ARGV[3])
  for index = 4, #KEYS do redis.call('EXPIRE', KEYS[index], running == ARGV[7] and ARGV[3] or ARGV[4]) end
end

local function apply()
  count_requests('stable', ARGV[9])
  count_requests('canary', ARGV[10])
  add_sums(TALLY)
  add_sums(EVIDENCE)
  for _ = 1, tonumber(take()) do add_sample() end
  count_units()
  for _ = 1, tonumber(take()) do count_bad() end
  keep()
end

if tonumber(ARGV[1]) > tonumber(redis.call('GET', KEYS[2]) or '0') then
  -- The first write: where the server refuses writes (full, read only), it refuses here, before anything was counted.
  redis.call('SET', KEYS[2], ARGV[1], 'EX', ARGV[2])
  apply()
end

return {redis.call('HGET', KEYS[1], 'epoch') or '0', now, ARGV[8] == '1' and redis.call('HGETALL', EVIDENCE)}
