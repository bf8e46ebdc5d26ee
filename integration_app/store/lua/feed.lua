--- Tell the endpoints of operators of something that is no message.
-- @flags allow-oom
-- @args type uid at data
-- @returns 1
-- @repeat it is told once more, with another id
-- @include feed
feed(type, uid, '', at, data)
return 1
