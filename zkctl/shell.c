/*
 * zkctl shell: commands in one session, with line editing, history and completion where it is used at a terminal; from
 * a file it is a script, which the first failure ends. While a person thinks, the session is kept alive.
 */
#include <errno.h>
#include <histedit.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <wchar.h>

#include "base/mem.h"
#include "complete.h"
#include "data.h"
#include "jute/path.h"
#include "term.h"

enum { HISTORY_LINES = 1000, PING_MS = 1000, PROMPT_BYTES = 512, CANDIDATES_SHOWN = 200 };

struct shell {
	struct options o; /* of every command: session and folder */
	struct zk *z;
	char *folder;
	EditLine *el;
	History *history;
	Tokenizer *tok;
	char history_file[PATH_MAX]; /* "" for none */
	char prompt[PROMPT_BYTES];
	mbstate_t bytes; /* of a character that has not come whole */
	bool done;
	int status; /* of the last command */
};

/* ---- The commands that only a shell has ---- */

static int
do_cd(struct shell *s, int argc, char **argv)
{
	char *path = data_path(&s->o, argc > 1 ? argv[1] : "/");
	struct zk_answer a;
	int32_t code = ZK_OK;
	int status;

	if (path == NULL)
		return ZKCTL_USAGE;
	status = data_check(s->z, zk_exists(s->z, path, &a, &code), &code, "go to", path);
	if (status != ZKCTL_OK) {
		mem_free(path);
		return status;
	}
	mem_free(s->folder);
	s->folder = path;
	s->o.folder = path;
	return ZKCTL_OK;
}

static int
do_pwd(struct shell *s, int argc, char **argv)
{
	(void)argc;
	(void)argv;
	puts(s->folder);
	return ZKCTL_OK;
}

static int
do_exit(struct shell *s, int argc, char **argv)
{
	(void)argc;
	(void)argv;
	s->done = true;
	return s->status;
}

static const struct {
	const char *name, *about;
	int (*run)(struct shell *s, int argc, char **argv);
} own[] = {
	{ "cd", "stand at another znode, where relative paths begin", do_cd },
	{ "pwd", "where that is", do_pwd },
	{ "exit", "end the session, its ephemerals go", do_exit },
	{ "quit", "likewise", do_exit },
};
enum { NOWN = sizeof own / sizeof own[0] };

static int
run_words(struct shell *s, int argc, char **argv)
{
	for (int i = 0; i < NOWN; i++)
		if (strcmp(argv[0], own[i].name) == 0)
			return own[i].run(s, argc, argv);
	if (strcmp(argv[0], "shell") == 0)
		return complain(ZKCTL_USAGE, "this is the shell already");
	if (strcmp(argv[0], "help") == 0 && argc == 1) {
		puts("in the shell only:");
		for (int i = 0; i < NOWN; i++)
			printf("  %-29s %s\n", own[i].name, own[i].about);
		puts("");
	}
	return command_run(&s->o, argc, argv);
}

static void
run_line(struct shell *s, const char *line)
{
	const char **argv;
	char **words;
	int argc;

	tok_reset(s->tok);
	if (tok_str(s->tok, line, &argc, &argv) != 0) {
		s->status = complain(ZKCTL_USAGE, "a quote is not closed");
		return;
	}
	if (argc == 0 || argv[0][0] == '#')
		return;
	/* getopt moves them. */
	words = mem_zalloc((size_t)argc + 1, sizeof *words);
	for (int i = 0; i < argc; i++)
		words[i] = (char *)argv[i];
	data_go_on();
	s->status = run_words(s, argc, words);
	fflush(stdout);
	mem_free(words);
}

/* ---- Completion ---- */

struct candidates {
	char **words;
	size_t n, common; /* bytes that all begin with */
};

