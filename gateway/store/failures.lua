-- The most frequent reasons why a version's calls failed, as a hash by <version>|<digest of the reason>:
-- "<count> <time> <call> <call> <call>|<description>". <version>|others counts those that made room for others.

-- Add a list of: field, count, time, calls, description; at most `most` reasons of each version stay.
local function keep_reasons(key, reasons, most, calls_kept)
  local function merged(field, count, at, calls, described)
    local before = redis.call('HGET', key, field)
    if before then
      local sum, last, ids = string.match(before, '^(%d+) (%S+) ?([^|]*)')
      count = string.format('%.0f', tonumber(sum) + tonumber(count))
      if tonumber(last) > tonumber(at) then at, calls, ids = last, ids, calls end
      calls = calls .. ' ' .. ids
    end
    local ids = {}
    for id in string.gmatch(calls, '%S+') do if #ids < calls_kept then ids[#ids + 1] = id end end
    redis.call('HSET', key, field, count .. ' ' .. at .. ' ' .. table.concat(ids, ' ') .. '|' .. described)
  end

  local function version_of(field) return string.match(field, '^(.*)|') end

  -- Let go of the rarest reason of that version but this one; its failures are still counted.
  local function make_room(version, field)
    local all, number, rarest = redis.call('HGETALL', key), 0, nil
    for index = 1, #all, 2 do
      if version_of(all[index]) == version and all[index] ~= version .. '|others' then
        number = number + 1
        local count, at = string.match(all[index + 1], '^(%d+) (%S+)')
        count, at = tonumber(count), tonumber(at)
        local is_rarer = not rarest or count < rarest.count or (count == rarest.count and at < rarest.at)
        if all[index] ~= field and is_rarer then rarest = {field = all[index], count = count, at = at} end
      end
    end
    if number <= most or not rarest then return end
    redis.call('HDEL', key, rarest.field)
    merged(version .. '|others', string.format('%.0f', rarest.count), '0', '', '')
  end

  for _, reason in ipairs(reasons) do
    local is_new = not redis.call('HGET', key, reason[1])
    merged(unpack(reason))
    if is_new then make_room(version_of(reason[1]), reason[1]) end
  end
end
