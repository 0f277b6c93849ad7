// Prints what is published on the channel `news`: ./smallest ws://127.0.0.1:6001/app/app-key
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string_view>

#include <pusher_channels.h>

template <auto function> struct Free {
    template <typename Handle> void operator()(Handle *handle) const { function(handle); }
};
using Config = std::unique_ptr<pusher_config, Free<pusher_config_free>>;
using Client = std::unique_ptr<pusher_client, Free<pusher_client_free>>;
using Notification = std::unique_ptr<pusher_notification, Free<pusher_notification_free>>;

void check(std::int32_t result)
{
    char reason[256] = "";
    if (result == PUSHER_OK) return;
    pusher_last_error_text(reason, sizeof reason);
    throw std::runtime_error(reason);
}

// What a function of the library makes, by its last parameter.
template <typename Owner, typename Make, typename... Args> Owner made(Make make, Args... args)
{
    typename Owner::pointer handle;
    check(make(args..., &handle));
    return Owner(handle);
}

int main(int argc, char **argv)
try {
    const auto config = made<Config>(pusher_config_new);
    check(pusher_config_set(config.get(), "url", argc > 1 ? argv[1] : ""));
    const auto client = made<Client>(pusher_client_new, config.get());
    check(pusher_connect(client.get()));
    check(pusher_subscribe(client.get(), "news"));
    while (const auto notification = made<Notification>(pusher_next, client.get(), -1)) {
        const char *data;
        std::size_t length;
        if (pusher_notification_data(notification.get(), &data, &length) == PUSHER_OK) {
            std::cout << std::string_view(data, length) << '\n';
        }
    }
} catch (const std::exception &error) {
    std::cerr << error.what() << '\n';
    return 1;
}
