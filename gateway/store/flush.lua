-- Add one replica's batch of counts to the shared sums, exactly once.
--
-- KEYS  1  state     hash: the agent's record
--       2  batch     string: the last sequence of this replica that was applied
--       3  tally     hash: the rollout's sums, <tally key>|<field>
--       4  evidence  hash: the evidence epoch's sums, <arm>|requests and <arm>|errors, and its times
--       5  failing   set: stable's failing units
--       6  failing   set: the canary's failing units
-- ARGV  1  sequence of the batch
--       2  seconds that the sequence is remembered, 3  seconds that the sums are kept, both after the last flush
--       4  members at which a set of failing units stops growing
--       5  stable's requests, 6  its errors, 7  the canary's requests, 8  its errors
--       9  how many sums follow, 10  how many of stable's units follow them
--       then the sums as field, amount; stable's units; the canary's units to the end
-- Returns the record's epoch, the clock, the evidence (ARMS below), and the members of both sets.

local ARMS = {'stable|requests', 'stable|errors', 'canary|requests', 'canary|errors', 'stable_seen', 'began'}
local UNITS_AT_ONCE = 1000 -- unpack() has a limit of some thousands

local time = redis.call('TIME')
local now = time[1] .. '.' .. string.format('%06d', time[2])

-- A sum that would leave 64 bits stays as it is: a script that stops halfway would count the rest of its batch never.
local function add(key, field, amount)
  local sum = redis.pcall('HINCRBY', key, field, amount)
  if type(sum) == 'table' and not (string.find(sum.err, 'overflow') or string.find(sum.err, 'out of range')) then
    error(sum.err)
  end
end

local function remember(key, first, last)
  local room = tonumber(ARGV[4]) - redis.call('SCARD', key)
  while first <= last and room > 0 do
    local upto = math.min(last, first + math.min(room, UNITS_AT_ONCE) - 1)
    room = room - redis.call('SADD', key, unpack(ARGV, first, upto))
    first = upto + 1
  end
end

local function count_arms()
  for index = 1, 4 do
    if ARGV[4 + index] ~= '0' then add(KEYS[4], ARMS[index], ARGV[4 + index]) end
  end
  if ARGV[5] ~= '0' or ARGV[7] ~= '0' then redis.call('HSETNX', KEYS[4], 'began', now) end
  if ARGV[5] ~= '0' then redis.call('HSET', KEYS[4], 'stable_seen', now) end
end

local function apply()
  local sums_end = 10 + 2 * tonumber(ARGV[9])
  for index = 11, sums_end, 2 do add(KEYS[3], ARGV[index], ARGV[index + 1]) end
  count_arms()
  local stable_end = sums_end + tonumber(ARGV[10])
  remember(KEYS[5], sums_end + 1, stable_end)
  remember(KEYS[6], stable_end + 1, #ARGV)
  for index = 3, 6 do redis.call('EXPIRE', KEYS[index], ARGV[3]) end
end

if tonumber(ARGV[1]) > tonumber(redis.call('GET', KEYS[2]) or '0') then
  -- The first write: where the server refuses writes (full, read only), it refuses here, before anything was counted.
  redis.call('SET', KEYS[2], ARGV[1], 'EX', ARGV[2])
  apply()
end

return {
  redis.call('HGET', KEYS[1], 'epoch') or '0',
  now,
  redis.call('HMGET', KEYS[4], unpack(ARMS)),
  redis.call('SCARD', KEYS[5]),
  redis.call('SCARD', KEYS[6]),
}
