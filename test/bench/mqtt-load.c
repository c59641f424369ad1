/* MQTT 3.1.1 load: one thread, epoll, loopback. It counts PUBACKs, which is what a publisher may rely on.
 *
 *   thr   -p PORT -n PUBLISHERS -w WINDOW -s BYTES -d SECONDS        each keeps WINDOW messages of QoS 1 under way
 *   rate  -p PORT -n PUBLISHERS -r PER_SECOND -s BYTES -d SECONDS    open loop; latency from send to PUBACK
 *   idle  -p PORT -n CONNECTIONS                                     connects, prints HELD, waits for the end of its input
 *   -S    one subscriber of QoS 1 takes everything, as a broker's bench has it; its messages are counted too
 *
 * Publisher i publishes JSON with an id of its own to bench/i. One line of JSON is the result. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define IDS 1024 /* packet identifiers of one publisher: more are never under way */
#define HEAD 20  /* of connections that hold still: the longest packet they get is small */

typedef struct {
  int fd, is_subscriber, is_ready, is_blocked;
  uint8_t *in, *out;
  int in_length, in_size, out_length, out_sent, out_size;
  uint16_t id;
  int under_way;
  long number;
  uint64_t *sent_at;
} Connection;

static Connection *all;
static int epoll, port = 1883, size = 128, publishers = 1, window = 100, with_subscriber = 0;
static double seconds = 5, rate = 0;
static long sent, acknowledged, delivered, ready;
static uint32_t *latencies;
static long latency_count, latency_room = 20000000;
static uint64_t measure_from;

static void die(const char *what) {
  perror(what);
  exit(2);
}

static uint64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static void watch(Connection *c, int is_blocked) {
  if (c->is_blocked == is_blocked) return;
  c->is_blocked = is_blocked;
  struct epoll_event e = {.events = EPOLLIN | (is_blocked ? EPOLLOUT : 0), .data.ptr = c};
  epoll_ctl(epoll, EPOLL_CTL_MOD, c->fd, &e);
}

static void flush(Connection *c) {
  while (c->out_sent < c->out_length) {
    int n = send(c->fd, c->out + c->out_sent, c->out_length - c->out_sent, MSG_NOSIGNAL);
    if (n < 0 && errno == EAGAIN) {
      watch(c, 1);
      return;
    }
    if (n < 0) die("send");
    c->out_sent += n;
  }
  c->out_length = c->out_sent = 0;
  watch(c, 0);
}

static void put(Connection *c, const void *bytes, int n) {
  if (c->out_length + n > c->out_size) {
    c->out_size = (c->out_length + n) * 2 + 128;
    c->out = realloc(c->out, c->out_size);
  }
  memcpy(c->out + c->out_length, bytes, n);
  c->out_length += n;
}

static void dial(Connection *c, int index) {
  int one = 1;
  c->fd = socket(AF_INET, SOCK_STREAM, 0);
  if (c->fd < 0) die("socket");
  setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  struct sockaddr_in to = {
      .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  if (connect(c->fd, (void *)&to, sizeof to)) die("connect");
  fcntl(c->fd, F_SETFL, O_NONBLOCK);
  struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
  epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &e);
  char name[32];
  int length = sprintf(name, "b%d-%d-%d", c->is_subscriber, (int)getpid(), index);
  /* CONNECT, clean session, keep-alive 1200 s */
  uint8_t packet[64] = {0x10, 12 + length, 0, 4, 'M', 'Q', 'T', 'T', 4, 2, 4, 0xb0, 0, length};
  memcpy(packet + 14, name, length);
  put(c, packet, 14 + length);
  flush(c);
}

static void publish(Connection *c) {
  static uint8_t *packet;
  if (packet == NULL) packet = malloc(size + 256);
  char topic[32], payload[96];
  int topic_length = sprintf(topic, "bench/%d", (int)(c - all));
  int head = sprintf(payload, "{\"id\":\"%d-%d-%ld\",\"text\":\"", (int)getpid(), (int)(c - all), ++c->number);
  int body = head + 2 > size ? head + 2 : size;
  int rest = 2 + topic_length + 2 + body, k = 0;
  packet[k++] = 0x32;
  for (int left = rest; left > 0; left >>= 7) packet[k++] = (left & 127) | (left > 127 ? 128 : 0);
  packet[k++] = 0;
  packet[k++] = topic_length;
  memcpy(packet + k, topic, topic_length);
  k += topic_length;
  c->id = c->id % (IDS - 1) + 1;
  packet[k++] = c->id >> 8;
  packet[k++] = c->id & 255;
  memcpy(packet + k, payload, head);
  memset(packet + k + head, 'x', body - head - 2);
  memcpy(packet + k + body - 2, "\"}", 2);
  put(c, packet, k + body);
  c->sent_at[c->id] = now();
  c->under_way++;
  sent++;
}

static void handle(Connection *c, uint8_t first, uint8_t *body) {
  switch (first >> 4) {
    case 2: /* CONNACK */
      if (body[1]) {
        fprintf(stderr, "CONNACK with return code %d\n", body[1]);
        exit(3);
      }
      if (c->is_subscriber) {
        uint8_t subscribe[] = {0x82, 12, 0, 1, 0, 7, 'b', 'e', 'n', 'c', 'h', '/', '#', 1};
        put(c, subscribe, sizeof subscribe);
        flush(c);
        break;
      }
      /* fall through */
    case 9: /* SUBACK */
      c->is_ready = 1;
      ready++;
      break;
    case 3: { /* PUBLISH, to the subscriber */
      int topic_length = body[0] << 8 | body[1];
      if (first & 6) {
        uint8_t puback[4] = {0x40, 2, body[2 + topic_length], body[3 + topic_length]};
        put(c, puback, 4);
      }
      delivered++;
      break;
    }
    case 4: { /* PUBACK */
      uint64_t at = c->sent_at[(body[0] << 8 | body[1]) % IDS], t = now();
      acknowledged++;
      c->under_way--;
      if (measure_from && at >= measure_from && latency_count < latency_room)
        latencies[latency_count++] = (t - at) / 1000;
    }
  }
}

