-- Take back what leases have left, charge what calls took beyond them, and grant a further lease of a limit.
--
-- KEYS  1  limit  hash by slice: what was granted in it and not given back
-- ARGV  1  JSON object:
--            limit   the most in a window
--            seconds of a rolling window, slice  seconds of each of its slices; or
--            begins, ends  Unix seconds of the calendar period, whose begin is its only slice
--            lease   seconds for which a grant may be used
--            ask     what the replica would have ahead: it gets no more than a twentieth of the rest
--            least   what calls wait for: it gets that while there is a rest
--            back    amounts given back, by slice, charge  amount that was taken without a lease
-- Returns a list of: the grant, its slice, all that counts now, seconds until `least` is free (-1: never; 0: it is),
-- and the server's clock. The slice is empty where the clock stands outside of the period: nothing was done then.

local KEY, given, time = KEYS[1], cjson.decode(ARGV[1]), redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
local clock = time[1] .. '.' .. string.format('%06d', time[2])

if given.ends and (now < given.begins or now >= given.ends) then return {'0', '', '0', '0', clock} end

local function text(number) return string.format('%.0f', number) end
local slice = text(given.ends and given.begins or math.floor(now / given.slice))

for id, amount in pairs(given.back) do
  local held = tonumber(redis.call('HGET', KEY, id) or '0')
  if held > 0 then redis.call('HINCRBY', KEY, id, text(-math.min(held, amount))) end
end
if given.charge > 0 then redis.call('HINCRBY', KEY, slice, text(given.charge)) end

local function leaves(id)  -- when all of a slice lies out of every window
  if given.ends then return id == text(given.begins) and given.ends or 0 end
  return (tonumber(id) + 1) * given.slice + given.seconds + given.lease
end

local total, slices, fields = 0, {}, redis.call('HGETALL', KEY)
for index = 1, #fields, 2 do
  local id, amount = fields[index], tonumber(fields[index + 1])
  if leaves(id) <= now or amount == 0 then
    redis.call('HDEL', KEY, id)
  else
    total = total + amount
    slices[#slices + 1] = {leaves(id), amount}
  end
end

local rest = math.max(0, given.limit - total)
local grant = math.min(rest, math.max(given.least, math.min(given.ask, math.floor(rest / 20))))
local frees = 0
if given.least > rest then
  table.sort(slices, function(one, other) return one[1] < other[1] end)
  local left = given.limit - total
  frees = -1
  for _, each in ipairs(slices) do
    left = left + each[2]
    if left >= given.least then
      frees = each[1] - now
      break
    end
  end
end
if grant > 0 then redis.call('HINCRBY', KEY, slice, text(grant)) end
local keep = given.ends and given.ends - now or given.seconds + given.lease + given.slice
redis.call('EXPIRE', KEY, math.ceil(keep) + 60)
return {text(grant), slice, text(total + grant), string.format('%.3f', frees), clock}
