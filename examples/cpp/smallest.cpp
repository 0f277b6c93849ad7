// Prints the events of the channel `news`: ./smallest ws://127.0.0.1:6001/app/app-key
#include <iostream>

#include <pusher_channels.hpp>

int main(int argc, char **argv)
try {
    pusher::Client client{{"url", argc > 1 ? argv[1] : ""}};
    client.connect();
    client.subscribe("news");
    while (const auto notification = client.next()) {
        if (notification->kind() == PUSHER_KIND_EVENT) std::cout << notification->data() << '\n';
    }
} catch (const std::exception &error) {
    std::cerr << error.what() << '\n';
    return 1;
}
