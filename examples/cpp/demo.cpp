// Three channels, a client event, and a connection that drops, with the classes of bindings/cpp.
//
//     c++ -std=c++17 -Isrc/capi -Ibindings/cpp examples/cpp/demo.cpp -o demo -Ltarget/release -lpusher_channels
//     LD_LIBRARY_PATH=target/release cargo run --example playground -- ./demo

#include <cstdlib>
#include <iostream>
#include <stdexcept>
#include <string>

#include <pusher_channels.hpp>

namespace {

std::string variable(const char *name)
{
    const char *value = std::getenv(name);
    if (value == nullptr) throw std::runtime_error(std::string(name) + " is not set");
    return value;
}

// The progress of the program. It ends with the first event after all three channels are subscribed again and Ann has
// answered.
struct Progress {
    int again = 0;
    bool is_welcome = false, is_complete = false;
};

void take_subscription(pusher::Client &client, Progress &progress, const pusher::View &success)
{
    const std::string channel(success.channel());
    if (const auto gap = success.gap_ms()) {
        std::cout << channel << ": subscribed again after " << *gap << " ms\n";
        progress.again++;
    } else {
        std::cout << channel << ": subscribed\n";
        if (channel != "presence-kitchen") return;
        for (const auto &id : client.members(channel)) std::cout << "  member " << id << '\n';
        client.trigger(channel, "client-hello", R"({"says": "hello"})");
    }
}

void take(pusher::Client &client, Progress &progress, const pusher::View &notification)
{
    switch (notification.kind()) {
    case PUSHER_KIND_EVENT:
        std::cout << notification.channel() << ": " << notification.name() << ' ' << notification.data() << '\n';
        progress.is_welcome |= notification.name() == "client-welcome";
        progress.is_complete = progress.is_welcome && progress.again == 3;
        break;
    case PUSHER_KIND_SUBSCRIPTION_SUCCEEDED:
        return take_subscription(client, progress, notification);
    case PUSHER_KIND_SUBSCRIPTION_ERROR:
        throw std::runtime_error("cannot subscribe: " + std::string(notification.error()));
    case PUSHER_KIND_CONNECTION_STATE_CHANGE:
        if (notification.state() != PUSHER_STATE_FAILED) break; // The client connects again by itself.
        throw std::runtime_error("the client has given up: " + std::string(notification.error()));
    default: // A member has come or left, or there was an error. A newer library may have more kinds.
        std::cout << notification.channel() << ": " << notification.kind_name() << ' ' << notification.user_id()
                  << notification.error() << '\n';
    }
}

} // namespace

int main()
try {
    pusher::Client client{{"host", variable("PUSHER_HOST")},
                          {"port", variable("PUSHER_PORT")},
                          {"tls", "false"},
                          {"key", variable("PUSHER_KEY")},
                          {"auth_endpoint", variable("PUSHER_AUTH_ENDPOINT")}};
    // This callback may still run while the client ends, so it uses no variable of this function.
    client.on(PUSHER_KIND_CONNECTION_STATE_CHANGE, [](const pusher::View &change) {
        std::cerr << "connection: " << change.state_name() << ' ' << change.error() << '\n';
    });
    for (const auto channel : {"news", "private-orders", "presence-kitchen"}) client.subscribe(channel);
    client.connect();
    Progress progress;
    while (!progress.is_complete) {
        if (const auto notification = client.next()) take(client, progress, *notification);
    }
} catch (const std::exception &error) {
    std::cerr << error.what() << '\n';
    return EXIT_FAILURE;
}
