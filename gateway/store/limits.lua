-- Take back what leases have left, charge what calls took beyond them, and grant a further lease of a limit.
--
-- KEYS  1  limit  hash by slice: what was granted in it and not given back; by `r` and a replica's id: the number of
--                  its last question, and the second of it
-- ARGV  1  JSON object:
--            limit   the most in a window
--            seconds of a rolling window, slice  seconds of each of its slices; or
--            begins, ends  Unix seconds of the calendar period, whose begin is its only slice
--            lease   seconds for which a grant may be used
--            wants   what calls wait for, the first of them first: each gets all of it, while the rest has as much
--            ask     what the replica would have ahead beside that: it gets no more than a twentieth of the rest
--            back    amounts given back, by slice, charge  amount that was taken without a lease
--            replica, number  of the question: one that is not above the last one's came too late, and changes nothing
--            again   amounts, by slice ('': the present one), of questions that the server has lost in a failover
-- Returns a list of: the grant, its slice, all that counts now, seconds until the first of `wants` that got
-- nothing is free (-1: never; 0: all got theirs), the server's clock, and the number of the
-- replica's last question before. The slice is empty where nothing was done: the clock stands outside of the period.

local KEY, given, time = KEYS[1], cjson.decode(ARGV[1]), redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
local clock = time[1] .. '.' .. string.format('%06d', time[2])

local record, SILENT = 'r' .. given.replica, 120
local had = string.match(redis.call('HGET', KEY, record) or '', '^%d+') or '0'

if given.ends and (now < given.begins or now >= given.ends) or given.number <= tonumber(had) then
  return {'0', '', '0', '0', clock, had}
end

local function text(number) return string.format('%.0f', number) end
local slice = text(given.ends and given.begins or math.floor(now / given.slice))

local function add(id, amount)  -- no slice holds less than nothing
  local change = math.max(-tonumber(redis.call('HGET', KEY, id) or '0'), amount)
  if change ~= 0 then redis.call('HINCRBY', KEY, id, text(change)) end
end

for id, amount in pairs(given.again) do add(id == '' and slice or id, amount) end
for id, amount in pairs(given.back) do add(id, -amount) end
redis.call('HSET', KEY, record, text(given.number) .. ' ' .. text(now))
if given.charge > 0 then redis.call('HINCRBY', KEY, slice, text(given.charge)) end

local function leaves(id)  -- when all of a slice lies out of every window
  if given.ends then return id == text(given.begins) and given.ends or 0 end
  return (tonumber(id) + 1) * given.slice + given.seconds + given.lease
end

local total, slices, fields = 0, {}, redis.call('HGETALL', KEY)
for index = 1, #fields, 2 do
  local id, amount = fields[index], tonumber(fields[index + 1])
  if not amount then
    if tonumber(string.match(fields[index + 1], '%d+$')) < now - SILENT then redis.call('HDEL', KEY, id) end
  elseif leaves(id) <= now or amount == 0 then
    redis.call('HDEL', KEY, id)
  else
    total = total + amount
    slices[#slices + 1] = {leaves(id), amount}
  end
end

local rest, grant, missed = math.max(0, given.limit - total), 0, nil
for _, want in ipairs(given.wants) do
  if want <= rest - grant then
    grant = grant + want
  else
    missed = missed or want
  end
end
grant = grant + math.min(given.ask, math.floor((rest - grant) / 20))
local frees = 0
if missed then
  slices[#slices + 1] = {leaves(slice), grant}
  table.sort(slices, function(one, other) return one[1] < other[1] end)
  local left = given.limit - total - grant
  frees = -1
  for _, each in ipairs(slices) do
    left = left + each[2]
    if left >= missed then
      frees = each[1] - now
      break
    end
  end
end
if grant > 0 then redis.call('HINCRBY', KEY, slice, text(grant)) end
local keep = given.ends and given.ends - now or given.seconds + given.lease + given.slice
redis.call('EXPIRE', KEY, math.ceil(keep) + 60)
return {text(grant), slice, text(total + grant), string.format('%.3f', frees), clock, had}
