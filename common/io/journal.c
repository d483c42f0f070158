/* See journal.h. Bounded, allocates nothing: a line may have to be written anywhere. */
#include "io/journal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static const char journal_path[] = "/run/systemd/journal/socket";
static const char *const field_keys[] = { "zxid", "epoch", "sid", "peer", "session", "daemon" };
enum { NFIELDS = sizeof field_keys / sizeof field_keys[0] };

static const struct {
	const char *event, *id;
} message_ids[] = {
#define X(event, id) { event, id },
#include "io/events.def"
#undef X
};

bool
journal_is_behind(int fd, const char *stream)
{
	unsigned long long dev, ino;
	struct stat st;

	if (stream == NULL || sscanf(stream, "%llu:%llu", &dev, &ino) != 2 || fstat(fd, &st) != 0)
		return false;
	return st.st_dev == dev && st.st_ino == ino;
}

int
journal_connect(const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), error;

	path = path == NULL ? journal_path : path;
	if (fd < 0)
		return -errno;
	snprintf(sa.sun_path, sizeof sa.sun_path, "%s", path);
	if (connect(fd, (struct sockaddr *)&sa, sizeof sa) == 0)
		return fd;
	error = errno;
	close(fd);
	return -error;
}

const char *
journal_message_id(const char *event)
{
	for (size_t i = 0; i < sizeof message_ids / sizeof message_ids[0]; i++)
		if (strcmp(message_ids[i].event, event) == 0)
			return message_ids[i].id;
	return NULL;
}

/* A datagram in the making: what does not fit is left out, field by field. */
struct datagram {
	char *out;
	size_t len;
};

static void
put_field(struct datagram *d, const char *name, const char *value, size_t len)
{
	size_t name_len = strlen(name);

	if (d->len + name_len + len + 2 > JOURNAL_DATAGRAM_BYTES)
		return;
	for (size_t i = 0; i < name_len; i++)
		d->out[d->len++] = (char)(name[i] >= 'a' && name[i] <= 'z' ? name[i] - 'a' + 'A' : name[i]);
	d->out[d->len++] = '=';
	memcpy(d->out + d->len, value, len);
	d->len += len;
	d->out[d->len++] = '\n';
}

/* The end of the value at p: of a quoted one behind its quote, which a backslash hides. */
static const char *
value_end(const char *p)
{
	if (*p != '"')
		return p + strcspn(p, " ");
	for (p++; *p != '\0' && *p != '"'; p++)
		if (*p == '\\' && p[1] != '\0')
			p++;
	return *p == '"' ? p + 1 : p;
}

/*
 * The keys of the line that are fields, each once, and never from within a quoted value: what a client chose may look
 * like a key. True when it named a daemon.
 */
static bool
put_keys(struct datagram *d, const char *keys)
{
	bool seen[NFIELDS] = { false };

	for (const char *p = keys; *p != '\0';) {
		size_t name_len = strcspn(p, "= ");
		const char *value, *end;
		if (p[name_len] != '=') {
			p += name_len + (p[name_len] == ' ');
			continue;
		}
		value = p + name_len + 1;
		end = value_end(value);
		for (int i = 0; i < NFIELDS; i++) {
			bool quoted = *value == '"' && end - value >= 2;
			if (seen[i] || strlen(field_keys[i]) != name_len ||
			    memcmp(p, field_keys[i], name_len) != 0)
				continue;
			seen[i] = true;
			put_field(d, field_keys[i], value + quoted, (size_t)(end - value) - 2 * quoted);
		}
		p = end + (*end == ' ');
	}
	return seen[NFIELDS - 1];
}

size_t
journal_format(char out[JOURNAL_DATAGRAM_BYTES], int level, const char *program, const char *event,
	       const char *line)
{
	struct datagram d = { .out = out };
	const char *id = journal_message_id(event);
	size_t event_len = strlen(event);
	char priority[8];
	bool named = false;

	put_field(&d, "PRIORITY", priority, (size_t)snprintf(priority, sizeof priority, "%d", level));
	put_field(&d, "SYSLOG_IDENTIFIER", program, strlen(program));
	put_field(&d, "MESSAGE", line, strlen(line));
	if (id != NULL)
		put_field(&d, "MESSAGE_ID", id, strlen(id));
	if (strncmp(line, event, event_len) == 0 && line[event_len] == ' ')
		named = put_keys(&d, line + event_len + 1);
	if (!named)
		put_field(&d, "DAEMON", program, strlen(program));
	return d.len;
}

void
journal_send(int fd, int level, const char *program, const char *event, const char *line)
{
	char out[JOURNAL_DATAGRAM_BYTES];
	size_t len = journal_format(out, level, program, event, line);

	(void)!send(fd, out, len, MSG_DONTWAIT | MSG_NOSIGNAL);
}