static void
keep(void *ctx, const char *word, const char *about)
{
	struct candidates *c = ctx;

	(void)about;
	c->words = mem_realloc(c->words, (c->n + 1) * sizeof *c->words);
	c->words[c->n] = mem_strndup(word, strlen(word));
	if (c->n == 0)
		c->common = strlen(word);
	for (size_t i = 0; i < c->common; i++)
		if (c->words[0][i] != word[i])
			c->common = i;
	c->n++;
}

static void
keep_own(struct candidates *c, int nwords, const char *word)
{
	for (int i = 0; i < NOWN && nwords == 1; i++)
		if (strncmp(own[i].name, word, strlen(word)) == 0)
			keep(c, own[i].name, NULL);
}

static void
show(struct shell *s, const struct candidates *c)
{
	size_t widest = 0, columns, at = 0;

	for (size_t i = 0; i < c->n; i++)
		widest = strlen(c->words[i]) > widest ? strlen(c->words[i]) : widest;
	columns = widest + 2 > 80 ? 1 : 80 / (widest + 2);
	puts("");
	for (size_t i = 0; i < c->n && i < CANDIDATES_SHOWN; i++)
		printf("%-*s%s", (int)widest + 2, c->words[i], ++at % columns == 0 ? "\n" : "");
	printf("%s%s", at % columns == 0 ? "" : "\n", c->n > CANDIDATES_SHOWN ? "...\n" : "");
	fflush(stdout);
	(void)s;
}

static unsigned char
insert(struct shell *s, const struct candidates *c, const char *word, enum complete_kind kind)
{
	char *more = mem_strndup(c->words[0] + strlen(word), c->common - strlen(word));
	unsigned char result = CC_REFRESH;

	if (more[0] != '\0')
		el_insertstr(s->el, more);
	if (c->n == 1 && kind == COMPLETE_WORDS)
		el_insertstr(s->el, " ");
	if (c->n > 1 && more[0] == '\0') {
		show(s, c);
		result = CC_REDISPLAY;
	}
	mem_free(more);
	return result;
}

static unsigned char
on_tab(EditLine *el, int key)
{
	struct candidates c = { NULL, 0, 0 };
	const LineInfo *line = el_line(el);
	enum complete_kind kind = COMPLETE_WORDS;
	unsigned char result = CC_ERROR;
	struct shell *s;
	const char **argv;
	int argc, word_at, in_word;

	(void)key;
	el_get(el, EL_CLIENTDATA, &s);
	tok_reset(s->tok);
	if (tok_line(s->tok, line, &argc, &argv, &word_at, &in_word) != 0)
		return CC_ERROR;
	char **words = mem_zalloc((size_t)word_at + 2, sizeof *words);
	for (int i = 0; i < word_at; i++)
		words[i] = (char *)argv[i];
	words[word_at] = word_at < argc ? mem_strndup(argv[word_at], (size_t)in_word) : mem_strndup("", 0);
	char *word = words[word_at];
	if (word_at == 1 && strcmp(words[0], "cd") == 0)
		words[0] = (char *)"stat"; /* takes a path as well */
	keep_own(&c, word_at + 1, word);
	kind = complete(&s->o, word_at + 1, words, keep, &c);
	if (c.n > 0)
		result = insert(s, &c, word, kind);
	for (size_t i = 0; i < c.n; i++)
		mem_free(c.words[i]);
	mem_free(c.words);
	mem_free(word);
	mem_free(words);
	return result;
}

/* ---- The terminal ---- */

static char *
prompt(EditLine *el)
{
	struct shell *s;

	el_get(el, EL_CLIENTDATA, &s);
	snprintf(s->prompt, sizeof s->prompt, "%s:%s %s> ", s->z->server->host, s->z->server->port,
		 s->folder);
	return s->prompt;
}

