// A small wrapper, and a program on it. The wrapper frees what is made, makes exceptions of results, and lets none
// through a callback.
//
//     c++ -std=c++17 -Isrc/capi examples/cpp/demo.cpp -o demo -Ltarget/release -lpusher_channels
//     LD_LIBRARY_PATH=target/release cargo run --example playground -- ./demo

#include <cstdlib>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <pusher_channels.h>

namespace pusher {

// A result that is neither PUSHER_OK nor an answer, with the library's words for it.
class Error : public std::runtime_error {
public:
    explicit Error(std::int32_t result) : std::runtime_error(last_text()), result(result) {}
    const std::int32_t result;

private:
    static std::string last_text()
    {
        std::string text(static_cast<std::size_t>(pusher_last_error_text(nullptr, 0)), '\0');
        pusher_last_error_text(text.data(), text.size() + 1);
        return text;
    }
};

// Whether there is an answer. Everything but a missing one is an exception.
inline bool has(std::int32_t result)
{
    if (result != PUSHER_OK && result != PUSHER_NOTHING) throw Error(result);
    return result == PUSHER_OK;
}

// Frees a handle by its own function.
template <auto function> struct Free {
    template <typename Handle> void operator()(Handle *handle) const { function(handle); }
};

// What a notification has. The texts are as long as the notification.
class View {
public:
    explicit View(const pusher_notification *notification) : notification_(notification) {}

    std::int32_t kind() const { return *number<std::int32_t>(pusher_notification_kind); }
    std::string_view channel() const { return text(pusher_notification_channel); }
    std::string_view name() const { return text(pusher_notification_name); }
    std::string_view data() const { return text(pusher_notification_data); }
    std::string_view user_id() const { return text(pusher_notification_user_id); }
    std::optional<std::int32_t> state() const { return number<std::int32_t>(pusher_notification_state); }
    std::string_view kind_name() const { return name_of(pusher_kind_name, kind()); }
    std::string_view state_name() const { return name_of(pusher_state_name, state().value_or(-1)); }
    std::optional<std::uint64_t> gap_ms() const { return number<std::uint64_t>(pusher_notification_gap); }

    std::string_view error() const
    {
        const pusher_error *error;
        const char *text;
        std::size_t length;
        if (!has(pusher_notification_error(notification_, &error))) return {};
        has(pusher_error_text(error, &text, &length));
        return {text, length};
    }

private:
    template <typename Get> std::string_view text(Get get) const
    {
        const char *text;
        std::size_t length;
        return has(get(notification_, &text, &length)) ? std::string_view(text, length) : std::string_view();
    }

    // A newer library may have more numbers than this program knows, and its names for them.
    template <typename Get> static std::string_view name_of(Get get, std::int32_t number)
    {
        const char *name;
        return has(get(number, &name)) ? name : "?";
    }

    template <typename Number, typename Get> std::optional<Number> number(Get get) const
    {
        Number number;
        return has(get(notification_, &number)) ? std::optional(number) : std::nullopt;
    }

    const pusher_notification *notification_;
};

// A notification that belongs to the program. It can be moved, and stays valid when the client is gone.
class Notification : public View {
public:
    explicit Notification(pusher_notification *notification) : View(notification), owned_(notification) {}

private:
    std::unique_ptr<pusher_notification, Free<pusher_notification_free>> owned_;
};

// A client. It can be moved; its destructor disconnects.
class Client {
public:
    using Options = std::map<std::string, std::string>;

    explicit Client(const Options &options)
    {
        pusher_config *config;
        has(pusher_config_new(&config));
        std::unique_ptr<pusher_config, Free<pusher_config_free>> owned(config);
        for (const auto &[option, value] : options) has(pusher_config_set(config, option.c_str(), value.c_str()));
        pusher_client *client;
        has(pusher_client_new(config, &client));
        client_.reset(client);
    }

    void connect() { has(pusher_connect(client_.get())); }
    void subscribe(const std::string &channel) { has(pusher_subscribe(client_.get(), channel.c_str())); }

    void trigger(const std::string &channel, const std::string &event, std::string_view json)
    {
        has(pusher_trigger(client_.get(), channel.c_str(), event.c_str(), json.data(), json.size()));
    }

    // The ids of a presence channel's members.
    std::vector<std::string> members(const std::string &channel)
    {
        pusher_list *list;
        has(pusher_members(client_.get(), channel.c_str(), &list));
        std::unique_ptr<pusher_list, Free<pusher_list_free>> owned(list);
        std::vector<std::string> ids;
        const char *id;
        std::size_t length;
        for (std::size_t i = 0; has(pusher_list_id(list, i, &id, &length)); i++) ids.emplace_back(id, length);
        return ids;
    }

    // The next notification; none when none comes in time. A negative time waits for ever.
    std::optional<Notification> next(std::int32_t timeout_ms = -1)
    {
        pusher_notification *notification;
        if (!has(pusher_next(client_.get(), timeout_ms, &notification))) return std::nullopt;
        return Notification(notification);
    }

    using Callback = std::function<void(const View &)>;

    // Runs a callback on a thread of the client's for every notification of a kind, as long as there is the client.
    void on(std::int32_t kind, Callback callback)
    {
        auto owned = std::make_unique<Callback>(std::move(callback));
        // From here on it is the library's, which destroys it also when it does not register it.
        has(pusher_on(client_.get(), kind, nullptr, run, owned.release(), destroy, nullptr));
    }

private:
    // Whatever a callback throws ends here, because the library's frames cannot be unwound.
    static void run(void *callback, const pusher_notification *notification) noexcept
    try {
        (*static_cast<Callback *>(callback))(View(notification));
    } catch (const std::exception &error) {
        std::cerr << "a callback failed: " << error.what() << '\n';
    } catch (...) {
        std::cerr << "a callback failed\n";
    }

    static void destroy(void *callback) noexcept { delete static_cast<Callback *>(callback); }

    std::unique_ptr<pusher_client, Free<pusher_client_free>> client_;
};

} // namespace pusher

namespace {

std::string variable(const char *name)
{
    const char *value = std::getenv(name);
    if (value == nullptr) throw std::runtime_error(std::string(name) + " is not set");
    return value;
}

// How far the program has come. It ends with the first event after it is subscribed again to all three channels, and
// Ann has answered.
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
        if (notification.state() != PUSHER_STATE_FAILED) break; // The client goes on by itself.
        throw std::runtime_error("the client has given up: " + std::string(notification.error()));
    default: // A member has come or left, or something went wrong. There may be more kinds one day.
        std::cout << notification.channel() << ": " << notification.kind_name() << ' ' << notification.user_id()
                  << notification.error() << '\n';
    }
}

} // namespace

int main()
try {
    pusher::Client client({{"host", variable("PUSHER_HOST")},
                           {"port", variable("PUSHER_PORT")},
                           {"tls", "false"},
                           {"key", variable("PUSHER_KEY")},
                           {"auth_endpoint", variable("PUSHER_AUTH_ENDPOINT")}});
    // It may still run when the client is gone, and uses nothing of this function.
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
