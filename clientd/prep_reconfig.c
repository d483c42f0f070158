/*
 * reconfig: from who takes part now, and who shall come and go, to the list that the txn proposes (ZooKeeper:
 * PrepRequestProcessor.pRequest2Txn, reconfig). One at a time: while one is proposed and not applied the next is refused.
 */
#include "prep_priv.h"

#include <stdio.h>
#include <string.h>

#include "config/members.h"
#include "jute/records.h"

static const struct slice config_path = { (const uint8_t *)"/zookeeper/config", 17 };

void
prep_know_members(struct prep *p, const struct prep_members *m)
{
	p->members = *m;
}

/* What is split at commas, one at a time, without blanks around and nothing empty. False at the end. */
static bool
next_item(struct slice *rest, struct slice *item)
{
	while (rest->len > 0) {
		const uint8_t *comma = memchr(rest->data, ',', rest->len);
		size_t len = comma == NULL ? rest->len : (size_t)(comma - rest->data),
		       pass = len + (comma != NULL);

		*item = slice_of(rest->data, len);
		*rest = slice_of(rest->data + pass, rest->len - pass);
		while (item->len > 0 && item->data[0] <= ' ')
			*item = slice_of(item->data + 1, item->len - 1);
		while (item->len > 0 && item->data[item->len - 1] <= ' ')
			item->len--;
		if (item->len > 0)
			return true;
	}
	return false;
}

/* Java: Long.parseLong; what is no sid of an ensemble is none here either. */
static bool
take_sid(struct slice text, int64_t *sid)
{
	*sid = 0;
	if (text.len == 0 || text.len > 6)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] < '0' || text.data[i] > '9')
			return false;
		*sid = *sid * 10 + text.data[i] - '0';
	}
	return true;
}

/* "server.4=host:2888:3888;2181": its parts. */
static enum zk_error
take_joiner(struct slice item, int64_t *sid, struct slice *spec)
{
	const uint8_t *equals = memchr(item.data, '=', item.len), *dot;
	size_t len;

	if (equals == NULL || memchr(equals + 1, '=', item.len - (size_t)(equals + 1 - item.data)) != NULL)
		return ZK_BADARGUMENTS;
	len = (size_t)(equals - item.data);
	*spec = slice_of(equals + 1, item.len - len - 1);
	dot = memrchr(item.data, '.', len);
	if (dot != NULL) {
		len -= (size_t)(dot + 1 - item.data);
		item.data = dot + 1;
	}
	return take_sid(slice_of(item.data, len), sid) ? ZK_OK : ZK_MARSHALLINGERROR;
}

static void
put_line(struct buf *out, int64_t sid, struct slice spec)
{
	char start[40];

	buf_put(out, start, (size_t)snprintf(start, sizeof start, "server.%lld=", (long long)sid));
	buf_put_slice(out, spec);
	buf_put_u8(out, '\n');
}

/* Those of the present list that neither leave nor are replaced, line by line as it has them. */
static void
put_rest(struct slice now, const struct sid_set *without, struct buf *out)
{
	while (now.len > 0) {
		const uint8_t *end = memchr(now.data, '\n', now.len);
		size_t len = end == NULL ? now.len : (size_t)(end - now.data);
		struct slice line = slice_of(now.data, len), spec;
		int64_t sid;

		now = slice_of(now.data + len + (end != NULL), now.len - len - (end != NULL));
		if (take_joiner(line, &sid, &spec) == ZK_OK && line.len > 7 &&
		    memcmp(line.data, "server.", 7) == 0 && !sid_set_has(without, (uint64_t)sid))
			put_line(out, sid, spec);
	}
}

/* Where a server may well listen beside another of the list, as far as anybody can tell. */
static bool
is_special(const char *host)
{
	return strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0 || strcmp(host, "::1") == 0 ||
	       strcmp(host, "localhost") == 0 || strncmp(host, "127.", 4) == 0;
}

static bool
is_place(const struct config_server *s, const char *host, int port)
{
	if (is_special(host))
		return false;
	if (s->client.port == port && s->client.host != NULL && strcmp(s->client.host, host) == 0)
		return true;
	for (size_t i = 0; i < s->naddresses; i++)
		if (strcmp(s->addresses[i].host, host) == 0 &&
		    (s->addresses[i].quorum_port == port || s->addresses[i].election_port == port))
			return true;
	return false;
}

/* Whether two servers would listen in one place (ZooKeeper: QuorumServer.checkAddressDuplicate). */
static bool
collide(const struct config_server *a, const struct config_server *b)
{
	if (a->client.host != NULL && is_place(b, a->client.host, a->client.port))
		return true;
	for (size_t i = 0; i < a->naddresses; i++)
		if (is_place(b, a->addresses[i].host, a->addresses[i].quorum_port) ||
		    is_place(b, a->addresses[i].host, a->addresses[i].election_port))
			return true;
	return false;
}

static enum zk_error
check_joiners(const struct members *m, const struct sid_set *joiners)
{
	for (size_t i = 0; i < m->nservers; i++) {
		const struct config_server *s = &m->servers[i];

		if (!sid_set_has(joiners, (uint64_t)s->sid))
			continue;
		if (s->client.port < 0 || s->addresses[0].election_port == 0)
			return ZK_BADARGUMENTS;
		for (size_t k = 0; k < m->nservers; k++)
			if (k != i && collide(s, &m->servers[k]))
				return ZK_BADARGUMENTS;
	}
	return ZK_OK;
}

