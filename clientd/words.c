/*
 * The four-letter words: the first four bytes of a connection, an answer in text, the end of the connection
 * (ZooKeeper: FourLetterCommands). Texts are ZooKeeper's, since people's scripts parse them.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "words.h"

#include "base/bytes.h"

enum { LINE_MAX_BYTES = 512, WORD_BYTES = 4, STMK_BYTES = 12 };

static const char not_serving[] = "This ZooKeeper instance is not currently serving requests\n";

void
word_put(struct word_call *w, const char *fmt, ...)
{
	char line[LINE_MAX_BYTES];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof line, fmt, ap);
	va_end(ap);
	if (n > 0)
		buf_put(w->out, line, (size_t)n < sizeof line ? (size_t)n : sizeof line - 1);
}

const char *
word_average(uint64_t total, uint64_t count, char text[32])
{
	int n = snprintf(text, 32, "%.4f", count == 0 ? 0 : (double)total / (double)count);

	while (n > 2 && text[n - 1] == '0' && text[n - 2] != '.')
		text[--n] = '\0';
	return text;
}

bool
list_more(struct word_call *w)
{
	size_t cost = buf_len(w->out) - w->mark + LIST_ITEM_COST;

	w->mark = buf_len(w->out);
	if (w->cut || cost > w->left) {
		w->cut = true;
		return false;
	}
	w->left -= cost;
	return true;
}

static void
word_srvr(struct word_call *w)
{
	word_put_head(w);
	word_put_server(w);
}

static void
word_ruok(struct word_call *w)
{
	word_put(w, "imok");
}

static void
word_isro(struct word_call *w)
{
	word_put(w, !front_open(w->f) ? "null" : w->f->role.state == ROLE_READONLY ? "ro" : "rw");
}

static void
put_size_behind(struct word_call *w, const char *line, const char *key, const char *name, uint64_t bytes)
{
	if (w->f->sizes.known && strncmp(line, key, strlen(key)) == 0)
		word_put(w, "%s=%" PRIu64 "\n", name, bytes);
}

/* The lines of the configuration, each folder's with its size behind it. */
static void
word_conf(struct word_call *w)
{
	const char *end;

	for (const char *p = w->f->config.conf; (end = strchr(p, '\n')) != NULL; p = end + 1) {
		buf_put(w->out, p, (size_t)(end + 1 - p));
		put_size_behind(w, p, "dataDir=", "dataDirSize", w->f->sizes.data_bytes);
		put_size_behind(w, p, "dataLogDir=", "dataLogSize", w->f->sizes.log_bytes);
	}
	buf_put_slice(w->out, buf_slice(&w->f->members));
}

static void
word_envi(struct word_call *w)
{
	word_put(w, "Environment:\nzookeeper.version=%s\n", w->f->config.version);
	buf_put_slice(w->out, slice_str(w->f->config.environment));
}

static void
word_crst(struct word_call *w)
{
	list_for_each (e, &w->f->conns)
		stats_reset(&container_of(e, struct front_conn, link)->stats);
	word_put(w, "Connection stats reset.\n");
}

static void
word_srst(struct word_call *w)
{
	stats_reset(&w->f->stats);
	metrics_reset(&w->f->metrics);
	w->f->proposal_sizes = (struct proposal_sizes){ -1, -1, -1 };
	word_put(w, "Server stats reset.\n");
}

/* What serves clients sees no file: logd tells, now and then. */
static void
word_dirs(struct word_call *w)
{
	if (w->f->sizes.known)
		word_put(w, "datadir_size: %" PRIu64 "\nlogdir_size: %" PRIu64 "\n", w->f->sizes.data_bytes,
			 w->f->sizes.log_bytes);
	else
		word_put(w, "The sizes are not known yet\n");
}

/* The trace mask of ZooKeeper's log; it steers nothing here, but is kept for those who set and ask for it. */
static void
word_gtmk(struct word_call *w)
{
	word_put(w, "%" PRId64, w->f->trace_mask);
}

