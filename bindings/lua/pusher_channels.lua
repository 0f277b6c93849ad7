-- Pusher Channels for LuaJIT: a binding of the C library `pusher_channels` by the ffi library, for loops that poll.
--
--     local pusher = require "pusher_channels"
--     local client = pusher.client { key = "app-key", cluster = "eu" }
--     client:connect_background()
--     client:subscribe("news")
--     -- once a frame:
--     for notification in client:waiting() do
--         if notification.kind == "event" then print(notification.channel, notification.name, notification.data) end
--     end
--
-- Or by callbacks, which client:dispatch() runs: client:bind("news", "published", function(event) print(event.data)
-- end)
--
-- This file reads the declarations from pusher_channels.h: at the path in PUSHER_CHANNELS_HEADER, or else in the folder
-- of this file, or else at its place in the repository. It loads the shared library from the path in
-- PUSHER_CHANNELS_LIBRARY, or else from the folders of the system.
--
-- The binding registers no callback with the library, because another thread cannot call LuaJIT. A failed call raises
-- an error: a table with `result`, its `name`, `text`, `is_retryable`, `is_auth` and `is_timeout`. Some errors also
-- have `code`, `status`, `detail`, `channel` or `message`. `pcall` returns the table, and `tostring` returns its text.
-- Times are in milliseconds, and negative ones mean no limit.
--
-- In a program that `luajit` runs, Ctrl-C ends every wait within 0.1 s, with the error "interrupted!". The exception is
-- `connect`, which takes up to `connect_timeout_ms`. `connect_background` and `wait_connected` do the same in two
-- steps, and Ctrl-C ends the second.

local ffi = require "ffi"

local folder = debug.getinfo(1, "S").source:match("^@(.*[/\\])") or "./"

local function header()
    local paths = { folder .. "pusher_channels.h", folder .. "../../src/capi/pusher_channels.h" }
    local wanted = os.getenv("PUSHER_CHANNELS_HEADER")
    if wanted then table.insert(paths, 1, wanted) end
    for _, path in ipairs(paths) do
        local file = io.open(path)
        if file then
            local text = file:read("*a")
            file:close()
            return text
        end
    end
    error("pusher_channels.h is not at " .. table.concat(paths, ", nor at ")
        .. ": put it beside pusher_channels.lua, or set PUSHER_CHANNELS_HEADER to its path", 0)
end

-- Loads the library, or raises an error that says how to provide it.
local function library()
    local path = os.getenv("PUSHER_CHANNELS_LIBRARY") or "pusher_channels"
    local is_loaded, lib = pcall(ffi.load, path)
    if is_loaded then return lib end
    local file = ({ Windows = "pusher_channels.dll", OSX = "libpusher_channels.dylib" })[ffi.os] or "libpusher_channels.so"
    error(("the library of pusher-channels cannot be loaded: set PUSHER_CHANNELS_LIBRARY to the path of %s, or install it "
        .. "where the system looks. In the repository of pusher-channels, `cargo rustc --release --features capi "
        .. "--crate-type cdylib` builds it as target/release/%s. (%s)"):format(file, file, lib), 0)
end

-- LuaJIT reads C without a preprocessor and without `extern "C"`.
ffi.cdef((header()
    :gsub("#ifdef __cplusplus.-#endif", "")
    :gsub("#[^\n]*", "")
    :gsub("PUSHER_NULLABLE", "")))

local lib = library()
assert(lib.PUSHER_ABI_VERSION >= 0x00010002, "pusher_channels.h is older than pusher_channels.lua")

-- The longest wait inside one call of the library.
local SLICE_MS = 100

-- The places to which functions write values. Lua has one thread, and reads each value before the next call.
local text, length, list = ffi.new("const char *[1]"), ffi.new("size_t[1]"), ffi.new("pusher_list *[1]")
local int, uint, long = ffi.new("int32_t[1]"), ffi.new("uint32_t[1]"), ffi.new("uint64_t[1]")
local static = ffi.new("const char *[1]")
local failure, taken = ffi.new("const pusher_error *[1]"), ffi.new("pusher_notification *[1]")

-- Reads the text that a function has written, or returns nil after PUSHER_NOTHING.
local function got_text(result)
    if result == lib.PUSHER_OK then return ffi.string(text[0], length[0]) end
