/*
 * A valid handle of every kind, for programs that test one wrong argument at a time.
 *
 * Some handles exist only while a callback runs, so these callbacks wait until `world_end` is called.
 */
#ifndef WORLD_H
#define WORLD_H

#include <pthread.h>

#include "check.h"

/* A program reads the fields after the callbacks have written theirs. */
struct world {
    pusher_config *config;
    pusher_client *client; /* connected, signed in, and subscribed to "room" and "presence-room" */
    pusher_receiver_options *receiver_options;
    pusher_receiver *receiver;
    pusher_binding *binding;
    pusher_list *list;
    pusher_stats *stats;
    pusher_notification *event;  /* has channel, name, data */
    pusher_notification *change; /* has states and the number of an attempt to connect */
    pusher_notification *member; /* has channel, user_id, user_info */
    const pusher_error *error;   /* belongs to `refusal` */
    pusher_notification *refusal;

    pusher_auth_request *auth_request;
    pusher_pairs *pairs;
    pusher_text *text;

    pusher_client *authorizing; /* has an authorizer of its own */
    pusher_client *fetching;    /* has a callback for headers */
    pusher_client *decoding;    /* has a decoder of its own */
    int is_ending;
    int destructions; /* of the callbacks of these three */
    pthread_mutex_t lock;
    pthread_cond_t changed;
};

static inline void world_wait(struct world *world, int (*condition)(struct world *)) {
    pthread_mutex_lock(&world->lock);
    while (!condition(world)) pthread_cond_wait(&world->changed, &world->lock);
    pthread_mutex_unlock(&world->lock);
}

static inline int world_is_ending(struct world *world) { return world->is_ending; }
static inline int world_has_auth_request(struct world *world) { return world->auth_request != NULL; }
static inline int world_has_pairs(struct world *world) { return world->pairs != NULL; }
static inline int world_has_text(struct world *world) { return world->text != NULL; }
static inline int world_is_called_no_more(struct world *world) { return world->destructions == 3; }

static inline void world_keep(struct world *world, void *place, const void *handle) {
    pthread_mutex_lock(&world->lock);
    memcpy(place, &handle, sizeof handle);
    pthread_cond_broadcast(&world->changed);
    pthread_mutex_unlock(&world->lock);
}

/* The handle of a callback becomes invalid when the callback returns, which is before its destructor runs. */
static inline void world_destroyed(void *user_data) {
    struct world *world = user_data;
    pthread_mutex_lock(&world->lock);
    world->destructions++;
    pthread_cond_broadcast(&world->changed);
    pthread_mutex_unlock(&world->lock);
}

static inline void world_authorize(void *user_data, pusher_auth_request *request) {
    struct world *world = user_data;
    world_keep(world, &world->auth_request, request);
}

static inline void world_headers(void *user_data, pusher_pairs *pairs) {
    struct world *world = user_data;
    world_keep(world, &world->pairs, pairs);
    world_wait(world, world_is_ending);
}

static inline int32_t world_decode(void *user_data, const char *data, size_t length, pusher_text *text) {
    struct world *world = user_data;
    (void)data;
    (void)length;
    world_keep(world, &world->text, text);
    world_wait(world, world_is_ending);
    return 1;
}

static inline void world_ignore(void *user_data, const pusher_notification *notification) {
    (void)user_data;
    (void)notification;
}

static inline pusher_client *world_client(pusher_config *config) {
    pusher_client *client;
    OK(pusher_client_new(config, &client));
    OK(pusher_connect(client));
    return client;
}

/* Causes another auth request, in place of an answered one. */
static inline void world_renew_auth_request(struct world *world) {
    static int requested = 0;
    char channel[40];
    pusher_auth_request_free(world->auth_request);
    world->auth_request = NULL;
    snprintf(channel, sizeof channel, "private-%d", requested++);
    OK(pusher_subscribe(world->authorizing, channel));
    world_wait(world, world_has_auth_request);
}

/* Registers another callback, in place of an unbound one. */
static inline void world_renew_binding(struct world *world) {
    pusher_binding_free(world->binding);
    OK(pusher_bind(world->client, NULL, "nothing", world_ignore, NULL, NULL, &world->binding));
}

