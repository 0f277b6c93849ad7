-- Tests of the Lua binding. README.md says how to run them.

local here = arg[0]:match("^(.*[/\\])") or "./"
package.path = here .. "../?.lua;" .. package.path
local ffi = require "ffi"
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

function tests.methods_return_the_values_that_the_header_describes()
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

function tests.errors_are_tables_with_a_name_and_a_text()
    fails_with("PUSHER_ERR_OPTION", client_with, { colour = "blue" })
    fails_with("PUSHER_ERR_VALUE", client_with, { queue_capacity = "many" })
    local client = client_with {}
    fails_with("PUSHER_ERR_CHANNEL_NAME", client.subscribe, client, "no spaces")
    fails_with("PUSHER_ERR_CLIENT_EVENT_CHANNEL", client.trigger, client, "news", "client-hello", "{}")
    client:close()
end

function tests.a_closed_client_has_no_notifications_and_takes_no_calls()
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

-- Makes a client whose permissions do not come, because its backend takes no requests.
local function unanswered_client()
    local unused = "http://127.0.0.1:1/"
    local client = client_with { auth_endpoint = unused, user_auth_endpoint = unused }
    client:connect()
    return client
end

function tests.waits_end_with_their_outcome_or_after_their_time()
    local client = client_with { auth_endpoint = os.getenv("PUSHER_AUTH_ENDPOINT") }
    client:connect_background()
    client:wait_connected()
    client:subscribe("private-orders")
    client:wait_subscribed("private-orders", PATIENCE_MS)
    client:wait_all_subscribed()
    assert(client:is_subscribed("private-orders"))
    fails_with("PUSHER_ERR_NOT_SUBSCRIBED", client.wait_subscribed, client, "news", PATIENCE_MS)
    fails_with("PUSHER_ERR_NOT_SIGNED_IN", client.wait_signed_in, client)
    client:disconnect()
    fails_with("PUSHER_ERR_DISCONNECTED", client.wait_connected, client)
    client:close()
    client = unanswered_client()
    client:subscribe("private-orders")
    client:subscribe("news")
    client:wait_subscribed("news")
    -- This time is longer than one slice of a wait.
    fails_with("PUSHER_ERR_WAIT_TIMEOUT", client.wait_subscribed, client, "private-orders", 250)
    local _, failure = pcall(client.wait_subscribed, client, "private-orders", 250)
    assert(failure.text:find(" within 250ms$"), failure.text)
    while client:next() do end
    client:close()
end

