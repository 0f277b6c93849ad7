rockspec_format = "3.0"
package = "pusher-channels-luajit"
version = "0.1.0-1"
description = {
    summary = "A LuaJIT binding of the C library of pusher-channels",
    detailed = "The binding uses the ffi library of LuaJIT. The C library must be installed beside it.",
    homepage = "https://github.com/pusher-channels/pusher-channels-rust",
    license = "MIT OR Apache-2.0",
}
source = {
    url = "git+https://github.com/pusher-channels/pusher-channels-rust.git",
}
-- LuaJIT counts as Lua 5.1.
dependencies = { "lua == 5.1" }
build = {
    type = "builtin",
    modules = { pusher_channels = "bindings/lua/pusher_channels.lua" },
    -- The binding reads the declarations from the header in its own folder.
    install = { lua = { pusher_channels = "src/capi/pusher_channels.h" } },
}