end

local function got_number(result, place)
    if result == lib.PUSHER_OK then return tonumber(place[0]) end
end

-- Returns the name that the library has for a number, or nil if there is no number or no name.
local function name_of(get, number)
    if number and get(number, static) == lib.PUSHER_OK then return ffi.string(static[0]) end
end

-- Returns the name of the state that a function has written.
local function state_name(result)
    return name_of(lib.pusher_state_name, got_number(result, int))
end

---- Errors -----------------------------------------------------------------------------------------------------------

local Error = {}
Error.__index = Error

function Error:__tostring()
    return self.text
end

-- Copies an error, because the library owns it.
local function copied_error(error)
    local copy = { result = got_number(lib.pusher_error_result(error, int), int) }
    copy.text = got_text(lib.pusher_error_text(error, text, length))
    copy.code = got_number(lib.pusher_error_code(error, int), int)
    copy.status = got_number(lib.pusher_error_status(error, int), int)
    copy.channel = got_text(lib.pusher_error_channel(error, text, length))
    copy.message = got_text(lib.pusher_error_message(error, text, length))
    if lib.pusher_error_detail(error, static) == lib.PUSHER_OK then copy.detail = ffi.string(static[0]) end
    copy.name = name_of(lib.pusher_result_name, copy.result)
    copy.is_retryable = got_number(lib.pusher_error_is_retryable(error, int), int) == 1
    copy.is_auth = got_number(lib.pusher_error_is_auth(error, int), int) == 1
    copy.is_timeout = got_number(lib.pusher_error_is_timeout(error, int), int) == 1
    return setmetatable(copy, Error)
end

-- Raises an error, or returns the result if it is none.
local function check(result)
    if result == lib.PUSHER_OK or result == lib.PUSHER_NOTHING or result == lib.PUSHER_CLOSED then return result end
    check(lib.pusher_last_error(failure))
    error(copied_error(failure[0]), 0)
end

---- Notifications and lists ------------------------------------------------------------------------------------------

-- Copies a list, and frees it.
local function copied_list(result)
    if result ~= lib.PUSHER_OK then return {} end
    local members, copy = ffi.gc(list[0], lib.pusher_list_free), {}
    while true do
        local index = #copy
        local id = got_text(check(lib.pusher_list_id(members, index, text, length)))
        if not id then break end
        copy[index + 1] = { id = id, info = got_text(check(lib.pusher_list_info(members, index, text, length))) }
    end
    lib.pusher_list_free(ffi.gc(members, nil))
    return copy
end

local Notification = {}

function Notification:__tostring()
    return self.text
end

-- Copies all fields of the notification to a table, and frees the notification. `text` is a line for a person, which
-- `tostring` returns.
local function copied_notification()
    local it = ffi.gc(taken[0], lib.pusher_notification_free)
    local copy = {}
    for _, name in ipairs { "channel", "name", "data", "user_id", "user_info", "reason" } do
        copy[name] = got_text(lib["pusher_notification_" .. name](it, text, length))
    end
    copy.kind = name_of(lib.pusher_kind_name, got_number(lib.pusher_notification_kind(it, int), int)) or "unknown"
    copy.state = state_name(lib.pusher_notification_state(it, int))
    copy.previous_state = state_name(lib.pusher_notification_previous_state(it, int))
    copy.attempt = got_number(lib.pusher_notification_attempt(it, uint), uint)
    copy.retry_in = got_number(lib.pusher_notification_retry_in(it, long), long)
    copy.count = got_number(lib.pusher_notification_count(it, long), long)
    copy.resubscribed = got_number(lib.pusher_notification_resubscribed(it, int), int) == 1
    copy.gap = got_number(lib.pusher_notification_gap(it, long), long)
    if lib.pusher_notification_users(it, list) == lib.PUSHER_OK then copy.users = copied_list(lib.PUSHER_OK) end
    if lib.pusher_notification_error(it, failure) == lib.PUSHER_OK then copy.error = copied_error(failure[0]) end
    copy.text = got_text(lib.pusher_notification_text(it, text, length))
    lib.pusher_notification_free(ffi.gc(it, nil))
    return setmetatable(copy, Notification)
end

---- Waiting ----------------------------------------------------------------------------------------------------------

