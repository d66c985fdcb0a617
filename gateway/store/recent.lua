-- An agent's record with the clock that its times are to be read against, and what was counted lately.
--
-- KEYS  1  state  hash: the agent's record
--       2  open   hash: the sums of the running interval, see history.lua
--       3  ended  hash: the intervals that have ended
-- Returns the clock, the record, the running interval's sums, and three lists of intervals, each as JSON: those of the last
-- minute, of the 4 minutes before it, of the 55 minutes before these.

local MINUTE, FIVE_MINUTES, HOUR = 6, 30, 360 -- in intervals of 10 seconds

-- The intervals of these numbers, of 5 minutes or a minute where they fit in whole: `from` is the first, `to` the one after the last.
local function collect(from, to)
  local found = {}
  while from < to do
    local length = 1
    for _, longer in ipairs({MINUTE, FIVE_MINUTES}) do
      if from % longer == 0 and from + longer <= to then length = longer end
    end
    local field = string.format('%d:%d', length * 10, from / length)
    found[#found + 1] = redis.call('HGET', KEYS[3], field) or nil
    from = from + length
  end
  return found
end

local time = redis.call('TIME')
local after = math.floor(tonumber(time[1]) / 10) + 1
local hour_ago = math.ceil((after - HOUR) / MINUTE) * MINUTE
return {
  time[1] .. '.' .. string.format('%06d', time[2]), redis.call('HGETALL', KEYS[1]), redis.call('HGETALL', KEYS[2]),
  collect(after - MINUTE, after), collect(after - FIVE_MINUTES, after - MINUTE), collect(hour_ago, after - FIVE_MINUTES),
}
