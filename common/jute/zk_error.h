/*
 * The error codes of ZooKeeper's protocol: the one type for whatever a client sees. System and codec
 * functions return -errno instead; the two never mix.
 */
#ifndef JUTE_ZK_ERROR_H
#define JUTE_ZK_ERROR_H

#include <stdint.h>

/* X(name, code) */
#define ZK_ERRORS(X)                                                                                         \
	X(OK, 0)                                                                                             \
	X(SYSTEMERROR, -1)                                                                                   \
	X(RUNTIMEINCONSISTENCY, -2)                                                                          \
	X(DATAINCONSISTENCY, -3)                                                                             \
	X(CONNECTIONLOSS, -4)                                                                                \
	X(MARSHALLINGERROR, -5)                                                                              \
	X(UNIMPLEMENTED, -6)                                                                                 \
	X(OPERATIONTIMEOUT, -7)                                                                              \
	X(BADARGUMENTS, -8)                                                                                  \
	X(UNKNOWNSESSION, -12)                                                                               \
	X(NEWCONFIGNOQUORUM, -13)                                                                            \
	X(RECONFIGINPROGRESS, -14)                                                                           \
	X(APIERROR, -100)                                                                                    \
	X(NONODE, -101)                                                                                      \
	X(NOAUTH, -102)                                                                                      \
	X(BADVERSION, -103)                                                                                  \
	X(NOCHILDRENFOREPHEMERALS, -108)                                                                     \
	X(NODEEXISTS, -110)                                                                                  \
	X(NOTEMPTY, -111)                                                                                    \
	X(SESSIONEXPIRED, -112)                                                                              \
	X(INVALIDCALLBACK, -113)                                                                             \
	X(INVALIDACL, -114)                                                                                  \
	X(AUTHFAILED, -115)                                                                                  \
	X(SESSIONMOVED, -118)                                                                                \
	X(NOTREADONLY, -119)                                                                                 \
	X(EPHEMERALONLOCALSESSION, -120)                                                                     \
	X(NOWATCHER, -121)                                                                                   \
	X(REQUESTTIMEOUT, -122)                                                                              \
	X(RECONFIGDISABLED, -123)                                                                            \
	X(SESSIONCLOSEDREQUIRESASLAUTH, -124)                                                                \
	X(QUOTAEXCEEDED, -125)                                                                               \
	X(THROTTLEDOP, -127)

enum zk_error {
#define X(name, code) ZK_##name = code,
	ZK_ERRORS(X)
#undef X
};

/* "NONODE" for -101; "UNKNOWN" for what is no code of ours. Static storage. */
const char *zk_error_name(int32_t code);

#endif
