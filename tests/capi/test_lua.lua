-- The Lua binding: what it does beside what its demo shows.
--
-- tests/capi/languages runs this, and sets PUSHER_CHANNELS_LIBRARY and the variables of examples/playground.

package.path = (arg[0]:match("^(.*[/\\])") or "./") .. "../../examples/lua/?.lua;" .. package.path
local pusher = require "pusher_channels"

local PATIENCE_MS = 10000

local function client_with(options)
    options.host, options.port = os.getenv("PUSHER_HOST"), os.getenv("PUSHER_PORT")
    options.key, options.tls = os.getenv("PUSHER_KEY"), false
    return pusher.client(options)
end

local function fails_with(name, ...)
    local succeeded, failure = pcall(...)
    assert(not succeeded, "it has succeeded in place of " .. name)
    assert(failure.name == name, tostring(failure))
    assert(#failure.text > 0 and tostring(failure) == failure.text)
end

local function next_of(client, kind)
    while true do
        local notification = assert(client:next(PATIENCE_MS), "no " .. kind .. " came")
        if notification.kind == kind then return notification end
    end
end

local tests = {}

function tests.methods_give_what_the_header_promises()
    local client = client_with { auth_endpoint = os.getenv("PUSHER_AUTH_ENDPOINT"), auth_params = { user_id = "lua" } }
    assert(client:state() == "disconnected" and client:socket_id() == nil)
    assert(client:length() == 0)
    client:connect()
    assert(client:state() == "connected" and client:socket_id():match("^%d+%.%d+$"))
    client:subscribe("presence-kitchen")
    local news = next_of(client, "subscription_succeeded")
    assert(news.channel == "presence-kitchen" and news.resubscribed == false and news.gap == nil)
    assert(client:is_subscribed("presence-kitchen"))
    assert(#client:channels() == 1 and client:channels()[1].id == "presence-kitchen")
    assert(#client:members("presence-kitchen") == 2)
    assert(client:me("presence-kitchen").id == "lua")
    assert(client:me("presence-kitchen").info == '{"name":"lua"}')
    assert(client:member("presence-kitchen", "ann").id == "ann")
    assert(client:member("presence-kitchen", "bob") == nil)
    local event = next_of(client, "event")
    assert(event.name == "published" and event.data:match('^{"number":%d+}$'))
    assert(client:user_id() == nil)
    assert(client:statistic("connections") == 1 and client:statistic("last_close_code") == nil)
    client:unsubscribe("presence-kitchen")
    assert(#client:channels() == 0)
    client:close()
end

function tests.errors_are_raised_in_words()
    fails_with("PUSHER_ERR_OPTION", client_with, { colour = "blue" })
    fails_with("PUSHER_ERR_VALUE", client_with, { queue_capacity = "many" })
    local client = client_with {}
    fails_with("PUSHER_ERR_CHANNEL_NAME", client.subscribe, client, "no spaces")
    fails_with("PUSHER_ERR_CLIENT_EVENT_CHANNEL", client.trigger, client, "news", "client-hello", "{}")
    client:close()
end

function tests.a_closed_client_is_no_more()
    local client = client_with {}
    client:close()
    client:close()
    assert(client:next(-1) == nil)
    fails_with("PUSHER_ERR_HANDLE", client.subscribe, client, "news")
end

function tests.the_garbage_collector_frees_clients()
    for _ = 1, 100 do client_with {}:connect_background() end
    collectgarbage()
    collectgarbage()
end

for name, test in pairs(tests) do
    test()
    print("ok " .. name)
end
