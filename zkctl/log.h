/* The verbs of zkctl log, each with its files. */
#ifndef ZKCTL_LOG_H
#define ZKCTL_LOG_H

#include "zkctl.h"

int log_dump(const struct options *o, int nfiles, char **files);
int log_verify(const struct options *o, int nfiles, char **files);

#endif