/* Who leaves and who comes. */
static enum zk_error
change_members(const struct prep_members *now, const struct jute_reconfig_request *q, struct members **next)
{
	struct sid_set without = { { 0 } }, joiners = { { 0 } };
	struct slice rest = q->leaving_servers, item, spec;
	enum zk_error err = ZK_OK;
	struct buf text;
	int64_t sid;

	while (next_item(&rest, &item)) {
		if (!take_sid(item, &sid))
			return ZK_MARSHALLINGERROR;
		if (sid < SID_LIMIT)
			sid_set_add(&without, (uint64_t)sid);
	}
	buf_init(&text, MEMBERS_TEXT_MAX);
	rest = q->joining_servers;
	while (err == ZK_OK && next_item(&rest, &item)) {
		err = take_joiner(item, &sid, &spec);
		if (err == ZK_OK && (sid >= SID_LIMIT || sid_set_has(&joiners, (uint64_t)sid)))
			err = ZK_BADARGUMENTS;
		if (err != ZK_OK)
			break;
		sid_set_add(&without, (uint64_t)sid);
		sid_set_add(&joiners, (uint64_t)sid);
		put_line(&text, sid, spec);
	}
	put_rest(now->text, &without, &text);
	if (err == ZK_OK && (text.overflow || members_parse(buf_slice(&text), next) != 0))
		err = ZK_BADARGUMENTS;
	if (err == ZK_OK)
		err = check_joiners(*next, &joiners);
	buf_free(&text);
	return err;
}

/* The whole list anew. */
static enum zk_error
replace_members(const struct jute_reconfig_request *q, struct members **next)
{
	enum zk_error err = ZK_OK;
	struct buf text;

	buf_init(&text, MEMBERS_TEXT_MAX);
	for (size_t i = 0; i < q->new_members.len; i++)
		buf_put_u8(&text, q->new_members.data[i] == ',' ? '\n' : q->new_members.data[i]);
	if (text.overflow || members_parse(buf_slice(&text), next) != 0)
		err = ZK_BADARGUMENTS;
	buf_free(&text);
	return err;
}

static enum zk_error
judge(const struct prep_txn *x, const struct members *next)
{
	const struct prep_members *now = &x->p->members;
	struct sid_set synced = now->synced;
	struct quorum_pair q;

	members_quorums(next, NULL, &q);
	if (q.current.nvoters < (x->p->config->standalone_enabled ? 2 : 1))
		return ZK_BADARGUMENTS;
	sid_set_add(&synced, now->sid);
	return quorum_reached(&q.current, &synced) ? ZK_OK : ZK_NEWCONFIGNOQUORUM;
}

static void
make_txn(struct prep_txn *x, const struct node_view *v, const struct members *next)
{
	struct members *m = members_with_version(next, x->zxid);
	struct buf text;

	buf_init(&text, MEMBERS_TEXT_MAX);
	members_put(m, &text);
	prep_make_set_data(x, config_path, buf_slice(&text), -1, v);
	x->p->reconfig_zxid = x->zxid;
	buf_free(&text);
	members_free(m);
}

static enum zk_error
plan(struct prep_txn *x, const struct jute_reconfig_request *q, struct members **next)
{
	const struct prep_members *now = &x->p->members;
	struct members *old;
	enum zk_error err;
	bool hierarchical;

	if (members_parse(now->text, &old) != 0)
		return ZK_UNIMPLEMENTED;
	err = q->cur_config_id != -1 && (uint64_t)q->cur_config_id != old->version ? ZK_BADVERSION : ZK_OK;
	hierarchical = old->hierarchical;
	members_free(old);
	if (err != ZK_OK)
		return err;
	if (q->new_members.data != NULL)
		return replace_members(q, next);
	return hierarchical ? ZK_BADARGUMENTS : change_members(now, q, next);
}

enum zk_error
prep_run_reconfig(struct prep_txn *x, const union prep_record *record)
{
	struct prep *p = x->p;
	struct jute_reconfig_request q;
	struct members *next = NULL;
	struct jute_reader r;
	struct node_view v;
	enum zk_error err;

	(void)record;
	if (!p->config->reconfig_enabled)
		return ZK_RECONFIGDISABLED;
	if ((err = prep_check_session(x)) != ZK_OK)
		return err;
	if (p->members.text.len == 0) /* standalone */
		return ZK_UNIMPLEMENTED;
	if (p->reconfig_zxid > tree_applied(p->tree))
		return ZK_RECONFIGINPROGRESS;
	jute_reader_init(&r, x->rq->body, UINT32_MAX);
	if (!jute_read_reconfig_request(&r, &p->arena, &q))
		return ZK_MARSHALLINGERROR;
	err = plan(x, &q, &next);
	if (err == ZK_OK)
		err = judge(x, next);
	if (err == ZK_OK && !outstanding_view(&p->outstanding, config_path, &v))
		err = ZK_NONODE;
	if (err == ZK_OK)
		err = prep_check_acl(x, &v, ZK_PERM_WRITE);
	if (err == ZK_OK)
		make_txn(x, &v, next);
	members_free(next);
	return err;
}
