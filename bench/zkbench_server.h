/* Servers as the command line names them. */
#ifndef BENCH_ZKBENCH_SERVER_H
#define BENCH_ZKBENCH_SERVER_H

#include "bench/zkbench.h"

/*
 * [NAME=]HOST:PORT[,pid=N...][,runtime=DIR], or [NAME=]nothing for a do-nothing server of our own, which is started,
 * or [NAME=]nothing@HOST:PORT for one that runs. 0, or -EINVAL after a complaint.
 */
int server_parse(struct server *server, const char *text, const struct settings *s);
/* Stops what was started. */
void server_end(struct server *server);

#endif
