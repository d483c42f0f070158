/*
 * Metrics for Prometheus: /metrics in its text format. ZooKeeper's names and kinds for what the word mntr has, counters
 * under both spellings in use (NAME until 3.9, NAME_total later); zkd_* for what is our own: the processes, and what
 * each says of itself (ZooKeeper: PrometheusMetricsProvider).
 */
#ifndef ADMIND_METRICS_H
#define ADMIND_METRICS_H

#include "http.h"

const struct page *metrics_find(const struct config *c, const char *path);

#endif