-- Waits in slices until the result is not `nothing`, or the time is over. LuaJIT handles Ctrl-C only while its
-- interpreter runs, but not inside C functions or compiled code.
local function in_slices(nothing, timeout, wait)
    local left = timeout < 0 and math.huge or timeout
    while true do
        local slice = math.min(left, SLICE_MS)
        local result = wait(slice)
        left = left - slice
        if result ~= nothing or left <= 0 then return result end
    end
end
jit.off(in_slices)

-- Waits without a limit if no timeout is given.
local function wait_for(timeout, wait)
    local succeeded, failure = pcall(check, in_slices(lib.PUSHER_ERR_WAIT_TIMEOUT, timeout or -1, wait))
    if succeeded then return end
    -- The text of the library names the time of the last slice.
    if failure.name == "PUSHER_ERR_WAIT_TIMEOUT" then
        failure.text = failure.text:gsub(" within .*", (" within %dms"):format(timeout))
    end
    error(failure, 0)
end

---- The client -------------------------------------------------------------------------------------------------------

local Client = {}
Client.__index = Client

-- Returns the next notification. Waits for up to `timeout`, which is 0 by default. Returns nil if none came in time, or
-- if the client is closed.
function Client:next(timeout)
    local result = in_slices(lib.PUSHER_NOTHING, timeout or 0, function(slice)
        return lib.pusher_next(self.handle, slice, taken)
    end)
    if result == lib.PUSHER_ERR_HANDLE then return nil end
    if check(result) == lib.PUSHER_OK then return copied_notification() end
end

-- Iterates over the notifications that wait, without waiting for more.
function Client:waiting()
    return function() return self:next(0) end
end

-- Raises an error for a callback that cannot be called. `name` is the function that the program has called.
local function checked_callback(callback, name)
    local meta = getmetatable(callback)
    if type(callback) == "function" or type(meta) == "table" and meta.__call then return callback end
    error(("bad argument #3 to '%s' (function expected, got %s)"):format(name, type(callback)), 3)
end

local function checked_name(value, number, name)
    if value == nil or type(value) == "string" then return value end
    error(("bad argument #%d to '%s' (string or nil expected, got %s)"):format(number, name, type(value)), 3)
end