static const struct word {
	char name[WORD_BYTES + 1];
	bool always; /* also while the node does not serve */
	word_fn *answer;
} words[] = {
	{ "srvr", false, word_srvr }, { "stat", false, word_stat }, { "ruok", true, word_ruok },
	{ "mntr", false, word_mntr }, { "conf", false, word_conf }, { "cons", false, word_cons },
	{ "isro", true, word_isro },  { "envi", true, word_envi },  { "wchs", false, word_wchs },
	{ "crst", false, word_crst }, { "srst", false, word_srst }, { "dirs", false, word_dirs },
	{ "dump", false, word_dump }, { "hash", false, word_hash }, { "wchc", false, word_wchc },
	{ "wchp", false, word_wchp }, { "gtmk", true, word_gtmk },  { "stmk", true, word_gtmk },
};

static const struct word *
find_word(const uint8_t *first)
{
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		if (memcmp(words[i].name, first, WORD_BYTES) == 0)
			return &words[i];
	return NULL;
}

/* list: words separated by commas and blanks, or "*". */
static bool
listed(const char *list, const char *name)
{
	if (strcmp(list, "*") == 0)
		return true;
	for (const char *p = list; *p != '\0';) {
		size_t n = strcspn(p, ", \t");

		if ((n == 4 && strncmp(p, name, 4) == 0) || (n == 1 && *p == '*'))
			return true;
		p += n;
		p += strspn(p, ", \t");
	}
	return false;
}

/* What all lists of this second may still cost, and this answer's. */
static size_t
list_budget(struct front *f)
{
	size_t left;

	if (f->now_ms - f->lists.since_ms >= 1000)
		f->lists = (struct list_budget){ .since_ms = f->now_ms };
	left = LIST_SECOND_BYTES - f->lists.spent;
	return left < LIST_MAX_BYTES ? left : LIST_MAX_BYTES;
}

int
front_word(struct front *f, const char *name, int64_t mask, size_t max, struct buf *out)
{
	const struct word *word = strlen(name) == WORD_BYTES ? find_word((const uint8_t *)name) : NULL;
	struct word_call w = { .f = f, .out = out, .mark = buf_len(out) };
	size_t budget;

	if (word == NULL)
		return -ENOENT;
	if (!word->always && !front_serving(f))
		return -EAGAIN;
	if (strcmp(name, "stmk") == 0)
		f->trace_mask = mask;
	budget = list_budget(f);
	w.left = budget = budget < max ? budget : max;
	word->answer(&w);
	f->lists.spent += budget - w.left;
	return w.cut;
}

static void
run(struct front *f, struct front_conn *c, const struct word *word)
{
	size_t budget = list_budget(f);
	struct word_call w = { .f = f, .asker = c, .out = &c->out, .mark = buf_len(&c->out), .left = budget };

	word->answer(&w);
	f->lists.spent += budget - w.left;
	if (w.cut)
		word_put(&w, "cut short: lists end after %d bytes, and all those of one second after %d\n",
			 LIST_MAX_BYTES, LIST_SECOND_BYTES);
}

static void
answer(struct front *f, struct front_conn *c, const struct word *word)
{
	struct word_call w = { .f = f, .out = &c->out };

	if (!listed(f->config.words, word->name))
		word_put(&w, "%s is not executed because it is not in the whitelist.\n", word->name);
	else if (!word->always && !front_open(f))
		word_put(&w, "%s", not_serving);
	else
		run(f, c, word);
}

/* stmk is followed by the mask. False: it has not come yet. */
static bool
take_mask(struct front *f, const struct word *word, struct slice data)
{
	if (strcmp(word->name, "stmk") != 0 || !listed(f->config.words, word->name))
		return true;
	if (data.len < STMK_BYTES)
		return false;
	f->trace_mask = (int64_t)get_be64(data.data + WORD_BYTES);
	return true;
}

bool
word_answer(struct front *f, struct front_conn *c, struct slice data)
{
	static const uint8_t telnet_interrupt[WORD_BYTES] = { 0xff, 0xf4, 0xff, 0xfd };
	const struct word *word = find_word(data.data);

	if (memcmp(data.data, telnet_interrupt, WORD_BYTES) == 0) {
		conn_kill(f, c, NULL);
		return true;
	}
	if (word == NULL)
		return false;
	if (!take_mask(f, word, data))
		return true;
	stats_received(f, c, WORD_BYTES);
	answer(f, c, word);
	/* ZooKeeper counts one for every two kilobytes of the answer. */
	c->stats.sent++;
	f->stats.sent++;
	conn_written(f, c);
	conn_finish(f, c);
	return true;
}
