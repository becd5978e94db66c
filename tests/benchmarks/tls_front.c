/* tls_front: lets a load that speaks plainly into a room with a code, for the benchmark.
 *
 * usage: tls_front PORT SERVER_PORT     with the key in the environment, KEY=64 hexadecimal digits; without, no TLS
 *
 * Each connection to PORT is one to SERVER_PORT, on loopback. One thread, epoll. A peer that reads slowly is not read
 * for: what waits for it has a bound, and the server sees that as it would without a front.
 * Build: cc -O2 -o tls_front tls_front.c -lssl -lcrypto (Debian: libssl-dev).
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define DOWN_BYTES (1 << 18)
#define UP_BYTES (1 << 16)
#define READ_BYTES (1 << 16)

typedef struct {
    int fd[2]; /* the load's, the server's */
    unsigned interest[2];
    SSL *ssl;
    int down_start, down_len, up_len, wants_write, is_over;
    char *down, *up; /* what waits to be sent, if any */
} Pair;

static unsigned char key[32];
static int ep;
static char shared[DOWN_BYTES]; /* for all pairs, so that it stays in the cache */

static unsigned give_key(SSL *ssl, const char *hint, char *identity, unsigned room, unsigned char *psk, unsigned max) {
    (void)ssl, (void)hint, (void)max;
    snprintf(identity, room, "lan-chat");
    memcpy(psk, key, sizeof key);
    return sizeof key;
}

/* How many bytes came or went; 0 if none can now, -1 at the end. */
static int transfer(Pair *p, int is_write, char *data, int len) {
    if (!p->ssl) {
        ssize_t n = is_write ? send(p->fd[1], data, len, MSG_NOSIGNAL | MSG_DONTWAIT) : recv(p->fd[1], data, len, MSG_DONTWAIT);
        if (is_write && n < 0 && errno == EAGAIN) p->wants_write = 1;
        return n > 0 ? n : n < 0 && errno == EAGAIN ? 0 : -1;
    }
    ERR_clear_error();
    int n = is_write ? SSL_write(p->ssl, data, len) : SSL_read(p->ssl, data, len);
    if (n > 0) return n;
    int why = SSL_get_error(p->ssl, n);
    if (why == SSL_ERROR_WANT_WRITE) p->wants_write = 1;
    return why == SSL_ERROR_WANT_WRITE || why == SSL_ERROR_WANT_READ ? 0 : -1;
}

static void watch(Pair *p, int which, unsigned interest) {
    if (p->interest[which] == interest) return;
    struct epoll_event e = {.events = interest, .data.ptr = (char *)p + which};
    epoll_ctl(ep, EPOLL_CTL_MOD, p->fd[which], &e);
    p->interest[which] = interest;
}

/* Keep what could not be sent. */
static char *kept(const char *data, int len) {
    char *copy = malloc(len);
    memcpy(copy, data, len);
    return copy;
}

static void send_down(Pair *p, const char *data) {
    int n = send(p->fd[0], data, p->down_len, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && errno != EAGAIN) p->is_over = 1;
    if (n > 0) p->down_start += n, p->down_len -= n;
}

static void pump_down(Pair *p) {
    if (p->down_len) {
        send_down(p, p->down + p->down_start);
        if (p->down_len || p->is_over) return;
        free(p->down), p->down = 0;
    }
    int n = 1;
    while (n > 0 && !p->down_len && !p->is_over) {
        int len = 0;
        do {
            n = transfer(p, 0, shared + len, DOWN_BYTES - len);
            if (n > 0) len += n;
        } while (n > 0 && len < DOWN_BYTES && p->ssl && SSL_has_pending(p->ssl));
        p->down_start = 0, p->down_len = len;
        if (len) send_down(p, shared);
        if (p->down_len) p->down = kept(shared + p->down_start, p->down_len), p->down_start = 0;
        if (n < 0) p->is_over = 1;
        if (!p->ssl || !SSL_has_pending(p->ssl)) break; /* epoll knows of the rest */
    }
}

