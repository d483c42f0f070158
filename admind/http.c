/*
 * See http.h. Invariants: the library's connection of an exchange with unanswered questions is suspended, and is resumed
 * by the last answer; a visitor is in its site's list exactly while the library knows the connection.
 */
#include "http.h"

#include <errno.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "io/clock.h"
#include "io/log.h"
#include "ipc/msg.h"

/* A connection. */
struct visitor {
	struct list link;
	int fd; /* the library's */
	uint64_t until_ms;
	bool told; /* to go */
};

static const struct page plain_page = { .type = "text/plain; charset=utf-8" };

/* ---- answers ---- */

static void
print_answer(struct exchange *x)
{
	struct http *h = x->http;

	x->page->print(x);
	if (x->out.overflow || h->held + buf_len(&x->out) > HTTP_HELD_MAX) {
		buf_reset(&x->out, 0);
		buf_put_slice(&x->out, SLICE_LIT("too much to answer now\n"));
		x->page = &plain_page;
		x->status = MHD_HTTP_SERVICE_UNAVAILABLE;
	}
	x->held = buf_len(&x->out);
	h->held += x->held;
}

/* The last question has its answer, or will have none. */
static void
complete(struct exchange *x)
{
	print_answer(x);
	if (x->suspended)
		MHD_resume_connection(x->connection);
	x->suspended = false;
}

static const ProtobufCMessageDescriptor *
answer_type(const struct source *s)
{
	return s->word != NULL ? &zkd__word_answer__descriptor : &zkd__status__descriptor;
}

static void
on_answered(struct question *q, const struct frame *f)
{
	struct exchange *x = q->owner;
	size_t i = (size_t)(q - x->questions);

	if (f != NULL)
		x->answers[i] = proto_take(&x->arena, answer_type(&x->page->sources[i]), f->body);
	if (--x->waiting == 0)
		complete(x);
}

static int
put_question(struct exchange *x, unsigned i, uint64_t now_ms)
{
	const struct source *s = &x->page->sources[i];
	Zkd__WordRequest word = ZKD__WORD_REQUEST__INIT;

	x->questions[i].owner = x;
	x->questions[i].answered = on_answered;
	if (s->word == NULL)
		return ask_send(x->http->ask, &x->questions[i], s->program, MSG_STATUS, NULL, now_ms);
	word.word = (char *)(uintptr_t)s->word;
	word.mask = x->argument;
	return ask_send(x->http->ask, &x->questions[i], s->program, MSG_WORD, &word.base, now_ms);
}

static void
take_argument(struct exchange *x)
{
	const char *text =
	    MHD_lookup_connection_value(x->connection, MHD_GET_ARGUMENT_KIND, x->page->argument);
	char *end;

	if (text == NULL || *text == '\0')
		return;
	errno = 0;
	x->argument = strtoll(text, &end, 10);
	x->has_argument = errno == 0 && *end == '\0';
}

/* True: the answer is ready. */
static bool
begin(struct exchange *x)
{
	uint64_t now_ms = clock_mono_ms();

	x->begun = true;
	if (x->page->argument != NULL)
		take_argument(x);
	for (unsigned i = 0; i < x->page->nsources && (x->page->argument == NULL || x->has_argument); i++)
		x->waiting += put_question(x, i, now_ms) == 0;
	if (x->waiting > 0)
		return false;
	print_answer(x);
	return true;
}

/* ---- the library's callbacks ---- */

