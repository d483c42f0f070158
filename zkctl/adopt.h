/*
 * zkctl adopt: what an existing installation of ZooKeeper is configured with, read without a JVM, and what of it zkd
 * takes over. One struct adoption goes from hand to hand:
 *
 *	adopt_read	finds the files and reads them: zoo.cfg, the shell's environment files, the command line of a
 *			server that runs with them
 *	adopt_judge	says of each setting what becomes of it
 *	adopt_compose	makes zkd's zoo.cfg of those that carry over, and has the configuration's own parser judge it
 *	adopt_look	looks at the data folders (census.h), and for who uses them
 *
 * Nothing is changed by any of them. Everything lives in the arena until adopt_free.
 *
 * What takes effect in ZooKeeper, and from where, is QuorumPeerConfig.parseProperties: the keys it names count only in
 * zoo.cfg; any other key of zoo.cfg becomes the JVM property "zookeeper.KEY", which the same property on the command
 * line does not overrule; and a few properties have no "zookeeper." before their name, so that zoo.cfg cannot set them.
 */
#ifndef ZKCTL_ADOPT_H
#define ZKCTL_ADOPT_H

#include <stdio.h>

#include "base/arena.h"
#include "base/buf.h"
#include "census.h"
#include "config/config.h"
#include "config/keys.h"
#include "zkctl.h"

enum {
	ADOPT_SETTINGS_MAX = 2000,
	ADOPT_FINDINGS_MAX = 2000,
	ADOPT_PROCESSES_MAX = 16,
	ADOPT_ARENA_MAX = 64 << 20,
};

/* What becomes of a thing; the order is that of the report. */
enum adopt_class {
	ADOPT_CARRIES, /* does in zkd what it did in ZooKeeper */
	ADOPT_DIFFERS, /* zkd goes another way here; the text says which */
	ADOPT_MISSING, /* zkd does not have it, and does harm to nobody without */
	ADOPT_DECIDE,  /* somebody has to choose before zkd starts */
	ADOPT_STOPS,   /* cannot be taken over */
	ADOPT_CLASSES
};

struct adopt_finding {
	enum adopt_class class;
	const char *subject; /* a key as it was written, or what the finding is about */
	const char *value;   /* NULL: none, or a secret */
	const char *where;   /* "zoo.cfg:3"; NULL: nowhere in particular */
	int tier;            /* of the key; 0: no key */
	const char *text;    /* NULL: there is nothing to add */
};

enum adopt_source { ADOPT_CFG, ADOPT_FLAGS, ADOPT_PROCESS, ADOPT_DEFINE };

struct adopt_setting {
	enum adopt_source source;
	const char *written, *value; /* the key as it stands there */
	const char *where;
	const char *name;             /* as zkd's table has it; NULL: it has no effect in ZooKeeper */
	const struct config_key *key; /* NULL: in no table */
	bool carried;                 /* becomes a line of zkd's zoo.cfg */
	bool seen;                    /* a server that runs has the same on its command line */
};

/* A server that runs with this configuration, or has files in the data folders open. */
struct adopt_process {
	long pid;
	const char *name; /* "java", "logd" */
	const char *cwd;  /* NULL: not to be seen */
	bool by_config;   /* zoo.cfg is on its command line */
};

struct adoption {
	struct arena arena;
	const char *folder, *cfg; /* of zoo.cfg; zoo.cfg itself; both as named */
	struct adopt_setting *settings;
	size_t nsettings;
	struct adopt_finding *findings;
	size_t nfindings;
	struct adopt_process processes[ADOPT_PROCESSES_MAX];
	size_t nprocesses;
	struct config *config; /* zkd's; NULL where it is not good */
	struct buf text;       /* zkd's zoo.cfg */
	bool has_secret;       /* it holds one */
	struct census census;
};

/* All of it. 0, or an exit status after a complaint: then nothing could be read. */
int adopt_all(const struct options *o, const char *path, struct adoption *a);
void adopt_free(struct adoption *a);

int adopt_read(const char *path, struct adoption *a);
void adopt_find_processes(struct adoption *a);
void adopt_judge(const struct options *o, struct adoption *a);
void adopt_compose(const struct options *o, struct adoption *a);
void adopt_look(struct adoption *a);

/* The last setting of that name that counts, or NULL. */
const struct adopt_setting *adopt_find(const struct adoption *a, const char *name);
/* How many findings are of a class. */
size_t adopt_count(const struct adoption *a, enum adopt_class class);
void adopt_add(struct adoption *a, enum adopt_class class, const char *subject, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* Of a setting: its key, value (unless secret) and place. format NULL: nothing to add. */
void adopt_add_setting(struct adoption *a, enum adopt_class class, const struct adopt_setting *s,
		       const char *format, ...) __attribute__((format(printf, 4, 5)));
/* A string in the arena. */
const char *adopt_format(struct adoption *a, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool adopt_is_secret(const struct adopt_setting *s);

/* The report, and what to do next. */
void adopt_print(const struct adoption *a, FILE *out);
/* What to do next, one command or "# comment" a line, for the configuration written to file. */
void adopt_put_commands(const struct adoption *a, const char *file, struct buf *out);

#endif
