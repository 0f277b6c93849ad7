-- Three channels, a client event, and a connection that drops, in a loop of 60 frames a second.
--
-- export LUA_PATH="bindings/lua/?.lua;;" LD_LIBRARY_PATH=target/release
-- cargo run --example playground -- luajit examples/lua/demo.lua

local ffi = require "ffi"
local pusher = require "pusher_channels"

local CHANNELS = { "news", "private-orders", "presence-kitchen" }
local FRAMES_A_SECOND, PATIENCE = 60, 30

-- Sleeping takes the place of a display, whose vertical sync would make the frames.
ffi.cdef [[
struct timespec { long tv_sec; long tv_nsec; };
int nanosleep(const struct timespec *duration, struct timespec *rest);
]]
local frame_time = ffi.new("struct timespec", 0, 1e9 / FRAMES_A_SECOND)

local client = pusher.client {
    host = os.getenv("PUSHER_HOST"),
    port = os.getenv("PUSHER_PORT"),
    key = os.getenv("PUSHER_KEY"),
    tls = false,
    auth_endpoint = os.getenv("PUSHER_AUTH_ENDPOINT"),
    auth_params = { user_id = "lua" },
}

local awaited = { ["presence-kitchen: client-welcome"] = true, ["an event after that"] = true }
for _, channel in ipairs(CHANNELS) do
    awaited[channel .. ": published"] = true
    awaited[channel .. ": subscribed again"] = true
end
local missing_again = #CHANNELS

-- Events come all the time, and the first of each kind is enough.
local function strike(news, data)
    if not awaited[news] then return false end
    awaited[news] = nil
    print(news, data or "")
    return true
end

local on = {}

function on.event(event)
    strike(missing_again == 0 and "an event after that" or event.channel .. ": " .. event.name, event.data)
end

function on.subscription_succeeded(news)
    if news.resubscribed then
        print(("%s: not subscribed for %d ms"):format(news.channel, news.gap))
        if strike(news.channel .. ": subscribed again") then missing_again = missing_again - 1 end
    elseif news.channel == "presence-kitchen" then
        local ids = {}
        for _, member in ipairs(client:members(news.channel)) do ids[#ids + 1] = member.id end
        print("in the kitchen: " .. table.concat(ids, ", "))
        client:trigger(news.channel, "client-hello", '{"from":"lua"}')
    end
end

function on.connection_state_change(change)
    print(change.previous_state .. " -> " .. change.state, change.error or "")
    if change.state == "failed" then error("the client has given up: " .. tostring(change.error), 0) end
end

function on.subscription_error(news)
    error("cannot subscribe to " .. (news.channel or "a channel") .. ": " .. tostring(news.error), 0)
end

client:connect_background()
for _, channel in ipairs(CHANNELS) do client:subscribe(channel) end

for _ = 1, PATIENCE * FRAMES_A_SECOND do
    for notification in client:waiting() do
        local handle = on[notification.kind]
        if handle then handle(notification) end
    end
    if not next(awaited) then break end
    ffi.C.nanosleep(frame_time, nil)
end

client:close()
if next(awaited) then
    local rest = {}
    for news in pairs(awaited) do rest[#rest + 1] = news end
    io.stderr:write(("%d s have passed without: %s\n"):format(PATIENCE, table.concat(rest, ", ")))
    os.exit(1)
end
