-- The health of a lossgate.io ModelRollout for Argo CD, from its conditions. The first match counts. Without the
-- standard libraries of Lua, which Argo CD does not load.

-- A new version is being judged while the stable one serves. "Healthy" lets a sync end at once. "Progressing" keeps it
-- open until the verdict, for hours; Argo CD starts no other sync of the application meanwhile.
local IN_FLIGHT = "Healthy"
-- A person is asked for, or asked for the pause. Where the application has sync waves or PostSync hooks, write "Healthy":
-- a sync that waits for the end of a pause keeps out the commit that would end it.
local PAUSED = "Suspended"

local function health(status, message)
  return { status = status, message = message or "" }
end

local status = obj.status or {}
local generation = obj.metadata and obj.metadata.generation
if generation ~= nil and status.observedGeneration ~= generation then
  return health("Progressing", "The operator has not acted on this manifest yet.")
end

local conditions = {}
for _, condition in ipairs(status.conditions or {}) do
  conditions[condition.type or ""] = condition
end
local ready, promoted, stalled = conditions.Ready, conditions.Promoted, conditions.Stalled

if stalled ~= nil and stalled.status == "True" then
  return health("Degraded", stalled.message)
end
if ready == nil then
  return health("Progressing", "The first version is starting.")
end
if ready.status ~= "True" then
  local is_starting = ready.reason == "FirstVersionStarting"
  return health(is_starting and "Progressing" or "Degraded", ready.message)
end
if promoted == nil then
  return health("Progressing", ready.message)
end
if promoted.status == "True" then
  return health("Healthy", promoted.message)
end
if promoted.status == "False" then
  -- The spec went back to the stable version: a matter of seconds.
  return health(promoted.reason == "Aborted" and "Progressing" or "Degraded", promoted.message)
end
if promoted.reason == "Requested" or promoted.reason == "Inconclusive" then
  return health(PAUSED, promoted.message)
end
return health(IN_FLIGHT, promoted.message)
