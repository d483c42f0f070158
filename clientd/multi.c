/* See multi.h. What cannot be read is for prep to refuse. */
#include "multi.h"

#include "jute/op.h"
#include "jute/records.h"

enum { LAST_BIT = 63 };

static bool
read_create(struct jute_reader *r, struct arena *a, int32_t *flags)
{
	struct jute_create_request q;

	if (!jute_read_create_request(r, a, &q))
		return false;
	*flags = q.flags;
	return true;
}

static bool
read_record(struct jute_reader *r, struct arena *a, struct multi_element *e)
{
	struct jute_set_data_request set;
	struct jute_delete_request del;
	struct jute_create_ttl_request ttl;
	struct jute_check_version_request check;

	switch (e->type) {
	case ZK_OP_CREATE:
	case ZK_OP_CREATE2:
	case ZK_OP_CREATE_CONTAINER:
		return read_create(r, a, &e->flags);
	case ZK_OP_CREATE_TTL:
		return jute_read_create_ttl_request(r, a, &ttl);
	case ZK_OP_SET_DATA:
		return jute_read_set_data_request(r, a, &set);
	case ZK_OP_DELETE:
		return jute_read_delete_request(r, a, &del);
	case ZK_OP_CHECK:
		return jute_read_check_version_request(r, a, &check);
	default:
		return false;
	}
}

bool
multi_next(struct jute_reader *r, struct arena *a, struct multi_element *e)
{
	struct jute_multi_header h;

	if (!jute_read_multi_header(r, a, &h) || h.done)
		return false;
	*e = (struct multi_element){ .type = h.type };
	return read_record(r, a, e) && jute_ok(r);
}

uint64_t
multi_stats_wanted(struct slice body, struct arena *a)
{
	struct multi_element e;
	struct jute_reader r;
	uint64_t wanted = 0;

	jute_reader_init(&r, body, UINT32_MAX);
	for (unsigned i = 0; multi_next(&r, a, &e); i += i < LAST_BIT)
		if (e.type == ZK_OP_CREATE2)
			wanted |= UINT64_C(1) << i;
	return wanted;
}
