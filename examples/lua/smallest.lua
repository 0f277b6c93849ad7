-- Prints the events of the channel `news`: luajit smallest.lua ws://127.0.0.1:6001/app/app-key
local pusher = require "pusher_channels"

local client = pusher.client { url = arg[1] }
client:connect()
client:subscribe("news")
while true do
    local notification = client:next(-1)
    if notification.kind == "event" then print(notification.data) end
end
