--- A write that a key of another type does not stop: such a key is put aside for the operator, and counted.
local function sure(command, key, ...)
  local answer = redis.pcall(command, key, ...)
  if type(answer) == 'table' and answer.err then
    if not string.find(answer.err, 'WRONGTYPE', 1, true) then return error(answer) end
    redis.call('RENAME', key, K.spoilt .. key)
    redis.call('EXPIRE', K.spoilt .. key, 2592000)
    return redis.call(command, key, ...)
  end
  return answer
end
