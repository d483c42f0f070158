/* The network between places. See net.h. Invariant: a blocked direction delivers nothing until it is opened. */
#include "net.h"

#include "node.h"
#include "pipe.h"

enum { DIAL_TIMEOUT_US = 5 * SECOND };

static uint64_t
one_way(struct sim *s, int from, int to)
{
	return rng_range(&s->net, NET_MIN_US, NET_MAX_US) + s->links[from][to].slow_us;
}

static bool
is_cut(const struct sim *s, int a, int b)
{
	return s->links[a][b].blocked || s->links[b][a].blocked;
}

void
net_dial(struct dial *d, struct proc *p, int from, struct node *to, struct listener *l)
{
	struct sim *s = p->sim;
	int place = net_place(to->sid);
	uint64_t there_us = s->now_us + one_way(s, from, place);

	d->conn = conn_between(s, from, place);
	conn_own(d->conn, 0, p);
	if (to->off || is_cut(s, from, place) || (!to->down && !listener_dial(l, d->conn, there_us))) {
		d->end = DIAL_LOST;
		d->known_us = s->now_us + DIAL_TIMEOUT_US;
	} else {
		d->end = to->down ? DIAL_REFUSED : DIAL_UP;
		d->known_us = there_us + one_way(s, place, from);
	}
	if (d->end != DIAL_UP)
		conn_close(d->conn, 1, false);
	proc_wake(p, d->known_us);
}

enum dial_state
net_dialled(struct dial *d, const struct sim *s)
{
	if (s->now_us < d->known_us)
		return DIAL_GOING;
	if (d->end != DIAL_UP)
		net_hang_up(d, false);
	return d->end;
}

void
net_hang_up(struct dial *d, bool crash)
{
	if (d->conn != NULL)
		conn_close(d->conn, 0, crash);
	d->conn = NULL;
}

bool
net_is_blocked(const struct sim *s, int from, int to)
{
	return s->links[from][to].blocked || (from != PLACE_CLIENTS && s->nodes[from - 1]->off);
}

void
net_block(struct sim *s, int from, int to, bool blocked)
{
	s->links[from][to].blocked = blocked;
	if (!net_is_blocked(s, from, to))
		conn_let_pass(s, from, to);
}

void
net_node_is_on(struct node *n)
{
	struct sim *s = n->sim;

	for (int to = 0; to <= s->nnodes; to++)
		if (!net_is_blocked(s, net_place(n->sid), to))
			conn_let_pass(s, net_place(n->sid), to);
}

void
net_heal(struct sim *s)
{
	for (int a = 0; a <= s->nnodes; a++)
		for (int b = 0; b <= s->nnodes; b++) {
			s->links[a][b].slow_us = 0;
			net_block(s, a, b, false);
		}
}

void
net_flip(struct sim *s)
{
	uint64_t bit = rng_next(&s->faults);

	list_for_each (e, &s->net_conns) {
		struct conn *c = container_of(e, struct conn, link);

		if (conn_flip(c, 0, bit) || conn_flip(c, 1, bit)) {
			sim_trace(s, NULL, "bit flip", "from=%d to=%d", c->places[0], c->places[1]);
			return;
		}
	}
}

void
net_break(struct sim *s, int a, int b, uint64_t once_in)
{
	list_for_each_safe (e, &s->net_conns) {
		struct conn *c = container_of(e, struct conn, link);
		bool between =
		    (c->places[0] == a && c->places[1] == b) || (c->places[0] == b && c->places[1] == a);

		if (between && rng_once_in(&s->faults, once_in))
			conn_break(c);
	}
}
