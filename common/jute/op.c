/* See op.h. */
#include "jute/op.h"

#include <stddef.h>

struct op_names {
	int32_t op;
	const char *name, *lop;
};

static const struct op_names *
find_op(int32_t op)
{
	static const struct op_names ops[] = {
#define X(name, code, text, lop) { code, text, lop },
		ZK_OPS(X)
#undef X
	};

	for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++)
		if (ops[i].op == op)
			return &ops[i];
	return NULL;
}

const char *
zk_op_name(int32_t op)
{
	const struct op_names *o = find_op(op);

	return o == NULL ? NULL : o->name;
}

const char *
zk_op_lop(int32_t op)
{
	const struct op_names *o = find_op(op);

	return o == NULL ? "NA" : o->lop;
}
