-- Keep a point of the evidence against an agent's guardrails: one a minute for 26 hours, one an hour for 31 days.
--
-- KEYS  1  points  hash: by the number of its hour the points of it, a line each: <minute> <number of the texts> <values>;
--                  `texts:<place>` in a ring of RING: <number> <guardrails' texts>, and `texts` the number of the latest
-- ARGV  1  the guardrails' texts, as JSON, 2  the values, as JSON; of a minute the last point holds

local RING, EVERY, KEPT = 16, 26, 31 * 24 -- texts; hours for which all points of an hour, or its last one, are kept
local SECONDS = 32 * 24 * 3600

local minute = math.floor(tonumber(redis.call('TIME')[1]) / 60)
local hour = math.floor(minute / 60)

local function number_of(texts)
  for place = 0, RING - 1 do
    local number, held = string.match(redis.call('HGET', KEYS[1], 'texts:' .. place) or '', '^(%d+) (.*)$')
    if held == texts then return number end
  end
  local number = string.format('%d', tonumber(redis.call('HGET', KEYS[1], 'texts') or '0') + 1)
  redis.call('HSET', KEYS[1], 'texts', number)
  redis.call('HSET', KEYS[1], 'texts:' .. number % RING, number .. ' ' .. texts)
  return number
end

local function thin_out()
  local fields = redis.call('HGETALL', KEYS[1])
  for index = 1, #fields, 2 do
    local age = hour - (tonumber(fields[index]) or hour)
    if age > KEPT then
      redis.call('HDEL', KEYS[1], fields[index])
    elseif age > EVERY then
      redis.call('HSET', KEYS[1], fields[index], string.match(fields[index + 1], '[^\n]*$'))
    end
  end
end

local field = string.format('%d', hour)
local points = redis.call('HGET', KEYS[1], field)
if not points then thin_out() end
local before, last = string.match(points or '', '^(.-)([^\n]*)$')
local begins = string.format('%d ', minute)
if last ~= '' and string.sub(last, 1, #begins) ~= begins then before = points .. '\n' end
redis.call('HSET', KEYS[1], field, before .. begins .. number_of(ARGV[1]) .. ' ' .. ARGV[2])
redis.call('EXPIRE', KEYS[1], SECONDS)
