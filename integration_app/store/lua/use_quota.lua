--- Count one call against a quota.
-- @keys quota
-- @returns nothing
-- @repeat a second run counts twice: the quota is taken for smaller than it is
-- @include quota
use_quota(quota)