function tests.callbacks_run_inside_dispatch_until_they_are_unbound()
    local client = client_with { auth_endpoint = os.getenv("PUSHER_AUTH_ENDPOINT"), auth_params = { user_id = "lua" } }
    local heard = {}
    local function hears(what) return function(it) heard[what] = (heard[what] or 0) + 1 heard[#heard + 1] = it end end
    client:on("connection_state_change", nil, hears("state"))
    local binding = client:bind("presence-kitchen", "published", hears("event"))
    client:bind("presence-kitchen", nil, setmetatable({}, { __call = function(_, event) hears("channel")(event) end }))
    client:bind(nil, "published", hears("name"))
    client:bind("news", "published", hears("wrong"))
    client:bind("presence-kitchen", "other", hears("wrong"))
    client:on("subscription_succeeded", "news", hears("wrong"))
    client:connect()
    client:subscribe("presence-kitchen")
    assert(next(heard) == nil, "no callback runs outside dispatch")
    while not heard.event do assert(client:dispatch(PATIENCE_MS) > 0) end
    assert(heard.state == 2 and not heard.wrong)
    assert(heard.channel >= heard.event and heard.name >= heard.event)
    binding:unbind()
    binding:unbind()
    local before, all = heard.event, heard.channel
    while heard.channel == all do assert(client:dispatch(PATIENCE_MS) > 0) end
    assert(heard.event == before)
    assert(client:dispatch() >= 0)
    client:close()
    assert(client:dispatch(-1) == 0)
end

function tests.the_error_of_a_callback_is_raised_after_the_others_have_run()
    local client, ran = client_with {}, 0
    local failing
    failing = client:on("connection_state_change", nil, function() failing:unbind() error({ "of the program" }) end)
    client:on("connection_state_change", nil, function() ran = ran + 1 end)
    local unbound
    client:on("connection_state_change", nil, function() unbound:unbind() end)
    unbound = client:on("connection_state_change", nil, function() ran = "the callback before had unbound it" end)
    client:connect()
    local succeeded, failure = pcall(client.dispatch, client)
    assert(not succeeded and failure[1] == "of the program" and ran == 1)
    assert(client:dispatch() == 1 and ran == 2)
    client:close()
end

function tests.binding_a_value_that_cannot_be_called_is_refused()
    local client = client_with {}
    for _, callback in ipairs { false, 7, "callback", {} } do
        for _, name in ipairs { "bind", "on" } do
            local succeeded, failure = pcall(client[name], client, "event", nil, callback)
            local wanted = ("bad argument #3 to '%s' (function expected, got %s)"):format(name, type(callback))
            assert(not succeeded and failure:find(wanted, 1, true), failure)
        end
    end
    local succeeded, failure = pcall(client.bind, client, "published", function() end)
    assert(not succeeded and failure:find("bad argument #2 to 'bind'", 1, true), failure)
    succeeded, failure = pcall(client.on, client, "subscribed", nil, function() end)
    assert(not succeeded and failure:find("no such kind; there are event, .*lagged"), failure)
    client:close()
end

function tests.the_error_for_an_unknown_option_names_the_nearest_option_by_its_name_in_lua()
    local function is_named(option, value, nearest)
        local succeeded, failure = pcall(client_with, { [option] = value })
        local wanted = ('no option "%s" here; did you mean "%s"?'):format(option, nearest)
        assert(not succeeded and failure.text:find(wanted, 1, true), tostring(failure))
        assert(failure.name == "PUSHER_ERR_OPTION")
    end
    is_named("authEndpoint", "x", "auth_endpoint")
    is_named("forceTLS", true, "tls")
    is_named("authHeaders", "x", "auth_headers")
    is_named("header", "x", "headers")
end

function tests.the_answer_of_a_backend_is_accepted_as_its_text()
    local client = client_with {}
    client:connect()
    fails_with("PUSHER_ERR_AUTH_MALFORMED", client.subscribe_with_auth_json, client, "private-orders", "<html>")
    fails_with("PUSHER_ERR_AUTH_MALFORMED", client.sign_in_with_auth_json, client, "{}")
    client:subscribe_with_auth_json("private-orders", '{"auth": "app-key:wrong"}')
    fails_with("PUSHER_ERR_SUBSCRIPTION_REFUSED", client.wait_subscribed, client, "private-orders", PATIENCE_MS)
    client:close()
end

function tests.a_backend_signs_permissions_that_the_server_accepts()
    -- The example of the protocol's documentation.
    local key, secret = "278d425bdf160c739803", "7ad3773142a6692b25b8"
    assert(pusher.sign_channel(key, secret, "1234.1234", "private-foobar") == '{"auth":"278d425bdf160c739803:'
        .. '58df8b0c36d6982b82c3ecf6b4662e34fe8c25bba48f5369f135bf843651c3a4"}')
    fails_with("PUSHER_ERR_NULL", pusher.sign_channel, key, secret, "1.2", nil)
    fails_with("PUSHER_ERR_NULL", pusher.sign_user, key, secret, "1.2", nil)
    local encrypted = pusher.sign_channel(key, secret, "1.2", "private-encrypted-a", nil, "BwcH")
    assert(encrypted:find('"shared_secret":"BwcH"', 1, true), encrypted)
    local client = client_with {}
    client:connect()
    key, secret = os.getenv("PUSHER_KEY"), os.getenv("PUSHER_SECRET")
    local answer = pusher.sign_channel(key, secret, client:socket_id(), "presence-kitchen", '{"user_id":"lua"}')
    client:subscribe_with_auth_json("presence-kitchen", answer)
    client:sign_in_with_auth_json(pusher.sign_user(key, secret, client:socket_id(), '{"id":"7"}'))
    client:wait_all_subscribed(PATIENCE_MS)
    client:wait_signed_in(PATIENCE_MS)
    assert(client:me("presence-kitchen").id == "lua" and client:user_id() == "7")
    client:close()
end

function tests.clients_and_notifications_are_shown_in_one_line()
    local client = client_with { secret = "canary" }
    assert(tostring(client) == "Client(disconnected, 0 channels)", tostring(client))
    client:connect()
    client:subscribe("news")
    assert(tostring(client) == "Client(connected, 1 channels)", tostring(client))
    local news = next_of(client, "subscription_succeeded")
    assert(tostring(news) == "news: subscribed", tostring(news))
    client:close()
    assert(tostring(client) == "Client(closed)")
end

-- Runs a command in a shell, and returns its output and its exit code as one text.
local function output_of(command)
    local pipe = assert(io.popen("{ " .. command .. '; } 2>&1; echo "ended with $?"'))
    local output = pipe:read("*a")
    pipe:close()
    return output
end

local PATH = 'LUA_PATH="' .. here .. '../?.lua;;"'

function tests.requiring_without_the_library_names_the_variable_to_set_and_the_command_to_build_it()
    local output = output_of(PATH .. [[ PUSHER_CHANNELS_LIBRARY=/nowhere/it.so luajit -e 'require "pusher_channels"']])
    for _, part in ipairs { "/nowhere/it.so", "set PUSHER_CHANNELS_LIBRARY", "cargo rustc --release", "ended with 1" } do
        assert(output:find(part, 1, true), output)
    end
    local copy = os.tmpname()
    os.remove(copy)
    output = output_of(("mkdir %s && cp %s../pusher_channels.lua %s && cd %s && LUA_PATH='./?.lua' luajit -e 'require "
        .. '"pusher_channels"\'; result=$?; rm -r %s; (exit $result)'):format(copy, here, copy, copy, copy))
    assert(output:find("set PUSHER_CHANNELS_HEADER", 1, true) and output:find("ended with 1", 1, true), output)
end

-- A program whose client is connected and gets no notification. LuaJIT compiles as much of it as it can.
local INTERRUPTED = [[
jit.opt.start("hotloop=1", "hotexit=1")
local ffi = require "ffi"
local pusher = require "pusher_channels"
local client = pusher.client {
    host = os.getenv("PUSHER_HOST"), port = os.getenv("PUSHER_PORT"), key = os.getenv("PUSHER_KEY"), tls = false,
    auth_endpoint = "http://127.0.0.1:1/",
}
client:connect()
client:subscribe("private-orders")
while client:next(0) do end
io.stdout:write("waits\n")
io.stdout:flush()
while true do %s end
]]

ffi.cdef [[
int kill(int process, int signal);
struct pusher_test_time { long seconds; long nanoseconds; };
int clock_gettime(int clock, struct pusher_test_time *time);
]]

local function seconds()
    local time = ffi.new("struct pusher_test_time")
    assert(ffi.C.clock_gettime(1, time) == 0)
    return tonumber(time.seconds) + tonumber(time.nanoseconds) / 1e9
end

-- Ends the program by SIGINT while it waits, and returns its output and the time from the signal to its end.
local function interrupt(wait)
    local path = os.tmpname()
    local file = assert(io.open(path, "w"))
    file:write(INTERRUPTED:format(wait))
    file:close()
    local pipe = assert(io.popen("echo $$; " .. PATH .. " exec luajit " .. path .. " 2>&1"))
    local process = tonumber(pipe:read("*l"))
    local line = pipe:read("*l")
    assert(line == "waits", line)
    -- Several slices of the wait pass, so that LuaJIT has compiled it.
    local start = seconds()
    while seconds() - start < 0.5 do end
    start = seconds()
    assert(ffi.C.kill(process, 2) == 0)
    local output = pipe:read("*a")
    pipe:close()
    os.remove(path)
    return output, seconds() - start
end

function tests.ctrl_c_ends_a_wait()
    for _, wait in ipairs { "client:next(-1)", "client:dispatch(-1)", 'client:wait_subscribed("private-orders")' } do
        local fastest = math.huge
        for _ = 1, 3 do
            local output, time = interrupt(wait)
            assert(output:find("interrupted!", 1, true), output)
            fastest = math.min(fastest, time)
        end
        -- A loaded machine may delay some of the three.
        assert(fastest < 0.2, ("%s: %.3f s"):format(wait, fastest))
    end
end

function tests.the_binding_calls_only_functions_of_the_header()
    local function contents(path)
        local file = assert(io.open(here .. path))
        local text = file:read("*a")
        file:close()
        return text
    end
    local header, called = contents("../../../src/capi/pusher_channels.h"), 0
    for name in contents("../pusher_channels.lua"):gmatch("%f[%w]lib%.(pusher_[%w_]+)") do
        assert(header:find(name .. "(", 1, true), name)
        called = called + 1
    end
    assert(called > 50)
end

for name, test in pairs(tests) do
    test()
    print("ok " .. name)
end
