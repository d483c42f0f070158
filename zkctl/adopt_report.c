/* What an adoption found, for people; and what they do next. See adopt.h. */
#include <errno.h>
#include <grp.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "adopt.h"
#include "base/quote.h"
#include "term.h"

enum { INDENT = 6 };

static const char *const headings[ADOPT_CLASSES] = {
	[ADOPT_CARRIES] = "Carries over",
	[ADOPT_DIFFERS] = "Goes another way in zkd",
	[ADOPT_MISSING] = "Missing in zkd (the tier tells how common it is: 1 common, 3 rare)",
	[ADOPT_DECIDE] = "To be decided",
	[ADOPT_STOPS] = "Stands in the way",
};

/* What a file says may hold anything. */
static void
print_plain(FILE *out, const char *text)
{
	for (; *text != '\0'; text++)
		fputc((unsigned char)*text < ' ' || *text == 0x7f ? '?' : *text, out);
}

static void
print_finding(FILE *out, const struct adopt_finding *f)
{
	fputs("  ", out);
	print_plain(out, f->subject);
	if (f->value != NULL) {
		fputc('=', out);
		print_plain(out, f->value);
	}
	if (f->where != NULL)
		fprintf(out, " (%s)", f->where);
	if (f->tier > 0 && (f->class == ADOPT_MISSING || f->class == ADOPT_STOPS))
		fprintf(out, " tier %d", f->tier);
	fputc('\n', out);
	if (f->text != NULL)
		term_print_folded(out, 0, f->text, INDENT);
}

static void
print_class(const struct adoption *a, FILE *out, enum adopt_class class)
{
	if (adopt_count(a, class) == 0)
		return;
	fprintf(out, "\n%s%s:%s\n", class == ADOPT_STOPS ? term_style(TERM_BAD) : term_style(TERM_BOLD),
		headings[class], term_style(TERM_PLAIN));
	for (size_t i = 0; i < a->nfindings; i++)
		if (a->findings[i].class == class)
			print_finding(out, &a->findings[i]);
}

static void
print_server(const struct adoption *a, FILE *out)
{
	const struct config *c = a->config;

	fprintf(out, "%s", a->cfg);
	if (c == NULL)
		fputs(": not usable as it is.\n", out);
	else if (config_is_ensemble(c))
		fprintf(out, ": server %" PRId64 " of an ensemble of %zu.\n", c->myid, c->nservers);
	else
		fputs(": a server of its own (standalone).\n", out);
}

static void
print_data(const struct adoption *a, FILE *out)
{
	const struct census *c = &a->census;
	char size[2][32];

	if (c->data_dir == NULL || c->error != 0)
		return;
	fprintf(out, "\nData in %s: %" PRIu64 " snapshots (%s), %" PRIu64 " logs (%s); last zxid 0x%" PRIx64,
		c->data_dir, c->snapshots, format_bytes(c->snapshot_bytes, size[0], sizeof size[0]), c->logs,
		format_bytes(c->log_bytes, size[1], sizeof size[1]), c->last_zxid);
	if (c->accepted_epoch >= 0)
		fprintf(out, ", epochs %" PRId64 " accepted, %" PRId64 " current", c->accepted_epoch,
			c->current_epoch);
	fprintf(out, "; %s free.\n", format_bytes(c->free_bytes, size[0], sizeof size[0]));
	if (c->newest_snapshot != NULL && c->snapshot_result == 0)
		fprintf(out,
			"Its newest snapshot is whole: %" PRIu64 " znodes (%" PRIu64 " ephemerals, %" PRIu64
			" containers, %" PRIu64 " with a time to live), %" PRIu64
			" quotas, largest data %" PRIu64 " bytes.\n",
			c->snapshot.end.nodes, c->ephemerals, c->containers, c->ttls, c->quotas,
			c->largest_data);
}

void
adopt_print(const struct adoption *a, FILE *out)
{
	print_server(a, out);
	print_data(a, out);
	for (int class = 0; class < ADOPT_CLASSES; class ++)
		print_class(a, out, (enum adopt_class) class);
}

/* ---- What to do next ---- */

static void __attribute__((format(printf, 2, 3))) put(struct buf *out, const char *format, ...)
{
	char line[2048];
	va_list ap;

	va_start(ap, format);
	vsnprintf(line, sizeof line, format, ap);
	va_end(ap);
	buf_put(out, line, strlen(line));
}