-- The names of the kinds of notifications, whose numbers have no gap.
local kinds = {}
while true do
    local kind = name_of(lib.pusher_kind_name, #kinds + 1)
    if not kind then break end
    kinds[#kinds + 1] = kind
    kinds[kind] = true
end

local Binding = {}
Binding.__index = Binding

-- Ends the callback. It does not run again.
function Binding:unbind()
    for index, binding in ipairs(self.client.bindings) do
        if binding == self then table.remove(self.client.bindings, index) break end
    end
    self.is_unbound = true
end

local function add_binding(client, binding)
    binding.client = client
    table.insert(client.bindings, setmetatable(binding, Binding))
    return binding
end

-- Lets `dispatch` call back for the events of this name on this channel. nil stands for all names, and for all
-- channels. Returns a binding, which has `unbind`.
function Client:bind(channel, event, callback)
    checked_name(channel, 1, "bind")
    checked_name(event, 2, "bind")
    checked_callback(callback, "bind")
    return add_binding(self, { kind = "event", channel = channel, name = event, callback = callback })
end

-- Lets `dispatch` call back for every notification of a kind on one channel. nil stands for all channels.
function Client:on(kind, channel, callback)
    checked_callback(callback, "on")
    if type(kind) ~= "string" then
        error(("bad argument #1 to 'on' (string expected, got %s)"):format(type(kind)), 2)
    end
    if not kinds[kind] then
        error("bad argument #1 to 'on' (no such kind; there are " .. table.concat(kinds, ", ") .. ")", 2)
    end
    checked_name(channel, 2, "on")
    return add_binding(self, { kind = kind, channel = channel, callback = callback })
end

-- Runs all callbacks for a notification, and then raises the first of their errors.
local function call_back(client, notification)
    local failed, failure = false, nil
    for _, binding in ipairs({ unpack(client.bindings) }) do
        local is_wanted = binding.kind == notification.kind and not binding.is_unbound
            and (binding.channel == nil or binding.channel == notification.channel)
            and (binding.name == nil or binding.name == notification.name)
        if is_wanted then
            local succeeded, raised = pcall(binding.callback, notification)
            if not succeeded and not failed then failed, failure = true, raised end
        end
    end
    if failed then error(failure, 0) end
end

-- Runs the callbacks for the notifications that wait, and returns the number of notifications. It waits for the first
-- one for up to `timeout`, which is 0 by default. It takes notifications as `next` does: each goes to `next` or to
-- `dispatch`.
function Client:dispatch(timeout)
    local count = 0
    local notification = self:next(timeout)
    while notification do
        count = count + 1
        call_back(self, notification)
        notification = self:next(0)
    end
    return count
end

-- Returns the number of notifications that wait.
function Client:length()
    local count = ffi.new("size_t[1]")
    return got_number(check(lib.pusher_length(self.handle, count)), count)
end

function Client:connect()
    check(lib.pusher_connect(self.handle))
end

-- Begins to connect, and returns at once. The client keeps trying if the first attempt fails. This suits a game.
function Client:connect_background()
    check(lib.pusher_connect_background(self.handle))
end

function Client:wait_connected(timeout)
    wait_for(timeout, function(slice) return lib.pusher_wait_connected(self.handle, slice) end)
end

function Client:disconnect()
    check(lib.pusher_disconnect(self.handle))
end

function Client:reconnect_now()
    check(lib.pusher_reconnect_now(self.handle))
end

function Client:state()
    return state_name(check(lib.pusher_state(self.handle, int)))
end

function Client:socket_id()
    return got_text(check(lib.pusher_socket_id(self.handle, text, length)))
end

function Client:set_auth_header(name, value)
    check(lib.pusher_set_auth_header(self.handle, name, value))
end

function Client:set_auth_param(name, value)
    check(lib.pusher_set_auth_param(self.handle, name, value))
end

function Client:subscribe(channel)
    check(lib.pusher_subscribe(self.handle, channel))
end

-- Subscribes with a signature that was made for `socket_id`. It is valid for this connection only.
function Client:subscribe_with_auth(channel, auth, channel_data, shared_secret)
    check(lib.pusher_subscribe_with_auth(self.handle, channel, auth, channel_data, shared_secret))
end

-- Subscribes with the JSON answer of a backend for `socket_id`. It is valid for this connection only.
function Client:subscribe_with_auth_json(channel, json)
    check(lib.pusher_subscribe_with_auth_json(self.handle, channel, json, #json))
end

-- Waits until the server has confirmed the subscription, or raises the error that ended it.
function Client:wait_subscribed(channel, timeout)
    wait_for(timeout, function(slice) return lib.pusher_wait_subscribed(self.handle, channel, slice) end)
end

-- Waits until the subscriptions of all channels are confirmed, or raises the error of the first failed channel.
function Client:wait_all_subscribed(timeout)
    wait_for(timeout, function(slice) return lib.pusher_wait_all_subscribed(self.handle, slice) end)
end

function Client:unsubscribe(channel)
    check(lib.pusher_unsubscribe(self.handle, channel))
end

function Client:unsubscribe_all()
    check(lib.pusher_unsubscribe_all(self.handle))
end

function Client:is_subscribed(channel)
    return got_number(check(lib.pusher_is_subscribed(self.handle, channel, int)), int) == 1
end

-- Lists contain tables with an `id`. The table of a member has also an `info`, in JSON.
function Client:channels()
    return copied_list(check(lib.pusher_channels(self.handle, list)))
end

function Client:members(channel)
    return copied_list(check(lib.pusher_members(self.handle, channel, list)))
end

function Client:member(channel, id)
    return copied_list(check(lib.pusher_member(self.handle, channel, id, list)))[1]
end

function Client:me(channel)
    return copied_list(check(lib.pusher_me(self.handle, channel, list)))[1]
end

function Client:subscription_count(channel)
    return got_number(check(lib.pusher_subscription_count(self.handle, channel, long)), long)
end

-- Sends an event, whose name begins with "client-", to the other subscribers. `json` is a text in JSON.
function Client:trigger(channel, event, json)
    check(lib.pusher_trigger(self.handle, channel, event, json, #json))
end

function Client:trigger_text(channel, event, data)
    check(lib.pusher_trigger_text(self.handle, channel, event, data, #data))
end

function Client:sign_in()
    check(lib.pusher_sign_in(self.handle))
end

-- Signs in with a signature that was made for `socket_id`. It is valid for this connection only.
function Client:sign_in_with_auth(auth, user_data)
    check(lib.pusher_sign_in_with_auth(self.handle, auth, user_data))
end

-- Signs in with the JSON answer of a backend for `socket_id`. It is valid for this connection only.
function Client:sign_in_with_auth_json(json)
    check(lib.pusher_sign_in_with_auth_json(self.handle, json, #json))
end

function Client:wait_signed_in(timeout)
    wait_for(timeout, function(slice) return lib.pusher_wait_signed_in(self.handle, slice) end)
end

function Client:user_id()
    return got_text(check(lib.pusher_user_id(self.handle, text, length)))
end

-- Returns a counter by its name, such as "events".
function Client:statistic(counter)
    local stats = ffi.new("pusher_stats *[1]")
    check(lib.pusher_stats_new(self.handle, stats))
    local result = lib.pusher_stats_get(stats[0], counter, long)
    lib.pusher_stats_free(stats[0])
    return got_number(check(result), long)
end

-- Disconnects and ends the client. The garbage collector does the same.
function Client:close()
    lib.pusher_client_free(ffi.gc(self.handle, nil))
end

function Client:__tostring()
    local state = state_name(lib.pusher_state(self.handle, int))
    if not state then return "Client(closed)" end
    return ("Client(%s, %d channels)"):format(state, #self:channels())
end

---- Making a client --------------------------------------------------------------------------------------------------

-- Options that are a table of names and values, and the name that the library has for one of these.
local PAIRS = { headers = "header", auth_headers = "auth_header", auth_params = "auth_param" }

-- Options that are a table of two texts.
local PAIR = { client_name = true, client_identity_pem = true }

local function configure(config, name, value)
    if PAIRS[name] then
        for key, one in pairs(value) do check(lib.pusher_config_add(config, PAIRS[name], key, tostring(one))) end
    elseif PAIR[name] then
        check(lib.pusher_config_add(config, name, value[1], value[2]))
    else
        check(lib.pusher_config_set(config, name, tostring(value)))
    end
end

-- Some options have other names in Lua than in C.
local function named_for_lua(failure)
    if type(failure) ~= "table" or failure.name ~= "PUSHER_ERR_OPTION" then return failure end
    for here, in_c in pairs(PAIRS) do
        failure.text = failure.text
            :gsub('"' .. in_c .. '", which pusher_config_add sets', '"' .. here .. '"')
            :gsub('"' .. in_c .. '" here; pusher_config_add sets it', '"' .. in_c .. '" here; did you mean "' .. here .. '"?')
    end
    return failure
end

local pusher = { version = ffi.string(lib.pusher_version()) }

-- Makes a client. Its options have the names that `pusher_config_set` in pusher_channels.h lists.
function pusher.client(options)
    local config, client = ffi.new("pusher_config *[1]"), ffi.new("pusher_client *[1]")
    check(lib.pusher_config_new(config))
    local handle = ffi.gc(config[0], lib.pusher_config_free)
    for name, value in pairs(options) do
        local succeeded, failure = pcall(configure, handle, name, value)
        if not succeeded then error(named_for_lua(failure), 0) end
    end
    check(lib.pusher_client_new(handle, client))
    return setmetatable({ handle = ffi.gc(client[0], lib.pusher_client_free), bindings = {} }, Client)
end

-- For backends: returns the JSON with which an auth endpoint answers for a channel, signed with the key and the secret
-- of the app for the connection with this socket id. `channel_data` is for presence channels: JSON with user_id, and
-- perhaps user_info. `shared_secret` is for encrypted channels, in base64. First check whether the user may subscribe.
function pusher.sign_channel(key, secret, socket_id, channel, channel_data, shared_secret)
    return got_text(check(
        lib.pusher_sign_channel(key, secret, socket_id, channel, channel_data, shared_secret, text, length)))
end

-- Does the same for a sign-in. `user_data` is JSON with id, and perhaps user_info and watchlist.
function pusher.sign_user(key, secret, socket_id, user_data)
    return got_text(check(lib.pusher_sign_user(key, secret, socket_id, user_data, text, length)))
end

check(lib.pusher_abi_check(lib.PUSHER_ABI_VERSION))

return pusher