static inline void world_begin(struct world *world, char **arguments) {
    memset(world, 0, sizeof *world);
    pthread_mutex_init(&world->lock, NULL);
    pthread_cond_init(&world->changed, NULL);

    world->config = config_of(arguments);
    OK(pusher_config_set(world->config, "secret", arguments[SECRET]));
    OK(pusher_config_set(world->config, "user_data", "{\"id\": \"ann\", \"user_info\": {\"name\": \"Ann\"}}"));
    OK(pusher_config_set_bool(world->config, "manual_dispatch", 1));
    world->client = world_client(world->config);
    world->change = next_of(world->client, PUSHER_KIND_CONNECTION_STATE_CHANGE);
    OK(pusher_sign_in(world->client));
    OK(pusher_wait_signed_in(world->client, PATIENCE_MS));
    OK(pusher_subscribe(world->client, "room"));
    OK(pusher_wait_subscribed(world->client, "room", PATIENCE_MS));
    OK(pusher_subscribe(world->client, "presence-room"));
    OK(pusher_wait_subscribed(world->client, "presence-room", PATIENCE_MS));
    OK(pusher_subscribe(world->client, "cache-news"));
    world->event = next_of(world->client, PUSHER_KIND_EVENT);
    OK(pusher_receiver_options_new(&world->receiver_options));
    OK(pusher_receiver_new(world->client, world->receiver_options, &world->receiver));
    OK(pusher_members(world->client, "presence-room", &world->list));
    OK(pusher_stats_new(world->client, &world->stats));
    world_renew_binding(world);

    pusher_config *other = config_of(arguments);
    OK(pusher_config_authorizer(other, world_authorize, world, world_destroyed));
    world->authorizing = world_client(other);
    pusher_config_free(other);
    world_renew_auth_request(world);

    char endpoint[100];
    snprintf(endpoint, sizeof endpoint, "http://%s:%s/pusher/auth", arguments[HOST], arguments[PORT]);
    other = config_of(arguments);
    OK(pusher_config_set(other, "auth_endpoint", endpoint));
    OK(pusher_config_auth_headers(other, world_headers, world, world_destroyed));
    world->fetching = world_client(other);
    pusher_config_free(other);
    OK(pusher_subscribe(world->fetching, "private-room"));
    world_wait(world, world_has_pairs);

    other = config_of(arguments);
    OK(pusher_config_set(other, "secret", arguments[SECRET]));
    OK(pusher_config_set(other, "encryption_master_key", arguments[MASTER_KEY]));
    OK(pusher_config_encrypted_data_decoder(other, world_decode, world, world_destroyed));
    world->decoding = world_client(other);
    pusher_config_free(other);
    OK(pusher_subscribe(world->decoding, "private-encrypted-cache-safe"));
    world_wait(world, world_has_text);

    /* Another user joins the presence channel, and the server refuses the subscription to another channel. */
    other = config_of(arguments);
    OK(pusher_config_set(other, "secret", arguments[SECRET]));
    OK(pusher_config_set(other, "user_data", "{\"id\": \"bob\", \"user_info\": {\"name\": \"Bob\"}}"));
    pusher_client *bob = world_client(other);
    pusher_config_free(other);
    OK(pusher_subscribe(bob, "presence-room"));
    world->member = next_of(world->client, PUSHER_KIND_MEMBER_ADDED);
    pusher_client_free(bob);
    OK(pusher_subscribe_with_auth(world->client, "private-refused", "app-key:nonsense", NULL, NULL));
    world->refusal = next_of(world->client, PUSHER_KIND_SUBSCRIPTION_ERROR);
    OK(pusher_notification_error(world->refusal, &world->error));
}

/* Frees everything. The fields are then freed handles. */
static inline void world_end(struct world *world) {
    pthread_mutex_lock(&world->lock);
    world->is_ending = 1;
    pthread_cond_broadcast(&world->changed);
    pthread_mutex_unlock(&world->lock);
    pusher_stats_free(world->stats);
    pusher_list_free(world->list);
    pusher_binding_free(world->binding);
    pusher_receiver_free(world->receiver);
    pusher_receiver_options_free(world->receiver_options);
    pusher_auth_request_free(world->auth_request);
    pusher_client_free(world->decoding);
    pusher_client_free(world->fetching);
    pusher_client_free(world->authorizing);
    world_wait(world, world_is_called_no_more);
    pusher_client_free(world->client);
    pusher_config_free(world->config);
    pusher_notification_free(world->event);
    pusher_notification_free(world->change);
    pusher_notification_free(world->member);
    pusher_notification_free(world->refusal);
}

#endif
