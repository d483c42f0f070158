/*
 * What the tests of zoo.cfg share: one configuration with its report, made by the last parse and released by
 * teardown.
 */
#ifndef TESTS_CONFIG_FIXTURE_H
#define TESTS_CONFIG_FIXTURE_H

#include "config/config.h"

extern struct config *config;
extern struct config_report report;

void setup(void);
void teardown(void);

/* Parses text under the name zoo.cfg; what config_parse returns. */
int parse_with(const char *text, const char *const *overrides, size_t n);
int parse(const char *text);
void must_parse(const char *text);

/* Fails the test, with all findings shown, unless this very line was reported. */
void assert_found(enum config_severity severity, const char *text);

/* The canonical text with a NUL behind it. out is initialised here and released by the caller. */
void print(bool secrets, struct buf *out);

#define ENSEMBLE                                                                                             \
	"dataDir=/d\ninitLimit=10\nsyncLimit=5\n"                                                            \
	"server.3=c.example:2888:3888:observer;2181\n"                                                       \
	"server.1=[fe80::1]:2888:3888:participant;[::1]:2182\n"                                              \
	"server.2=b1:2888:3888|b2:2889:3889;b.example:2183\n"

#define COUNT(t) ((int)(sizeof(t) / sizeof((t)[0])))

#endif
