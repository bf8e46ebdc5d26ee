--- Which of these events are known.
-- @flags no-writes
-- @args now_ms:number digests...
-- @returns for each 1 or 0
-- @repeat it reads
-- @include seen
local known = {}
for _, digest in ipairs(digests) do table.insert(known, seen(digest, now_ms) and 1 or 0) end
return known
