/*
 * The plain batch writer that the FIB's speed is measured against: adds, replaces and deletes every prefix of a file, 64 KiB a send, no
 * acknowledgement but on the last message. Prints one line of JSON with the seconds of each phase.
 *
 *   fib-writer FILE IFINDEX gateway|nexthop GATEWAY OTHER-GATEWAY      (FILE: one prefix/length a line, all of the gateways' family)
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/netlink.h>
#include <linux/nexthop.h>
#include <linux/rtnetlink.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

enum { BATCH = 65536, PROTOCOL = 177, METRIC = 1024 };

struct prefix {
	unsigned char address[16];
	int length;
};

static struct prefix *prefixes;
static int count, family, octets, interface, is_nexthop, errors;
static unsigned char gateways[2][16];

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec * 1e-9;
}

static double cpu(void)
{
	struct rusage u;
	getrusage(RUSAGE_SELF, &u);
	return u.ru_utime.tv_sec + u.ru_stime.tv_sec + (u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1e-6;
}

static char *put(char *at, int type, const void *data, int size)
{
	struct rtattr *a = (struct rtattr *)at;
	a->rta_type = type;
	a->rta_len = RTA_LENGTH(size);
	memcpy(RTA_DATA(a), data, size);
	return at + RTA_SPACE(size);
}

static char *route(char *at, const struct prefix *p, int type, int flags, uint32_t sequence, int way)
{
	struct nlmsghdr *h = (struct nlmsghdr *)at;
	struct rtmsg *m = NLMSG_DATA(h);
	uint32_t metric = METRIC, id = 1001 + way;
	char *end = at + NLMSG_SPACE(sizeof *m);
	memset(at, 0, end - at);
	h->nlmsg_type = type;
	h->nlmsg_flags = NLM_F_REQUEST | flags;
	h->nlmsg_seq = sequence;
	m->rtm_family = family;
	m->rtm_dst_len = p->length;
	m->rtm_table = RT_TABLE_MAIN;
	m->rtm_protocol = PROTOCOL;
	if (type == RTM_DELROUTE && family == AF_INET) m->rtm_scope = RT_SCOPE_NOWHERE;
	if (type == RTM_NEWROUTE) m->rtm_type = RTN_UNICAST;
	if (p->length > 0) end = put(end, RTA_DST, p->address, octets);
	end = put(end, RTA_PRIORITY, &metric, 4);
	if (type == RTM_NEWROUTE) {
		if (is_nexthop) end = put(end, RTA_NH_ID, &id, 4);
		else {
			end = put(end, RTA_GATEWAY, gateways[way], octets);
			end = put(end, RTA_OIF, &interface, 4);
		}
	}
	h->nlmsg_len = end - at;
	return end;
}

/* Reads answers; with wait, until the acknowledgement of the last message. */
static void receive(int fd, int wait, uint32_t last)
{
	static char buffer[1 << 16];
	for (;;) {
		ssize_t n = recv(fd, buffer, sizeof buffer, wait ? 0 : MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
		if (n < 0) die("recv");
		for (struct nlmsghdr *h = (struct nlmsghdr *)buffer; NLMSG_OK(h, n); h = NLMSG_NEXT(h, n)) {
			if (h->nlmsg_type != NLMSG_ERROR) continue;
			if (*(int *)NLMSG_DATA(h) != 0) errors++;
			if (h->nlmsg_seq == last) return;
		}
	}
}

static void transmit(int fd, const char *buffer, int size)
{
	if (send(fd, buffer, size, 0) != size) die("send");
}

static void phase(int fd, const char *name, int type, int flags, int way)
{
	static char buffer[BATCH + 512];
	char *at = buffer;
	double from = now(), cpu_from = cpu();
	for (int i = 0; i < count; i++) {
		int is_last = i + 1 == count;
		at = route(at, &prefixes[i], type, flags | (is_last ? NLM_F_ACK : 0), i + 1, way);
		if (at - buffer < BATCH && !is_last) continue;
		transmit(fd, buffer, at - buffer);
		at = buffer;
		receive(fd, is_last, count);
	}
	printf("\"%s\":%.6f,\"%sCpu\":%.6f,", name, now() - from, name, cpu() - cpu_from);
}

static void nexthop(int fd, int way)
{
	char buffer[256];
	struct nlmsghdr *h = (struct nlmsghdr *)buffer;
	struct nhmsg *m = NLMSG_DATA(h);
	uint32_t id = 1001 + way;
	char *end = buffer + NLMSG_SPACE(sizeof *m);
	memset(buffer, 0, sizeof buffer);
	h->nlmsg_type = RTM_NEWNEXTHOP;
	h->nlmsg_flags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_ACK;
	h->nlmsg_seq = 1;
	m->nh_family = family;
	end = put(end, NHA_ID, &id, 4);
	end = put(end, NHA_GATEWAY, gateways[way], octets);
	end = put(end, NHA_OIF, &interface, 4);
	h->nlmsg_len = end - buffer;
	transmit(fd, buffer, h->nlmsg_len);
	receive(fd, 1, 1);
}

int main(int argc, char **argv)
{
	if (argc != 6) return fprintf(stderr, "usage: see the head of fib-writer.c\n"), 2;
	family = strchr(argv[4], ':') ? AF_INET6 : AF_INET;
	octets = family == AF_INET ? 4 : 16;
	interface = atoi(argv[2]);
	is_nexthop = strcmp(argv[3], "nexthop") == 0;
	for (int i = 0; i < 2; i++) if (inet_pton(family, argv[4 + i], gateways[i]) != 1) die("gateway");
	FILE *file = fopen(argv[1], "r");
	if (!file) die(argv[1]);
	char line[128];
	int room = 0;
	while (fgets(line, sizeof line, file)) {
		char *slash = strchr(line, '/');
		if (!slash) continue;
		*slash = 0;
		if (count == room) prefixes = realloc(prefixes, (room = room ? 2 * room : 4096) * sizeof *prefixes);
		if (inet_pton(family, line, prefixes[count].address) != 1) die(line);
		prefixes[count++].length = atoi(slash + 1);
	}
	fclose(file);
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE), size = 16 << 20, one = 1;
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	if (fd < 0 || connect(fd, (struct sockaddr *)&kernel, sizeof kernel)) die("socket");
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size);
	setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &one, sizeof one);
	if (is_nexthop) for (int i = 0; i < 2; i++) nexthop(fd, i);
	printf("{");
	phase(fd, "add", RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, 0);
	phase(fd, "replace", RTM_NEWROUTE, NLM_F_REPLACE, 1);
	phase(fd, "delete", RTM_DELROUTE, 0, 0);
	printf("\"errors\":%d}\n", errors);
	return 0;
}