static enum MHD_Result
respond(struct exchange *x)
{
	struct MHD_Response *r = MHD_create_response_from_buffer(
	    buf_len(&x->out), (void *)(uintptr_t)buf_head(&x->out), MHD_RESPMEM_PERSISTENT);
	enum MHD_Result result;

	if (r == NULL)
		return MHD_NO;
	MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, x->page->type);
	MHD_add_response_header(r, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	MHD_add_response_header(r, MHD_HTTP_HEADER_CONNECTION, "close");
	if (x->status == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(r, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
	result = MHD_queue_response(x->connection, x->status, r);
	MHD_destroy_response(r);
	return result;
}

static enum MHD_Result
refuse(struct exchange *x, unsigned status, const char *text)
{
	x->site->refused++;
	x->page = &plain_page;
	x->status = status;
	buf_put_slice(&x->out, slice_str(text));
	return respond(x);
}

static struct exchange *
make_exchange(struct site *s, struct MHD_Connection *connection)
{
	struct exchange *x = mem_zalloc(1, sizeof *x);

	x->http = s->http;
	x->site = s;
	x->connection = connection;
	x->status = MHD_HTTP_OK;
	for (unsigned i = 0; i < PAGE_SOURCES_MAX; i++)
		list_init(&x->questions[i].link);
	arena_init(&x->arena, PAGE_SOURCES_MAX * (size_t)PROTO_ARENA_MAX);
	buf_init(&x->out, HTTP_TEXT_MAX);
	s->requests++;
	return x;
}

static bool
is_read(const char *method)
{
	return strcmp(method, MHD_HTTP_METHOD_GET) == 0 || strcmp(method, MHD_HTTP_METHOD_HEAD) == 0;
}

/* Called when the head has come, then again when the body has, and after each resumption. */
static enum MHD_Result
on_request(void *cls, struct MHD_Connection *connection, const char *url, const char *method,
	   const char *version, const char *body, size_t *body_size, void **context)
{
	struct site *s = cls;
	struct exchange *x = *context;

	(void)version;
	(void)body;
	if (x == NULL) {
		*context = x = make_exchange(s, connection);
		return is_read(method) ? MHD_YES
				       : refuse(x, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD\n");
	}
	x->path = url;
	if (*body_size != 0)
		return MHD_NO; /* a GET has none: the connection ends */
	if (!x->begun && (x->page = s->find(s->http->config, url)) == NULL)
		return refuse(x, MHD_HTTP_NOT_FOUND, "not found\n");
	if (x->begun || begin(x))
		return respond(x);
	x->suspended = true;
	MHD_suspend_connection(connection);
	return MHD_YES;
}

static void
on_completed(void *cls, struct MHD_Connection *connection, void **context,
	     enum MHD_RequestTerminationCode code)
{
	struct exchange *x = *context;

	(void)cls;
	(void)connection;
	(void)code;
	if (x == NULL)
		return;
	for (unsigned i = 0; i < PAGE_SOURCES_MAX; i++)
		ask_cancel(&x->questions[i]);
	x->http->held -= x->held;
	buf_free(&x->out);
	arena_free(&x->arena);
	mem_free(x);
	*context = NULL;
}

static void
on_connection(void *cls, struct MHD_Connection *connection, void **context,
	      enum MHD_ConnectionNotificationCode code)
{
	struct site *s = cls;
	struct visitor *v = *context;

	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		v = mem_zalloc(1, sizeof *v);
		v->fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
		v->until_ms = clock_mono_ms() + HTTP_LIFE_MS;
		list_append(&s->visitors, &v->link);
		*context = v;
	} else if (v != NULL) {
		list_remove(&v->link);
		mem_free(v);
		*context = NULL;
	}
}

static void __attribute__((format(printf, 2, 0))) on_library_log(void *cls, const char *fmt, va_list ap)
{
	const struct site *s = cls;
	char text[200];
	int n = vsnprintf(text, sizeof text, fmt, ap);

	n = n < 0 ? 0 : n >= (int)sizeof text ? (int)sizeof text - 1 : n;
	while (n > 0 && text[n - 1] == '\n')
		n--;
	log_event(LOG_INFO, "http", "site=%s says=%s", s->name, log_quote(slice_of(text, (size_t)n)).text);
}

/* ---- the site ---- */

static void
on_accepted(void *owner, int fd, const struct sockaddr_storage *peer, socklen_t len)
{
	struct site *s = owner;

	/* It closes what it does not take. */
	if (MHD_add_connection(s->mhd, fd, (const struct sockaddr *)peer, len) == MHD_NO)
		s->refused++;
}

static void
on_ready(struct ev_loop *loop, ev_io *w, int revents)
{
	(void)loop; /* site_step, at the end of this turn, does it */
	(void)w;
	(void)revents;
}

static struct MHD_Daemon *
start_library(struct site *s, unsigned idle_ms)
{
	return MHD_start_daemon(
	    MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0, NULL,
	    NULL, on_request, s, MHD_OPTION_EXTERNAL_LOGGER, on_library_log, s, MHD_OPTION_CONNECTION_LIMIT,
	    (unsigned)HTTP_CONNECTIONS_MAX, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HTTP_HEAD_BYTES,
	    MHD_OPTION_CONNECTION_TIMEOUT, (idle_ms + 999) / 1000, MHD_OPTION_STRICT_FOR_CLIENT, 1,
	    MHD_OPTION_NOTIFY_COMPLETED, on_completed, s, MHD_OPTION_NOTIFY_CONNECTION, on_connection, s,
	    MHD_OPTION_END);
}

int
site_start(struct site *s, struct http *h, const char *name, int listener, unsigned idle_ms,
	   const struct page *(*find)(const struct config *c, const char *path))
{
	const union MHD_DaemonInfo *info;

	*s = (struct site){ .name = name, .http = h, .find = find };
	list_init(&s->visitors);
	s->mhd = start_library(s, idle_ms);
	info = s->mhd == NULL ? NULL : MHD_get_daemon_info(s->mhd, MHD_DAEMON_INFO_EPOLL_FD);
	if (info == NULL) {
		close(listener);
		return -ENOMEM;
	}
	ev_io_init(&s->ready, on_ready, info->epoll_fd, EV_READ);
	ev_io_start(h->turn->loop, &s->ready);
	acceptor_start(&s->acceptor, h->turn->loop, listener, name, on_accepted, s);
	return 0;
}

/* Whoever has been here for too long is cut off; the library sees it as the end of the connection. */
static uint64_t
send_away(struct site *s, uint64_t now_ms)
{
	list_for_each (e, &s->visitors) {
		struct visitor *v = container_of(e, struct visitor, link);

		if (v->told)
			continue;
		if (v->until_ms > now_ms)
			return v->until_ms;
		v->told = true;
		shutdown(v->fd, SHUT_RDWR);
	}
	return TURN_NO_DEADLINE;
}

uint64_t
site_step(struct site *s, uint64_t now_ms)
{
	uint64_t next;
	MHD_UNSIGNED_LONG_LONG ms;

	if (s->mhd == NULL)
		return TURN_NO_DEADLINE;
	next = send_away(s, now_ms);
	MHD_run(s->mhd);
	if (MHD_get_timeout(s->mhd, &ms) == MHD_YES && now_ms + ms < next)
		next = now_ms + ms;
	return next;
}

void
site_stop(struct site *s)
{
	if (s->mhd == NULL)
		return;
	acceptor_stop(&s->acceptor);
	ev_io_stop(s->http->turn->loop, &s->ready);
	MHD_stop_daemon(s->mhd);
	s->mhd = NULL;
}
