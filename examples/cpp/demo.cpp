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
#include <set>
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
    explicit Error(std::int32_t result) : std::runtime_error(last_text()), result_(result) {}
    std::int32_t result() const { return result_; }

private:
    static std::string last_text()
    {
        std::string text(static_cast<std::size_t>(pusher_last_error_text(nullptr, 0)), '\0');
        pusher_last_error_text(text.data(), text.size() + 1);
        return text;
    }

    std::int32_t result_;
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

    Client(const Options &options, const Options &auth_params)
    {
        pusher_config *config;
        has(pusher_config_new(&config));
        std::unique_ptr<pusher_config, Free<pusher_config_free>> owned(config);
        for (const auto &[option, value] : options) has(pusher_config_set(config, option.c_str(), value.c_str()));
        for (const auto &[name, value] : auth_params) {
            has(pusher_config_add(config, "auth_param", name.c_str(), value.c_str()));
        }
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
    {
        try {
            (*static_cast<Callback *>(callback))(View(notification));
        } catch (const std::exception &error) {
            std::cerr << "a callback failed: " << error.what() << '\n';
        } catch (...) {
            std::cerr << "a callback failed\n";
        }
    }

    static void destroy(void *callback) noexcept { delete static_cast<Callback *>(callback); }

    std::unique_ptr<pusher_client, Free<pusher_client_free>> client_;
};

} // namespace pusher

namespace {

const std::vector<std::string> CHANNELS = {"news", "private-orders", "presence-kitchen"};

std::string variable(const char *name)
{
    const char *value = std::getenv(name);
    if (value == nullptr) throw std::runtime_error(std::string(name) + " is not set");
    return value;
}

// What the program waits for.
struct Seen {
    std::set<std::string> events, again; // channels
    bool is_welcome = false, has_come_after = false;

    bool is_complete() const { return events.size() == CHANNELS.size() && is_welcome && has_come_after; }
};

void take_subscription(pusher::Client &client, Seen &seen, const pusher::Notification &success)
{
    const std::string channel(success.channel());
    if (const auto gap = success.gap_ms()) {
        std::cout << channel << ": subscribed again, " << *gap << " ms were missed\n";
        seen.again.insert(channel);
        return;
    }
    std::cout << channel << ": subscribed\n";
    if (channel == "presence-kitchen") {
        for (const auto &id : client.members(channel)) std::cout << "  member " << id << '\n';
        client.trigger(channel, "client-hello", R"({"says": "hello"})");
    }
}

void take(pusher::Client &client, Seen &seen, const pusher::Notification &notification)
{
    switch (notification.kind()) {
    case PUSHER_KIND_EVENT:
        std::cout << notification.channel() << ": " << notification.name() << ' ' << notification.data() << '\n';
        seen.events.emplace(notification.channel());
        seen.is_welcome |= notification.name() == "client-welcome";
        seen.has_come_after |= seen.again.size() == CHANNELS.size();
        break;
    case PUSHER_KIND_SUBSCRIPTION_SUCCEEDED:
        take_subscription(client, seen, notification);
        break;
    case PUSHER_KIND_SUBSCRIPTION_ERROR:
    case PUSHER_KIND_ERROR:
        std::cerr << notification.channel() << ": " << notification.error() << '\n';
        break;
    default: // There may be more kinds one day.
        break;
    }
}

void run()
{
    pusher::Client client({{"host", variable("PUSHER_HOST")},
                           {"port", variable("PUSHER_PORT")},
                           {"tls", "false"},
                           {"key", variable("PUSHER_KEY")},
                           {"auth_endpoint", variable("PUSHER_AUTH_ENDPOINT")}},
                          {{"user_id", "demo"}});
    // It may still run when the client is gone, and uses nothing of this function.
    client.on(PUSHER_KIND_CONNECTION_STATE_CHANGE, [](const pusher::View &change) {
        std::cerr << "connection: state " << change.state().value() << ' ' << change.error() << '\n';
    });
    for (const auto &channel : CHANNELS) client.subscribe(channel);
    client.connect();
    Seen seen;
    while (!seen.is_complete()) {
        if (const auto notification = client.next()) take(client, seen, *notification);
    }
}

} // namespace

int main()
{
    try {
        run();
        return EXIT_SUCCESS;
    } catch (const std::exception &error) {
        std::cerr << error.what() << '\n';
        return EXIT_FAILURE;
    }
}
