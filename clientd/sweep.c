/* The sweeper's choice (ZooKeeper: ContainerManager): containers left empty, TTL nodes past their time. */
#include "tree_priv.h"

static bool
container_due(const struct tree *t, const struct node *n, int64_t wall_ms)
{
	if (n->cversion > 0)
		return true;
	return t->config->container_unused_ms != 0 && wall_ms - n->mtime_ms > t->config->container_unused_ms;
}

static bool
due(const struct tree *t, const struct special *s, int64_t wall_ms)
{
	const struct node *n = node_at(&t->nodes, s->node);

	if (n->children > 0)
		return false;
	if (s->kind == OWNER_CONTAINER)
		return container_due(t, n, wall_ms);
	return t->config->extended_types && wall_ms - n->mtime_ms > owner_ttl_ms(t->config, s->owner);
}

/* Goes through a list from where the last call stopped; returns what is left of the budget. */
static uint32_t
sweep_list(struct tree *t, int which, int64_t wall_ms, uint32_t budget, void (*found)(void *, struct slice),
	   void *ctx)
{
	while (budget > 0 && t->sweep_at[which] != 0) {
		const struct special *s = &t->specials.v[t->sweep_at[which]];
		t->sweep_at[which] = s->next;
		budget--;
		if (due(t, s, wall_ms))
			found(ctx, node_path(&t->nodes, s->node, &t->scratch));
	}
	return budget;
}

bool
tree_sweep(struct tree *t, int64_t wall_ms, uint32_t budget, void (*found)(void *ctx, struct slice path),
	   void *ctx)
{
	if (!t->sweeping) {
		t->sweep_at[0] = t->containers.first;
		t->sweep_at[1] = t->ttls.first;
	}
	budget = sweep_list(t, 0, wall_ms, budget, found, ctx);
	sweep_list(t, 1, wall_ms, budget, found, ctx);
	t->sweeping = t->sweep_at[0] != 0 || t->sweep_at[1] != 0;
	return t->sweeping;
}

void
tree_sweep_body(struct slice path, struct buf *out)
{
	struct jute_delete_container_request rq = { .path = path };

	jute_write_delete_container_request(out, &rq);
}
