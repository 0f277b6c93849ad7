// Tests of the C++ binding. README.md says how to run them.

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <future>
#include <iostream>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>

#include <pusher_channels.hpp>

namespace {

// A wait takes this long only if a test fails. Under valgrind every call is slow.
constexpr std::int32_t PATIENCE_MS = 60000;

#define CHECK(condition) check((condition), #condition, __LINE__)

void check(bool holds, const char *condition, int line)
{
    if (!holds) throw std::runtime_error("line " + std::to_string(line) + ": this does not hold: " + condition);
}

// Returns the number of the error that a call throws, or PUSHER_OK.
template <typename Call> std::int32_t error_of(Call call)
{
    try {
        call();
    } catch (const pusher::Error &error) {
        CHECK(!std::string(error.what()).empty());
        return error.result();
    }
    return PUSHER_OK;
}

std::string variable(const char *name)
{
    const char *value = std::getenv(name);
    if (value == nullptr) throw std::runtime_error(std::string(name) + " is not set");
    return value;
}

pusher::Client::Options options()
{
    return {{"host", variable("PUSHER_HOST")},
            {"port", variable("PUSHER_PORT")},
            {"key", variable("PUSHER_KEY")},
            {"tls", "false"},
            {"auth_endpoint", variable("PUSHER_AUTH_ENDPOINT")}};
}

pusher::Notification next_of(pusher::Client &client, std::int32_t kind)
{
    while (auto notification = client.next(PATIENCE_MS)) {
        if (notification->kind() == kind) return std::move(*notification);
    }
    throw std::runtime_error("no notification of the kind " + std::to_string(kind) + " came");
}

template <typename T> T outcome_of(std::future<T> future)
{
    CHECK(future.wait_for(std::chrono::milliseconds(PATIENCE_MS)) == std::future_status::ready);
    return future.get();
}

void methods_return_the_state_of_the_client()
{
    pusher::Client client(options());
    CHECK(client.state() == PUSHER_STATE_DISCONNECTED);
    CHECK(!client.next(0));
    client.connect_background();
    client.wait_connected(PATIENCE_MS);
    CHECK(client.state() == PUSHER_STATE_CONNECTED);
    client.subscribe("presence-kitchen");
    client.wait_subscribed("presence-kitchen", PATIENCE_MS);
    CHECK(client.members("presence-kitchen").size() == 2);
    client.unsubscribe("presence-kitchen");
    CHECK(client.members("presence-kitchen").empty());
    client.disconnect();
    CHECK(client.state() == PUSHER_STATE_DISCONNECTED);
}

void a_notification_has_the_fields_of_its_kind()
{
    pusher::Client client(options());
    client.connect();
    client.subscribe("news");
    const auto change = next_of(client, PUSHER_KIND_CONNECTION_STATE_CHANGE);
    CHECK(change.state() == PUSHER_STATE_CONNECTING && change.state_name() == "connecting");
    CHECK(change.kind_name() == "connection_state_change" && change.error().empty());
    const auto success = next_of(client, PUSHER_KIND_SUBSCRIPTION_SUCCEEDED);
    CHECK(success.channel() == "news" && !success.gap_ms() && !success.state() && success.state_name() == "?");
    const auto event = next_of(client, PUSHER_KIND_EVENT);
    CHECK(event.channel() == "news" && event.name() == "published" && event.user_id().empty());
    CHECK(event.data().rfind("{\"number\":", 0) == 0);
}

void a_notification_outlives_its_client()
{
    std::optional<pusher::Notification> kept;
    {
        pusher::Client client(options());
        client.connect();
        client.subscribe("news");
        kept = next_of(client, PUSHER_KIND_EVENT);
    }
    CHECK(kept->channel() == "news" && !kept->data().empty());
}

void clients_and_notifications_are_moved_and_not_copied()
{
    static_assert(!std::is_copy_constructible_v<pusher::Client> && std::is_move_constructible_v<pusher::Client>);
    static_assert(!std::is_copy_constructible_v<pusher::Notification>);
    pusher::Client first(options());
    first.connect();
    pusher::Client second(std::move(first));
    CHECK(first.get() == nullptr && second.state() == PUSHER_STATE_CONNECTED);
    // A client without a handle is an error of the library.
    CHECK(error_of([&] { first.subscribe("news"); }) == PUSHER_ERR_NULL);
}

void errors_are_thrown_with_their_number()
{
    CHECK(error_of([] { pusher::Client{{"colour", "blue"}}; }) == PUSHER_ERR_OPTION);
    CHECK(error_of([] { pusher::Client{{"queue_capacity", "many"}}; }) == PUSHER_ERR_VALUE);
    pusher::Client client(options());
    CHECK(error_of([&] { client.subscribe("no spaces"); }) == PUSHER_ERR_CHANNEL_NAME);
    CHECK(error_of([&] { client.trigger("news", "client-hello", "{}"); }) == PUSHER_ERR_CLIENT_EVENT_CHANNEL);
    CHECK(error_of([&] { client.wait_subscribed("news", 0); }) == PUSHER_ERR_NOT_SUBSCRIBED);
    auto refused = options();
    refused["auth_endpoint"] += "-nowhere";
    pusher::Client stranger(refused);
    stranger.connect();
    stranger.subscribe("private-orders");
    CHECK(error_of([&] { stranger.wait_subscribed("private-orders", PATIENCE_MS); }) == PUSHER_ERR_AUTH_REFUSED);
    CHECK(!next_of(stranger, PUSHER_KIND_SUBSCRIPTION_ERROR).error().empty());
}

void a_client_event_reaches_the_other_subscribers()
{
    pusher::Client first(options()), second(options());
    for (auto *client : {&first, &second}) {
        client->connect();
        client->subscribe("private-talk");
        client->wait_subscribed("private-talk", PATIENCE_MS);
    }
    first.trigger("private-talk", "client-hello", R"({"to": "all"})");
    const auto event = next_of(second, PUSHER_KIND_EVENT);
    CHECK(event.channel() == "private-talk" && event.name() == "client-hello" && event.data() == R"({"to": "all"})");
}

void a_configuration_of_the_program_makes_a_client()
{
    pusher_config *config;
    pusher::has(pusher_config_new(&config));
    const std::unique_ptr<pusher_config, pusher::Free<pusher_config_free>> owned(config);
    for (const auto &[option, value] : options()) pusher::has(pusher_config_set(config, option.c_str(), value.c_str()));
    pusher::has(pusher_config_add(config, "auth_param", "user_id", "cpp"));
    for (int i = 0; i < 2; i++) {
        pusher::Client client(config);
        client.connect();
        client.subscribe("presence-kitchen");
        client.wait_subscribed("presence-kitchen", PATIENCE_MS);
        pusher_list *list;
        const char *id;
        pusher::has(pusher_me(client.get(), "presence-kitchen", &list));
        const std::unique_ptr<pusher_list, pusher::Free<pusher_list_free>> me(list);
        CHECK(pusher::has(pusher_list_id(list, 0, &id, nullptr)) && std::string(id) == "cpp");
    }
}

void callbacks_run_on_another_thread()
{
    pusher::Client client(options());
    auto thread = std::make_shared<std::promise<std::thread::id>>();
    auto connected = std::make_shared<std::promise<void>>();
    auto ran = std::make_shared<std::atomic<bool>>(false);
    client.bind("news", "published", [thread, ran](const pusher::View &event) {
        if (event.channel() == "news" && !ran->exchange(true)) thread->set_value(std::this_thread::get_id());
    });
    client.on(PUSHER_KIND_CONNECTION_STATE_CHANGE, [connected](const pusher::View &change) {
        if (change.state() == PUSHER_STATE_CONNECTED) connected->set_value();
    });
    client.connect();
    client.subscribe("news");
    outcome_of(connected->get_future());
    CHECK(outcome_of(thread->get_future()) != std::this_thread::get_id());
}

void an_exception_of_a_callback_ends_in_the_callback()
{
    pusher::Client client(options());
    auto other = std::make_shared<std::promise<void>>();
    auto ran = std::make_shared<std::atomic<bool>>(false);
    client.on(PUSHER_KIND_EVENT, [](const pusher::View &) { throw std::runtime_error("of the program"); });
    client.on(PUSHER_KIND_EVENT, [](const pusher::View &) { throw 7; });
    client.on(PUSHER_KIND_EVENT, [other, ran](const pusher::View &) {
        if (!ran->exchange(true)) other->set_value();
    });
    client.connect();
    client.subscribe("news");
    outcome_of(other->get_future());
    CHECK(client.state() == PUSHER_STATE_CONNECTED);
}

void callbacks_are_destroyed_with_their_client()
{
    // The promise is broken when the last callback that holds it is destroyed.
    std::future<void> destroyed;
    {
        pusher::Client client(options());
        auto held = std::make_shared<std::promise<void>>();
        destroyed = held->get_future();
        client.on(PUSHER_KIND_EVENT, [held](const pusher::View &) {});
        // The library refuses this registration, and destroys its callback.
        const auto refused = [&] { client.on(-1, [held](const pusher::View &) {}); };
        CHECK(error_of(refused) == PUSHER_ERR_VALUE);
        CHECK(held.use_count() == 2);
    }
    try {
        outcome_of(std::move(destroyed));
    } catch (const std::future_error &error) {
        CHECK(error.code() == std::future_errc::broken_promise);
        return;
    }
    CHECK(!"the promise is broken");
}

} // namespace

#define TEST(name) std::pair<const char *, void (*)()>(#name, name)

int main()
{
    int failed = 0;
    for (const auto &[name, test] : {
             TEST(methods_return_the_state_of_the_client),
             TEST(a_notification_has_the_fields_of_its_kind),
             TEST(a_notification_outlives_its_client),
             TEST(clients_and_notifications_are_moved_and_not_copied),
             TEST(errors_are_thrown_with_their_number),
             TEST(a_client_event_reaches_the_other_subscribers),
             TEST(a_configuration_of_the_program_makes_a_client),
             TEST(callbacks_run_on_another_thread),
             TEST(an_exception_of_a_callback_ends_in_the_callback),
             TEST(callbacks_are_destroyed_with_their_client),
         }) {
        try {
            test();
            std::cout << "ok " << name << '\n';
        } catch (const std::exception &error) {
            std::cout << "failed: " << name << ": " << error.what() << '\n';
            failed++;
        }
    }
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