static void take(Connection *c, int hold) {
  for (;;) {
    if (c->in_length == c->in_size) {
      c->in_size = c->in_size ? c->in_size * 2 : hold;
      c->in = realloc(c->in, c->in_size);
    }
    int room = c->in_size - c->in_length;
    int n = recv(c->fd, c->in + c->in_length, room, 0);
    if (n < 0 && errno == EAGAIN) break;
    if (n <= 0) {
      fprintf(stderr, "the broker closed a connection\n");
      exit(4);
    }
    c->in_length += n;
    int from = 0;
    for (;;) {
      int k = from + 1, length = 0, shift = 0, is_whole = 0;
      while (k < c->in_length && !is_whole) {
        length |= (c->in[k] & 127) << shift;
        shift += 7;
        is_whole = !(c->in[k++] & 128);
      }
      if (!is_whole || k + length > c->in_length) break;
      handle(c, c->in[from], c->in + k);
      from = k + length;
    }
    memmove(c->in, c->in + from, c->in_length - from);
    c->in_length -= from;
    if (n < room) break;
  }
  if (c->out_length) flush(c);
}

static void spin(int ms, int hold) {
  struct epoll_event events[512];
  int n = epoll_wait(epoll, events, 512, ms);
  for (int i = 0; i < n; i++) {
    Connection *c = events[i].data.ptr;
    if (events[i].events & EPOLLOUT) flush(c);
    if (events[i].events & (EPOLLIN | EPOLLHUP)) take(c, hold);
  }
}

static int ascending(const void *a, const void *b) {
  uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
  return x < y ? -1 : x > y;
}

int main(int argc, char **argv) {
  const char *mode = argc > 1 ? argv[1] : "";
  for (int i = 2; i < argc; i++) {
    char flag = argv[i][1];
    if (flag == 'S') {
      with_subscriber = 1;
      continue;
    }
    double value = i + 1 < argc ? atof(argv[++i]) : 0;
    if (flag == 'p') port = value;
    if (flag == 'n') publishers = value;
    if (flag == 'w') window = value;
    if (flag == 's') size = value;
    if (flag == 'd') seconds = value;
    if (flag == 'r') rate = value;
  }
  int is_idle = !strcmp(mode, "idle"), total = publishers + with_subscriber;
  int hold = is_idle ? HEAD : 65536;
  if (window > IDS / 2) window = IDS / 2;
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  epoll = epoll_create1(0);
  all = calloc(total, sizeof(Connection));
  latencies = malloc(latency_room * sizeof *latencies);
  if (with_subscriber) {
    all[publishers].is_subscriber = 1;
    dial(&all[publishers], publishers);
    while (ready < 1) spin(50, hold);
  }
  for (int i = 0; i < publishers; i++) {
    if (!is_idle) all[i].sent_at = calloc(IDS, sizeof(uint64_t));
    dial(&all[i], i);
    while (i + 1 + with_subscriber - ready > 256) spin(1, hold);
  }
  while (ready < total) spin(20, hold);
  if (is_idle) {
    printf("HELD %d\n", publishers);
    fflush(stdout);
    char byte;
    while (read(0, &byte, 1) > 0) continue;
    return 0;
  }

  uint64_t begun = now(), from = begun + 1000000000ull, end = from + (uint64_t)(seconds * 1e9);
  long acknowledged_before = 0, delivered_before = 0;
  int next = 0;
  for (uint64_t t = now(); t < end; t = now()) {
    if (!measure_from && t >= from) {
      measure_from = t;
      acknowledged_before = acknowledged;
      delivered_before = delivered;
    }
    if (rate > 0) {
      long due = (long)((t - begun) / 1e9 * rate) - sent;
      for (; due > 0; due--) {
        Connection *c = &all[next];
        next = (next + 1) % publishers;
        if (c->under_way >= IDS / 2) break; /* it does not keep up; the rate says so */
        publish(c);
        if (!c->is_blocked) flush(c);
      }
      spin(1, hold);
    } else {
      int is_busy = 0;
      for (int i = 0; i < publishers; i++) {
        Connection *c = &all[i];
        if (c->is_blocked || c->under_way >= window) continue;
        for (int n = 0; n < 64 && c->under_way < window; n++) publish(c);
        flush(c);
        is_busy = 1;
      }
      spin(is_busy ? 0 : 1, hold);
    }
  }
  double span = (now() - measure_from) / 1e9;
  qsort(latencies, latency_count, sizeof *latencies, ascending);
#define AT(part) (latency_count ? latencies[(long)(latency_count * part)] / 1000.0 : 0)
  printf("{\"total\":%ld,\"acknowledged\":%.0f,\"delivered\":%.0f,\"p50Ms\":%.2f,\"p99Ms\":%.2f,\"maxMs\":%.2f}\n",
         acknowledged, (acknowledged - acknowledged_before) / span, (delivered - delivered_before) / span, AT(0.5), AT(0.99),
         latency_count ? latencies[latency_count - 1] / 1000.0 : 0);
  return 0;
}
