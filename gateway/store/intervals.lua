-- An agent's counts over time, from an interval on up to another one, and what was decided in that time.
--
-- KEYS  1  open   hash: the sums of the running interval, see history.lua
--       2  ended  hash: the intervals that have ended
--       3  audit  stream: the agent's decisions
--       4  points  hash: the evidence against guardrails, see evidence.lua
-- ARGV  1  seconds of an interval, 2  number of the first one, 3  number of the last one, 4  how many decisions, at most
-- Returns the clock, the running interval's sums, {number, JSON, number, JSON ...} of intervals, the latest decisions, the
-- points of the evidence by hour, and the texts of guardrails that these name.

local seconds, found = tonumber(ARGV[1]), {}
for number = tonumber(ARGV[2]), tonumber(ARGV[3]) do
  local cells = redis.call('HGET', KEYS[2], string.format('%d:%d', seconds, number))
  if cells then
    found[#found + 1] = tostring(number)
    found[#found + 1] = cells
  end
end
local first, last = tonumber(ARGV[2]) * seconds * 1000, (tonumber(ARGV[3]) + 1) * seconds * 1000 - 1
local points, texts = {}, {}
for hour = math.floor(first / 3600000), math.floor(last / 3600000) do
  points[#points + 1] = redis.call('HGET', KEYS[4], string.format('%d', hour)) or nil
end
for place = 0, #points > 0 and 15 or -1 do
  texts[#texts + 1] = redis.call('HGET', KEYS[4], 'texts:' .. place) or nil
end
local time = redis.call('TIME')
return {
  time[1] .. '.' .. string.format('%06d', time[2]), redis.call('HGETALL', KEYS[1]), found,
  redis.call('XREVRANGE', KEYS[3], string.format('%.0f', last), string.format('%.0f', first), 'COUNT', ARGV[4]),
  points, texts,
}