static bool
is_below(const char *path, const char *folder)
{
	size_t len = strlen(folder);

	return strncmp(path, folder, len) == 0 && (path[len] == '/' || path[len] == '\0');
}

/* What zkd.service has to be told before it may use these folders. */
static void
put_drop_in(const struct config *c, struct buf *out)
{
	const char *folders[] = { c->data_dir,
				  strcmp(c->data_dir, c->data_log_dir) == 0 ? NULL : c->data_log_dir };
	static const char own[] = ZKD_SYSCONFDIR "/zkd";
	bool paths = c->reconfig_enabled, home = false, tmp = false;

	for (int i = 0; i < 2 && folders[i] != NULL; i++) {
		paths |= !is_below(folders[i], "/var/lib/zkd");
		home |= is_below(folders[i], "/home") || is_below(folders[i], "/root");
		tmp |= is_below(folders[i], "/tmp") || is_below(folders[i], "/var/tmp");
	}
	if (!paths)
		return;
	put(out, "mkdir -p /etc/systemd/system/zkd.service.d\n");
	put(out,
	    "printf '[Service]\\nReadWritePaths=%s%s%s%s%s\\n%s%s' "
	    ">/etc/systemd/system/zkd.service.d/data.conf\n",
	    c->data_dir, folders[1] == NULL ? "" : " ", folders[1] == NULL ? "" : folders[1],
	    c->reconfig_enabled ? " " : "", c->reconfig_enabled ? own : "", home ? "ProtectHome=no\\n" : "",
	    tmp ? "PrivateTmp=no\\n" : "");
	put(out, "systemctl daemon-reload\n");
}

/* "DIR" or "DIR LOGDIR" */
static void
put_folders(const struct config *c, struct buf *out)
{
	put(out, "%s%s%s\n", c->data_dir, strcmp(c->data_dir, c->data_log_dir) == 0 ? "" : " ",
	    strcmp(c->data_dir, c->data_log_dir) == 0 ? "" : c->data_log_dir);
}

/* "user:group" of a folder. */
static void
put_owner(const char *folder, struct buf *out)
{
	struct stat st;
	const struct passwd *user = stat(folder, &st) == 0 ? getpwuid(st.st_uid) : NULL;
	const struct group *group = user == NULL ? NULL : getgrgid(st.st_gid);

	put(out, "%s:%s", user == NULL ? "zookeeper" : user->pw_name,
	    group == NULL ? "zookeeper" : group->gr_name);
}

/*
 * zkServer.sh of a tarball, or the service: off now and at the next boot, or on. Two servers on one folder would spoil it,
 * and ZooKeeper locks nothing.
 */
static void
put_service(const struct adoption *a, bool on, struct buf *out)
{
	const char *slash = strrchr(a->folder, '/');
	char script[1024];
	struct stat st;

	snprintf(script, sizeof script, "%.*s/bin/zkServer.sh", slash == NULL ? 2 : (int)(slash - a->folder),
		 slash == NULL ? ".." : a->folder);
	if (strncmp(a->folder, "/etc/", 5) == 0 || stat(script, &st) != 0)
		put(out, "systemctl %s --now zookeeper\n", on ? "enable" : "disable");
	else
		put(out, "%s %s\n# %s what starts it at boot\n", script, on ? "start" : "stop",
		    on ? "and bring back" : "and take away");
}

void
adopt_put_commands(const struct adoption *a, const char *file, struct buf *out)
{
	static const char target[] = ZKD_SYSCONFDIR "/zkd/zoo.cfg";
	const struct config *c = a->config;

	if (c == NULL)
		return;
	put(out, "# once, while ZooKeeper runs\n");
	put(out, "install -D -m 0640 -g zkd %s %s\n", file, target);
	/* A change of membership goes into the file. */
	if (c->reconfig_enabled)
		put(out, "chown zkd %s %s\n", ZKD_SYSCONFDIR "/zkd", target);
	put_drop_in(c, out);
	put(out, "zkctl doctor --migration %s\n", a->cfg);
	put(out, "# when the turn of this server has come\n");
	put_service(a, false, out);
	put(out, "chown -R zkd:zkd ");
	put_folders(c, out);
	put(out, "systemctl enable --now zkd\n");
	put(out, "zkctl -c %s wait ready\n", target);
	put(out, "zkctl -c %s status\n", target);
	put(out, "# the way back\n");
	put(out, "systemctl disable --now zkd\n");
	put(out, "chown -R ");
	put_owner(c->data_dir, out);
	put(out, " ");
	put_folders(c, out);
	put_service(a, true, out);
}
