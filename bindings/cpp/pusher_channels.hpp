// Pusher Channels for C++17: classes on top of the C library `pusher_channels`, in this header alone.
//
//     pusher::Client client{{"key", "app-key"}, {"cluster", "eu"}};
//     client.connect();
//     client.subscribe("news");
//     while (const auto notification = client.next()) {
//         if (notification->kind() == PUSHER_KIND_EVENT) std::cout << notification->data() << '\n';
//     }
//
// A client and a notification free their handles. A result that is an error becomes an exception. No exception of a
// callback gets into the library. pusher_channels.h, which must be in the include path, describes the functions behind
// the methods; `Client::get` and `View::get` return the handles for the functions that have no method here.
//
// Times are in milliseconds, and negative ones are for ever. Every method may be called from every thread.

#ifndef PUSHER_CHANNELS_HPP
#define PUSHER_CHANNELS_HPP

#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <initializer_list>
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

// The error of a call. `what` is the text of the library.
class Error : public std::runtime_error {
public:
    explicit Error(std::int32_t result) : std::runtime_error(last_text()), result_(result) {}

    // The number of the error, such as PUSHER_ERR_TCP.
    std::int32_t result() const noexcept { return result_; }

private:
    static std::string last_text()
    {
        std::string text(static_cast<std::size_t>(pusher_last_error_text(nullptr, 0)), '\0');
        pusher_last_error_text(text.data(), text.size() + 1);
        return text;
    }

    std::int32_t result_;
};

// Returns whether a function has returned a value. Throws if the result is an error.
inline bool has(std::int32_t result)
{
    if (result == PUSHER_NOTHING || result == PUSHER_CLOSED) return false;
    if (result != PUSHER_OK) throw Error(result);
    return true;
}

// Frees a handle by the function of its type.
template <auto function> struct Free {
    template <typename Handle> void operator()(Handle *handle) const { function(handle); }
};

// Reads the fields of a notification. A text is valid for as long as the notification. It is empty if the notification
// has no such field.
class View {
public:
    explicit View(const pusher_notification *notification) : notification_(notification) {}

    const pusher_notification *get() const noexcept { return notification_; }

    // A number such as PUSHER_KIND_EVENT. A newer library may have kinds that this program does not know.
    std::int32_t kind() const { return number<std::int32_t>(pusher_notification_kind).value(); }
    std::string_view kind_name() const { return name_of(pusher_kind_name, kind()); }
    std::string_view channel() const { return text(pusher_notification_channel); }
    std::string_view name() const { return text(pusher_notification_name); }
    std::string_view data() const { return text(pusher_notification_data); }
    std::string_view user_id() const { return text(pusher_notification_user_id); }

    // A number such as PUSHER_STATE_CONNECTED.
    std::optional<std::int32_t> state() const { return number<std::int32_t>(pusher_notification_state); }
    std::string_view state_name() const { return name_of(pusher_state_name, state().value_or(-1)); }

    // The time for which a channel was not subscribed. It is there after a reconnect only.
    std::optional<std::uint64_t> gap_ms() const { return number<std::uint64_t>(pusher_notification_gap); }

    // The text of the error.
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

// A notification that the program owns. It can be moved, and stays valid after the client is gone.
class Notification : public View {
public:
    explicit Notification(pusher_notification *notification) : View(notification), owned_(notification) {}

private:
    std::unique_ptr<pusher_notification, Free<pusher_notification_free>> owned_;
};

// A client. It can be moved. Its destructor disconnects, and ends the client.
class Client {
public:
    // The names are those that `pusher_config_set` in pusher_channels.h lists.
    using Options = std::map<std::string, std::string>;

    Client(std::initializer_list<Options::value_type> options) : Client(Options(options)) {}

    explicit Client(const Options &options)
    {
        pusher_config *config;
        has(pusher_config_new(&config));
        std::unique_ptr<pusher_config, Free<pusher_config_free>> owned(config);
        for (const auto &[option, value] : options) has(pusher_config_set(config, option.c_str(), value.c_str()));
        make(config);
    }

    // Makes a client of a configuration that the program has filled, for example with an authorizer. The configuration
    // still belongs to the program.
    explicit Client(pusher_config *config) { make(config); }

    pusher_client *get() const noexcept { return client_.get(); }

    // Returns when the client is connected, or throws the error of the first attempt.
    void connect() { has(pusher_connect(get())); }

    // Returns at once, and keeps trying.
    void connect_background() { has(pusher_connect_background(get())); }

    void wait_connected(std::int32_t timeout_ms = -1) { has(pusher_wait_connected(get(), timeout_ms)); }

    void disconnect() { has(pusher_disconnect(get())); }

    // A number such as PUSHER_STATE_CONNECTED.
    std::int32_t state() const
    {
        std::int32_t state;
        has(pusher_state(get(), &state));
        return state;
    }

    void subscribe(const std::string &channel) { has(pusher_subscribe(get(), channel.c_str())); }

    // Returns when the server has confirmed the subscription, or throws the error that ended it.
    void wait_subscribed(const std::string &channel, std::int32_t timeout_ms = -1)
    {
        has(pusher_wait_subscribed(get(), channel.c_str(), timeout_ms));
    }

    void unsubscribe(const std::string &channel) { has(pusher_unsubscribe(get(), channel.c_str())); }

    // Sends an event, whose name begins with "client-", to the other subscribers of a private or presence channel.
    void trigger(const std::string &channel, const std::string &event, std::string_view json)
    {
        has(pusher_trigger(get(), channel.c_str(), event.c_str(), json.data(), json.size()));
    }

    // Returns the ids of the members of a presence channel.
    std::vector<std::string> members(const std::string &channel) const
    {
        pusher_list *list;
        has(pusher_members(get(), channel.c_str(), &list));
        std::unique_ptr<pusher_list, Free<pusher_list_free>> owned(list);
        std::vector<std::string> ids;
        const char *id;
        std::size_t length;
        for (std::size_t i = 0; has(pusher_list_id(list, i, &id, &length)); i++) ids.emplace_back(id, length);
        return ids;
    }

    // Waits for the next notification. Returns nothing if none comes in time.
    std::optional<Notification> next(std::int32_t timeout_ms = -1)
    {
        pusher_notification *notification;
        if (!has(pusher_next(get(), timeout_ms, &notification))) return std::nullopt;
        return Notification(notification);
    }

    using Callback = std::function<void(const View &)>;

    // Runs the callback for every event of this name on this channel, on a thread of the client. The callback stays
    // bound until the client ends. It may still run while the client ends, so it must not use anything that ends before
    // the callback itself is destroyed.
    void bind(const std::string &channel, const std::string &event, Callback callback)
    {
        has(pusher_bind(get(), channel.c_str(), event.c_str(), run, released(std::move(callback)), destroy, nullptr));
    }

    // Runs the callback for every notification of a kind, as `bind` does.
    void on(std::int32_t kind, Callback callback)
    {
        has(pusher_on(get(), kind, nullptr, run, released(std::move(callback)), destroy, nullptr));
    }

private:
    void make(pusher_config *config)
    {
        pusher_client *client;
        has(pusher_client_new(config, &client));
        client_.reset(client);
    }

    // The library owns the callback from here on. It destroys the callback also if it cannot register it.
    static void *released(Callback callback) { return std::make_unique<Callback>(std::move(callback)).release(); }

    // Catches every exception, because the frames of the library cannot be unwound.
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

#endif
