-- What an agent's calls have cost from one day to another one.
--
-- KEYS  1  open   hash: the running day, see costs.lua
--       2  ended  hash: the days that have ended
-- ARGV  1  number of the first day, in days since 1970, 2  number of the last one
-- Returns the running day's sums, and {number, JSON, number, JSON ...} of days that have ended.

local found = {}
for number = tonumber(ARGV[1]), tonumber(ARGV[2]) do
  local day = redis.call('HGET', KEYS[2], string.format('%d', number))
  if day then
    found[#found + 1] = string.format('%d', number)
    found[#found + 1] = day
  end
end
return {redis.call('HGETALL', KEYS[1]), found}