/* One character, and pings while there is none. -1 with EINTR gives the line up. */
static int
read_key(EditLine *el, wchar_t *out)
{
	struct shell *s;

	el_get(el, EL_CLIENTDATA, &s);
	for (;;) {
		struct pollfd p = { .fd = STDIN_FILENO, .events = POLLIN };
		char byte;
		ssize_t n;
		if (data_stopped()) {
			errno = EINTR;
			return -1;
		}
		if (poll(&p, 1, PING_MS) <= 0) {
			if (!data_stopped())
				(void)zk_idle(s->z); /* a session that is lost is told when it is used */
			continue;
		}
		n = read(STDIN_FILENO, &byte, 1);
		if (n <= 0)
			return (int)n;
		size_t done = mbrtowc(out, &byte, 1, &s->bytes);
		if (done == (size_t)-1)
			memset(&s->bytes, 0, sizeof s->bytes);
		else if (done != (size_t)-2)
			return 1;
	}
}

static void
open_history(struct shell *s)
{
	const char *home = getenv("HOME");
	HistEvent ev;

	s->history = history_init();
	history(s->history, &ev, H_SETSIZE, HISTORY_LINES);
	history(s->history, &ev, H_SETUNIQUE, 1);
	if (home == NULL || home[0] != '/')
		return;
	snprintf(s->history_file, sizeof s->history_file, "%s/.zkctl_history", home);
	history(s->history, &ev, H_LOAD, s->history_file);
}

/* A line that begins with a space is not kept: it may hold data that is secret. */
static void
remember(struct shell *s, const char *line)
{
	HistEvent ev;

	if (line[0] == ' ' || line[0] == '\n')
		return;
	history(s->history, &ev, H_ENTER, line);
}

static void
save_history(struct shell *s)
{
	mode_t old = umask(0077);
	HistEvent ev;

	if (s->history_file[0] != '\0')
		history(s->history, &ev, H_SAVE, s->history_file);
	umask(old);
	history_end(s->history);
}

static void
run_terminal(struct shell *s)
{
	const char *line;
	int n;

	open_history(s);
	s->el = el_init("zkctl", stdin, stdout, stderr);
	el_set(s->el, EL_CLIENTDATA, s);
	el_set(s->el, EL_PROMPT, prompt);
	el_set(s->el, EL_EDITOR, "emacs");
	el_set(s->el, EL_HIST, history, s->history);
	el_set(s->el, EL_ADDFN, "zkctl-complete", "complete commands and paths", on_tab);
	el_set(s->el, EL_BIND, "^I", "zkctl-complete", NULL);
	el_set(s->el, EL_BIND, "^R", "em-inc-search-prev", NULL);
	el_set(s->el, EL_GETCFN, read_key);
	el_source(s->el, NULL);
	while (!s->done) {
		line = el_gets(s->el, &n);
		if (line == NULL && data_stopped()) {
			data_go_on();
			puts("^C");
			continue;
		}
		if (line == NULL || n <= 0)
			break;
		remember(s, line);
		run_line(s, line);
	}
	if (!s->done)
		puts("");
	el_end(s->el);
	save_history(s);
}

static void
run_script(struct shell *s)
{
	char *line = NULL;
	size_t size = 0;

	while (!s->done && s->status == ZKCTL_OK && getline(&line, &size, stdin) > 0)
		run_line(s, line);
	free(line); /* getline's */
}

int
command_shell(const struct options *o, int argc, char **argv)
{
	struct shell s = { .o = *o };
	int status;

	(void)argc;
	(void)argv;
	status = data_open(o, &s.z);
	if (status != ZKCTL_OK)
		return status;
	s.folder = mem_strndup("/", 1);
	s.o.zk = s.z;
	s.o.folder = s.folder;
	s.o.given = 0;
	s.tok = tok_init(NULL);
	if (isatty(STDIN_FILENO) && term_output_is_terminal())
		run_terminal(&s);
	else
		run_script(&s);
	tok_end(s.tok);
	mem_free(s.folder);
	data_close(o, s.z);
	return isatty(STDIN_FILENO) ? ZKCTL_OK : s.status;
}
