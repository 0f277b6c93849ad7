-- Pusher Channels for LuaJIT: a binding of the C library `pusher_channels` by its ffi, for loops that poll.
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
-- The declarations are those of pusher_channels.h itself, which is looked for in PUSHER_CHANNELS_HEADER, then beside
-- this file, then where it is in the repository. PUSHER_CHANNELS_LIBRARY names the shared library; otherwise the system
-- looks for it.
--
-- No callback is ever registered, because LuaJIT cannot be called by another thread. What fails raises an error: a
-- table with `result`, its `name`, `text`, `is_retryable`, `is_auth`, `is_timeout`, and perhaps `code`, `status`,
-- `detail`, `channel`, `message`, which `pcall` returns and `tostring` puts in words. Times are in milliseconds, and
-- negative ones are for ever.

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
    error("pusher_channels.h is not at " .. table.concat(paths, ", nor at "))
end

-- LuaJIT has no preprocessor, and understands C, but no `extern "C"`.
ffi.cdef((header()
    :gsub("#ifdef __cplusplus.-#endif", "")
    :gsub("#[^\n]*", "")
    :gsub("PUSHER_NULLABLE", "")))

local lib = ffi.load(os.getenv("PUSHER_CHANNELS_LIBRARY") or "pusher_channels")

-- What functions write their results to. Lua has one thread, and each value is read before the next call.
local text, length, list = ffi.new("const char *[1]"), ffi.new("size_t[1]"), ffi.new("pusher_list *[1]")
local int, uint, long = ffi.new("int32_t[1]"), ffi.new("uint32_t[1]"), ffi.new("uint64_t[1]")
local static = ffi.new("const char *[1]")
local failure, taken = ffi.new("const pusher_error *[1]"), ffi.new("pusher_notification *[1]")

-- Reads what a function gives: nil for PUSHER_NOTHING.
local function got_text(result)
    if result == lib.PUSHER_OK then return ffi.string(text[0], length[0]) end
end

local function got_number(result, place)
    if result == lib.PUSHER_OK then return tonumber(place[0]) end
end

-- What the library calls a number: nil where there is none, or it has no name.
local function name_of(get, number)
    if number and get(number, static) == lib.PUSHER_OK then return ffi.string(static[0]) end
end

-- Of the state that a function gives.
local function state_name(result)
    return name_of(lib.pusher_state_name, got_number(result, int))
end

---- Errors ---------------------------------------------------------------------------------------------------------

local Error = {}
Error.__index = Error

function Error:__tostring()
    return self.text
end

-- Copies an error, because it is borrowed.
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

-- Raises what is an error, and hands on what is an answer.
local function check(result)
    if result == lib.PUSHER_OK or result == lib.PUSHER_NOTHING or result == lib.PUSHER_CLOSED then return result end
    check(lib.pusher_last_error(failure))
    error(copied_error(failure[0]), 0)
end

---- Notifications and lists ------------------------------------------------------------------------------------------

-- Frees the list.
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

-- A table of all that the notification has, and the notification is freed. A game has few enough a frame.
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
    lib.pusher_notification_free(ffi.gc(it, nil))
    return copy
end

---- The client -------------------------------------------------------------------------------------------------------

local Client = {}
Client.__index = Client

-- The next notification. Waits for at most so long, by default not at all: nil when none came in time, or the client is
-- closed.
function Client:next(timeout)
    local result = lib.pusher_next(self.handle, timeout or 0, taken)
    if result == lib.PUSHER_ERR_HANDLE then return nil end
    if check(result) == lib.PUSHER_OK then return copied_notification() end
end

-- Iterates over what waits, without waiting.
function Client:waiting()
    return function() return self:next(0) end
end

-- How many notifications wait.
function Client:length()
    local count = ffi.new("size_t[1]")
    return got_number(check(lib.pusher_length(self.handle, count)), count)
end

function Client:connect()
    check(lib.pusher_connect(self.handle))
end

-- Returns at once, and keeps trying, also when the first attempt fails. This is the one for a game.
function Client:connect_background()
    check(lib.pusher_connect_background(self.handle))
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

-- With a signature that is there already, made for `socket_id`. It serves this connection alone.
function Client:subscribe_with_auth(channel, auth, channel_data, shared_secret)
    check(lib.pusher_subscribe_with_auth(self.handle, channel, auth, channel_data, shared_secret))
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

-- Lists are of tables with an `id` and, of members, an `info` in JSON.
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

-- By what the program's backend has said for `socket_id`. Each connection needs another one.
function Client:sign_in_with_auth(auth, user_data)
    check(lib.pusher_sign_in_with_auth(self.handle, auth, user_data))
end

function Client:user_id()
    return got_text(check(lib.pusher_user_id(self.handle, text, length)))
end

-- A counter by its name, such as "events".
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

---- Making one -------------------------------------------------------------------------------------------------------

-- Options that are a table of names and values, and what the library calls one of these.
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

local pusher = { version = ffi.string(lib.pusher_version()) }

-- Options have the names that `pusher_config_set` in pusher_channels.h lists.
function pusher.client(options)
    local config, client = ffi.new("pusher_config *[1]"), ffi.new("pusher_client *[1]")
    check(lib.pusher_config_new(config))
    local handle = ffi.gc(config[0], lib.pusher_config_free)
    for name, value in pairs(options) do configure(handle, name, value) end
    check(lib.pusher_client_new(handle, client))
    return setmetatable({ handle = ffi.gc(client[0], lib.pusher_client_free) }, Client)
end

check(lib.pusher_abi_check(lib.PUSHER_ABI_VERSION))

return pusher