static void pump_up(Pair *p) {
    int n;
    char *data = p->up_len ? p->up : shared;
    if (!p->up_len) {
        n = recv(p->fd[0], shared, UP_BYTES, MSG_DONTWAIT);
        if (n == 0 || (n < 0 && errno != EAGAIN)) p->is_over = 1;
        if (n > 0) p->up_len = n;
    }
    while (p->up_len && !p->is_over) {
        n = transfer(p, 1, data, p->up_len);
        if (n < 0) p->is_over = 1;
        if (n <= 0) break;
        data += n, p->up_len -= n;
    }
    char *rest = p->up_len ? kept(data, p->up_len) : 0;
    free(p->up), p->up = rest;
}

static void pump(Pair *p, int is_of_server) {
    p->wants_write = 0;
    if (is_of_server || p->down_len) pump_down(p);
    if (!p->is_over && (!is_of_server || p->up_len)) pump_up(p);
    watch(p, 0, (p->up_len ? 0 : EPOLLIN) | (p->down_len ? EPOLLOUT : 0));
    watch(p, 1, (p->down_len ? 0 : EPOLLIN) | (p->wants_write ? EPOLLOUT : 0));
}

static void come_in(int listener, struct sockaddr_in *server, SSL_CTX *context) {
    int one = 1, fd = accept4(listener, 0, 0, SOCK_NONBLOCK);
    if (fd < 0) return;
    int other = socket(AF_INET, SOCK_STREAM, 0);
    if (other < 0 || connect(other, (void *)server, sizeof *server)) { close(fd); close(other); return; }
    Pair *p = calloc(1, sizeof *p);
    p->fd[0] = fd, p->fd[1] = other;
    for (int i = 0; i < 2; i++) {
        setsockopt(p->fd[i], IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        struct epoll_event e = {.events = p->interest[i] = EPOLLIN, .data.ptr = (char *)p + i};
        epoll_ctl(ep, EPOLL_CTL_ADD, p->fd[i], &e);
    }
    if (context) {
        p->ssl = SSL_new(context);
        SSL_set_fd(p->ssl, other);
        SSL_set_connect_state(p->ssl);
    }
    if (fcntl(other, F_SETFL, O_NONBLOCK)) p->is_over = 1;
    pump(p, 1);
}

int main(int argc, char **argv) {
    if (argc != 3) { fprintf(stderr, "usage: tls_front PORT SERVER_PORT\n"); return 2; }
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    SSL_CTX *context = 0;
    const char *hex = getenv("KEY");
    if (hex) {
        for (int i = 0; i < (int)sizeof key; i++)
            if (sscanf(hex + 2 * i, "%2hhx", &key[i]) != 1) { fprintf(stderr, "KEY is no key\n"); return 2; }
        context = SSL_CTX_new(TLS_client_method());
        SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER, 0); /* no CA is known: only the key lets a server in */
        SSL_CTX_set_psk_client_callback(context, give_key);
        SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
        SSL_CTX_set_read_ahead(context, 1);
        SSL_CTX_set_default_read_buffer_len(context, READ_BYTES);
        mallopt(M_TRIM_THRESHOLD, 1 << 26); /* or each read buffer that is freed goes back to the system */
    }
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}, server = here;
    here.sin_port = htons(atoi(argv[1])), server.sin_port = htons(atoi(argv[2]));
    if (bind(listener, (void *)&here, sizeof here) || listen(listener, 1024)) { perror("listen"); return 1; }
    ep = epoll_create1(0);
    struct epoll_event e = {.events = EPOLLIN}, events[256];
    epoll_ctl(ep, EPOLL_CTL_ADD, listener, &e);
    for (;;) {
        int count = epoll_wait(ep, events, 256, -1);
        for (int i = 0; i < count; i++) {
            uintptr_t which = (uintptr_t)events[i].data.ptr & 1;
            Pair *p = events[i].data.ptr = (char *)events[i].data.ptr - which;
            if (!p) come_in(listener, &server, context);
            else if (!p->is_over) pump(p, which);
        }
        for (int i = 0; i < count; i++) { /* a pair may have two events: freed only when all are dealt with */
            Pair *p = events[i].data.ptr;
            if (!p || !p->is_over) continue;
            for (int k = 0; k < count; k++) if (events[k].data.ptr == p) events[k].data.ptr = 0;
            SSL_free(p->ssl), close(p->fd[0]), close(p->fd[1]), free(p->down), free(p->up), free(p);
        }
    }
}
