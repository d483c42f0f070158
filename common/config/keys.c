/*
 * See keys.h. One row per key; a row's macro gives its type and range, its field if it has one, and its
 * status. Exact names stand before the patterns that would match them too.
 */
#include "keys.h"

#include <string.h>
#include <strings.h>

#include "config.h"
#include "nearest.h"

/* The offset of a field, checked to have the type that the row's reader writes. */
#define FIELD(type, f) (offsetof(struct config, f) + 0 * sizeof(&((struct config *)0)->f == (type *)0))

#define ROW(n, t, st, d, ti, ...)                                                                            \
	{                                                                                                    \
		.name = n, .type = t, .status = st, .def = d, .tier = ti, .scale = 1, __VA_ARGS__            \
	}
#define RANGE(lo, hi, u) .min = lo, .max = hi, .unit = u
#define AT(type, f)      .field = FIELD(type, f)
#define NOWHERE          .field = CONFIG_NO_FIELD

/* Honoured. */
#define BOOL(n, d, ti, f, text)  ROW(n, CONFIG_BOOL, CONFIG_HONOURED, d, ti, AT(bool, f), .about = text)
#define YESNO(n, d, ti, f, text) ROW(n, CONFIG_YESNO, CONFIG_HONOURED, d, ti, AT(bool, f), .about = text)
#define INT(n, d, ti, f, lo, hi, u, text)                                                                    \
	ROW(n, CONFIG_INT, CONFIG_HONOURED, d, ti, AT(int, f), RANGE(lo, hi, u), .about = text)
#define JINT(n, d, ti, f, lo, hi, u, text)                                                                   \
	ROW(n, CONFIG_JINT, CONFIG_HONOURED, d, ti, AT(int, f), RANGE(lo, hi, u), .about = text)
#define RAISED(n, t, ct, d, ti, f, lo, hi, u, text)                                                          \
	ROW(n, t, CONFIG_HONOURED, d, ti, AT(ct, f), RANGE(lo, hi, u), .raise = true, .about = text)
#define JLONG(n, d, ti, f, lo, hi, sc, u, text)                                                              \
	{                                                                                                    \
		.name = n, .type = CONFIG_JLONG, .status = CONFIG_HONOURED, .def = d, .tier = ti,            \
		.scale = sc, AT(int64_t, f), RANGE(lo, hi, u), .about = text                                 \
	}
#define STRING(n, ti, f, text)                                                                               \
	ROW(n, CONFIG_STRING, CONFIG_HONOURED, NULL, ti, AT(const char *, f), .about = text)
#define TEXT(n, d, ti, f, text)                                                                              \
	ROW(n, CONFIG_STRING, CONFIG_HONOURED, d, ti, AT(const char *, f), .about = text)
#define CHOICE(n, d, ti, f, ch, text)                                                                        \
	ROW(n, CONFIG_CHOICE, CONFIG_HONOURED, d, ti, .field = offsetof(struct config, f), .choices = ch,    \
	    .about = text)
#define SPECIAL(n, d, ti, text) ROW(n, CONFIG_SPECIAL, CONFIG_HONOURED, d, ti, NOWHERE, .about = text)

/* Accepted, not honoured. */
#define ABOOL(n, d, ti, text) ROW(n, CONFIG_BOOL, CONFIG_ACCEPTED, d, ti, NOWHERE, .about = text)
#define AINT(n, d, ti, lo, hi, u, text)                                                                      \
	ROW(n, CONFIG_JLONG, CONFIG_ACCEPTED, d, ti, NOWHERE, RANGE(lo, hi, u), .about = text)
#define AREAL(n, d, ti, text) ROW(n, CONFIG_REAL, CONFIG_ACCEPTED, d, ti, NOWHERE, .about = text)
#define ASTR(n, d, ti, text)  ROW(n, CONFIG_STRING, CONFIG_ACCEPTED, d, ti, NOWHERE, .about = text)
#define ACHOICE(n, d, ti, ch, text)                                                                          \
	ROW(n, CONFIG_CHOICE, CONFIG_ACCEPTED, d, ti, NOWHERE, .choices = ch, .about = text)

/* Refused: RBOOL when it differs from the default, RSTR when it says anything. */
#define RBOOL(n, d, ti, text) ROW(n, CONFIG_BOOL, CONFIG_REFUSED, d, ti, NOWHERE, .about = text)
#define RINT(n, ti, lo, hi, text)                                                                            \
	ROW(n, CONFIG_JLONG, CONFIG_REFUSED, NULL, ti, NOWHERE, RANGE(lo, hi, ""), .about = text)
#define RSTR(n, ti, text) ROW(n, CONFIG_STRING, CONFIG_REFUSED, NULL, ti, NOWHERE, .about = text)

#define METRICS_DEFAULT "org.apache.zookeeper.metrics.impl.DefaultMetricsProvider"

#define I32 INT32_MAX
#define I64 INT64_MAX

#define NO_TLS    "TLS is not built yet; remove the key, and keep the ports on a network you trust"
#define NO_SASL   "SASL is not built yet; remove the key, and use digest authentication"
#define NO_FORCED "only enforce.auth.enabled and enforce.auth.schemes are known; remove the key"

/* clang-format off */
const struct config_key config_keys[] = {
	/* zoo.cfg proper */
	INT("clientPort", NULL, 1, client_port, 0, 65535, "port", "port for clients; 0 lets the kernel choose one"),
	STRING("clientPortAddress", 2, client_port_address, "address to listen on for clients; all where not set"),
	RAISED("clientPortListenBacklog", CONFIG_INT, int, "-1", 3, client_port_listen_backlog, -1, I32, "connections",
	    "connections that may wait to be accepted; -1 leaves it to zkd"),
	STRING("dataDir", 1, data_dir, "folder of snapshots, myid and epoch files; required"),
	STRING("dataLogDir", 1, data_log_dir, "folder of the transaction logs; dataDir where not set"),
	INT("tickTime", "3000", 1, tick_time_ms, 1, I32, "ms", "length of a tick"),
	INT("initLimit", NULL, 1, init_limit_ticks, 1, I32, "ticks", "time a learner has to connect and sync; required in an ensemble"),
	INT("syncLimit", NULL, 1, sync_limit_ticks, 1, I32, "ticks", "time a learner may lag; required in an ensemble"),
	INT("minSessionTimeout", "-1", 1, min_session_timeout_ms, -1, I32, "ms", "shortest session timeout granted; -1 is 2 ticks"),
	INT("maxSessionTimeout", "-1", 1, max_session_timeout_ms, -1, I32, "ms", "longest session timeout granted; -1 is 20 ticks"),
	RAISED("maxClientCnxns", CONFIG_INT, int, "60", 1, max_client_cnxns, 0, I32, "connections", "connections from one address; 0 is no limit"),
	ROW("autopurge.purgeInterval", CONFIG_INTERVAL, CONFIG_HONOURED, "1", 1, AT(int64_t, purge_interval_ms),
	    RANGE(0, I32, "hours, or with ms, s, m, h or d"), .raise = true, .about = "how often old snapshots and logs are removed; 0 is never"),
	RAISED("autopurge.snapRetainCount", CONFIG_INT, int, "3", 1, snap_retain_count, 3, I32, "snapshots", "snapshots that a purge keeps"),
	SPECIAL("server.*", NULL, 1, "server.N=host:quorumPort:electionPort[:role][;[host:]clientPort]: a member of the ensemble"),
	SPECIAL("group.*", NULL, 3, "group.N=sid[:sid]...: a group of a hierarchical quorum"),
	SPECIAL("weight.*", NULL, 3, "weight.N=number: weight of server N in a hierarchical quorum"),
	BOOL("standaloneEnabled", "true", 2, standalone_enabled, "one server in the list runs as a standalone node"),
	BOOL("localSessionsEnabled", "false", 2, local_sessions, "sessions that only their server knows"),
	BOOL("localSessionsUpgradingEnabled", "false", 2, upgrade_local_sessions, "a local session that creates an ephemeral becomes global"),
	RINT("secureClientPort", 2, -1, 65535, NO_TLS),
	RSTR("secureClientPortAddress", 2, NO_TLS),
	SPECIAL("dynamicConfigFile", NULL, 2, "file with the server list, in place of one here; digits behind its last dot are the version"),
	BOOL("reconfigEnabled", "false", 2, reconfig_enabled, "the list of servers is the ensemble's, and what comes into force is written down"),
	SPECIAL("version", NULL, 3, "version of the server list, in hexadecimal digits"),
	CHOICE("peerType", "participant", 2, peer_type, "participant|observer", "role of this server; the server list decides, and another word here is noticed"),
	BOOL("quorumListenOnAllIPs", "false", 2, quorum_listen_on_all_ips, "listen for peers on all addresses"),
	RBOOL("sslQuorum", "false", 2, NO_TLS),
	RBOOL("portUnification", "false", 2, NO_TLS),
	RBOOL("sslQuorumReloadCertFiles", "false", 2, NO_TLS),
	RBOOL("quorum.auth.enableSasl", "false", 2, NO_SASL),
	RBOOL("quorum.auth.learnerRequireSasl", "false", 2, NO_SASL),
	RBOOL("quorum.auth.serverRequireSasl", "false", 2, NO_SASL),
	ASTR("quorum.auth.learner.saslLoginContext", "QuorumLearner", 3, "JAAS section of a learner"),
	ASTR("quorum.auth.server.saslLoginContext", "QuorumServer", 3, "JAAS section of a server"),
	ASTR("quorum.auth.kerberos.servicePrincipal", "zkquorum/localhost", 3, "Kerberos principal of a server"),
	AINT("quorum.cnxn.threads.size", "20", 3, 1, I32, "threads", "threads for election connections"),
	RSTR("quorum.auth.*", 3, NO_SASL),
	CHOICE("metricsProvider.className", METRICS_DEFAULT, 1, metrics,
	    METRICS_DEFAULT "|org.apache.zookeeper.metrics.impl.NullMetricsProvider|"
	    "org.apache.zookeeper.metrics.prometheus.PrometheusMetricsProvider", "who exports the metrics; the last one makes admind serve them"),
	TEXT("metricsProvider.httpHost", "0.0.0.0", 1, metrics_host, "address of the metrics for Prometheus"),
	INT("metricsProvider.httpPort", "7000", 1, metrics_port, 0, 65535, "port", "port of the metrics for Prometheus (none set in 3.10)"),
	AINT("metricsProvider.httpsPort", NULL, 3, 0, 65535, "port", "TLS port of the metrics endpoint"),
	ABOOL("metricsProvider.exportJvmInfo", "true", 3, "export the JVM's metrics; there is no JVM here"),
	AINT("metricsProvider.numWorkerThreads", "10", 3, 1, I32, "threads", "workers of the metrics module (1 until 3.9)"),
	AINT("metricsProvider.maxQueueSize", "1000000", 3, 1, I32, "", "queue of the metrics module"),
	AINT("metricsProvider.workerShutdownTimeoutMs", "1000", 3, 0, I32, "ms", "time its workers have to end"),
	AINT("metricsProvider.prometheusMetricsSummaryRotateIntervalSeconds", "60", 3, 1, I32, "s", "window of the quantiles (3.10)"),
	ASTR("metricsProvider.*", NULL, 3, "settings of the metrics module"),
	AINT("observerMasterPort", NULL, 3, 0, 65535, "port", "port where followers feed observers"),
	ABOOL("syncEnabled", "true", 3, "observers write their disk"),
	AINT("connectToLearnerMasterLimit", "0", 3, 0, I32, "ticks", "time to connect to the leader; 0 is initLimit"),
	ACHOICE("electionAlg", "3", 3, "3", "the election algorithm"),
	BOOL("multiAddress.enabled", "false", 3, multi_address_enabled, "tell peers all addresses of this server, which servers before 3.6 do not understand; zkd always takes several itself"),
	ABOOL("multiAddress.reachabilityCheckEnabled", "true", 3, "probe the addresses"),
	AINT("multiAddress.reachabilityCheckTimeoutMs", "1000", 3, 1, I32, "ms", "time a probe may take"),
	ASTR("oraclePath", NULL, 3, "oracle of a two-node ensemble"),
	ABOOL("jvm.pause.monitor", "false", 3, "watch for pauses of the JVM"),
	AINT("jvm.pause.warn-threshold.ms", "10000", 3, 0, I64, "ms", "pause that is a warning"),
	AINT("jvm.pause.info-threshold.ms", "1000", 3, 0, I64, "ms", "pause that is logged"),
	AINT("jvm.pause.sleep.time.ms", "500", 3, 1, I64, "ms", "how often the monitor looks"),

	/* requests, sessions, limits */
	JLONG("jute.maxbuffer", "1048575", 1, jute_max_buffer_bytes, 1, I32 - 1048576, 1, "bytes", "largest request or record"),
	AINT("jute.maxbuffer.extrasize", NULL, 3, 0, I32, "bytes", "room for what the server adds to a record; jute.maxbuffer where not set"),
	SPECIAL("4lw.commands.whitelist", "srvr", 1, "four-letter words that are answered, with commas between; * is all"),
	JINT("globalOutstandingLimit", "1000", 2, global_outstanding_limit, 1, I32, "requests", "requests in flight before clients are throttled"),
	RAISED("maxCnxns", CONFIG_JINT, int, "0", 2, max_cnxns, 0, I32, "connections", "connections in all; 0 is no limit"),
	BOOL("extendedTypesEnabled", "false", 2, extended_types_enabled, "allow TTL nodes; takes the sids above 254"),
	BOOL("emulate353TTLNodes", "false", 3, emulate_353_ttl, "TTL nodes as 3.5.3 encoded them"),
	JINT("znode.container.checkIntervalMs", "60000", 3, container_check_interval_ms, 1, I32, "ms", "how often empty containers and expired TTL nodes are looked for"),
	JINT("znode.container.maxPerMinute", "10000", 3, container_max_per_minute, 1, I32, "nodes", "most of them removed in a minute"),
	JLONG("znode.container.maxNeverUsedIntervalMs", "300000", 3, container_max_never_used_ms, 0, I64, 1, "ms", "age at which a container that never had a child is removed; 0 is never (0 until 3.9)"),
	BOOL("enforceQuota", "false", 2, enforce_quota, "refuse writes above a hard quota"),
	BOOL("readonlymode.enabled", "false", 2, read_only_mode_enabled, "serve reads to clients that allow it while there is no quorum"),
	ABOOL("enableEagerACLCheck", "false", 3, "a learner checks ACLs before it forwards"),
	YESNO("leaderServes", "yes", 2, leader_serves, "the leader of an ensemble serves clients"),
	AINT("request_throttle_max_requests", "0", 3, 0, I32, "requests", "queue of the request throttler; 0 is off"),
	AINT("request_throttle_stall_time", "100", 3, 0, I32, "ms", "its pause"),
	ABOOL("request_throttle_drop_stale", "true", 3, "it drops stale requests"),
	ABOOL("request_stale_latency_check", "false", 3, "older than the session timeout is stale"),
	ABOOL("request_stale_connection_check", "true", 3, "of a closed connection is stale"),
	AINT("request_throttler.shutdownTimeout", "10000", 3, 0, I32, "ms", "time it has to drain"),
	AINT("throttled_op_wait_time", "0", 3, 0, I32, "ms", "wait after which an operation is refused; 0 is off"),
	AINT("largeRequestMaxBytes", "104857600", 3, 0, I32, "bytes", "large requests in flight"),
	AINT("largeRequestThreshold", "-1", 3, -1, I32, "bytes", "what a large request is; -1 is off"),
	AINT("connection_throttle_tokens", "0", 3, 0, I32, "", "bucket of new connections; 0 is off"),
	AINT("connection_throttle_fill_time", "1", 3, 0, I32, "ms", "time between its fills"),
	AINT("connection_throttle_fill_count", "1", 3, 0, I32, "", "tokens of a fill"),
	AINT("connection_throttle_freeze_time", "-1", 3, -1, I32, "ms", "time between changes of the drop rate; -1 is off"),
	AREAL("connection_throttle_drop_increase", "0.02", 3, "step up of the drop rate"),
	AREAL("connection_throttle_drop_decrease", "0.002", 3, "step down of the drop rate"),
	AREAL("connection_throttle_decrease_ratio", "0", 3, "fill level at which it goes down"),
	ABOOL("connection_throttle_weight_enabled", "false", 3, "sessions weigh differently"),
	AINT("connection_throttle_global_session_weight", "3", 3, 0, I32, "", "weight of a new global session"),
	AINT("connection_throttle_renew_session_weight", "2", 3, 0, I32, "", "weight of a renewed session"),
	AINT("connection_throttle_local_session_weight", "1", 3, 0, I32, "", "weight of a local session"),
	AINT("nio.numSelectorThreads", NULL, 3, 0, I32, "threads", "selector threads"),
	AINT("nio.numWorkerThreads", NULL, 3, 0, I32, "threads", "worker threads"),
	AINT("nio.directBufferBytes", "65536", 3, 0, I32, "bytes", "direct buffer"),
	JINT("nio.sessionlessCnxnTimeout", "10000", 3, sessionless_cnxn_timeout_ms, 1, I32, "ms", "time a connection has to begin a session"),
	AINT("nio.shutdownTimeout", "5000", 3, 0, I32, "ms", "time the workers have to end"),
	BOOL("clientTcpKeepAlive", "false", 2, client_tcp_keep_alive, "SO_KEEPALIVE on client connections"),
	ASTR("serverCnxnFactory", "org.apache.zookeeper.server.NIOServerCnxnFactory", 2, "class that serves connections"),
	ABOOL("netty.advancedFlowControl.enabled", "false", 3, "finer flow control"),
	AINT("netty.server.outstandingHandshake.limit", "-1", 3, -1, I32, "", "TLS handshakes in flight"),
	ABOOL("netty.server.earlyDropSecureConnectionHandshakes", "false", 3, "drop handshakes while not serving"),
	AINT("maxResponseCacheSize", "400", 3, 0, I32, "", "cache of getData replies"),
	AINT("maxGetChildrenResponseCacheSize", "400", 3, 0, I32, "", "cache of getChildren replies"),
	AINT("intBufferStartingSizeBytes", "1024", 3, 0, I32, "bytes", "first size of a reply buffer"),
	ASTR("watchManagerName", "org.apache.zookeeper.server.watch.WatchManager", 3, "class that keeps the watches"),
	AINT("watcherCleanThreadsNum", "2", 3, 0, I32, "threads", "threads that remove dead watches"),
	AINT("watcherCleanThreshold", "1000", 3, 0, I32, "", "dead watches before they start"),
	AINT("watcherCleanIntervalInSeconds", "600", 3, 0, I32, "s", "longest time between their runs"),
	AINT("maxInProcessingDeadWatchers", "-1", 3, -1, I32, "", "dead watches before callers wait"),
	AINT("bitHashCacheSize", "10", 3, 0, I32, "", "cache of the optimized watch manager"),
	ABOOL("pathStats.enabled", "false", 3, "statistics per path"),
	AINT("pathStats.slotCapacity", "60", 3, 0, I32, "", "their slots"),
	AINT("pathStats.slotDuration", "15", 3, 0, I32, "s", "length of a slot"),
	AINT("pathStats.maxDepth", "6", 3, 0, I32, "", "depth of path"),
	AREAL("pathStats.sampleRate", "0.1", 3, "share of requests looked at"),
	AINT("pathStats.initialDelay", "5", 3, 0, I64, "s", "first report"),
	AINT("pathStats.delay", "5", 3, 0, I64, "s", "time between reports"),
	AINT("pathStats.topPathMax", "20", 3, 0, I32, "", "paths in a report"),
	ABOOL("messageTracker.Enabled", "false", 3, "keep the last packets of a learner"),
	AINT("messageTracker.BufferSize", "10", 3, 0, I32, "", "how many"),

	/* disk and commit path */
	RAISED("snapCount", CONFIG_JINT, int, "100000", 1, snap_count, 2, I32, "txns", "transactions between snapshots"),
	JLONG("preAllocSize", "65536", 2, prealloc_bytes, 1, 1 << 22, 1024, "KiB", "step by which a log file grows"),
	JLONG("snapSizeLimitInKb", "4194304", 2, snap_size_limit_bytes, -1, INT64_C(1) << 40, 1024, "KiB", "log bytes between snapshots; 0 or less is no limit"),
	JLONG("txnLogSizeLimitInKb", "-1", 3, txn_log_size_limit_bytes, -1, INT64_C(1) << 40, 1024, "KiB", "size at which a log file is closed; 0 or less is no limit"),
	YESNO("forceSync", "yes", 2, force_sync, "sync before acknowledging; no loses acknowledged writes in a power failure"),
	JLONG("fsync.warningthresholdms", "1000", 2, fsync_warning_ms, 0, I64, 1, "ms", "duration of a sync that is a warning"),
	AINT("flushDelay", "0", 3, 0, I32, "ms", "time to gather transactions before a sync"),
	JINT("maxBatchSize", "1000", 3, max_batch_size, 1, I32, "txns", "transactions per sync"),
	AINT("maxWriteQueuePollTime", NULL, 3, 0, I64, "ms", "wait for more transactions; a third of flushDelay"),
	RAISED("commitLogCount", CONFIG_JINT, int, "500", 2, commit_log_count, 500, 10000000, "txns", "transactions kept in memory for learners"),
	ROW("snapshotSizeFactor", CONFIG_REAL, CONFIG_HONOURED, "0.33", 3, AT(double, snapshot_size_factor), .about = "log bytes sent to a learner, as share of the snapshot; -1 is none"),
	CHOICE("snapshot.compression.method", "checked", 2, snapshot_compression, "checked|gz|snappy", "compression of snapshots; checked is none"),
	BOOL("snapshot.trust.empty", "false", 2, snapshot_trust_empty, "start on a folder with logs but no snapshot"),
	ABOOL("serializeLastProcessedZxid.enabled", "true", 3, "snapshots end with the last zxid (3.9)"),
	BOOL("digest.enabled", "true", 3, digest_enabled, "digests of the tree in transactions and snapshots"),
	BOOL("closeSessionTxn.enabled", "true", 3, close_session_txn_enabled, "closeSession transactions list the ephemerals"),
	BOOL("datadir.autocreate", "true", 3, data_dir_autocreate, "make the folders that are missing"),
	BOOL("db.autocreate", "true", 2, db_autocreate, "an empty folder may begin a new database"),
	AINT("commitProcessor.numWorkerThreads", NULL, 3, 0, I32, "threads", "workers of the commit processor"),
	AINT("commitProcessor.maxReadBatchSize", "-1", 3, -1, I32, "", "reads between two commits"),
	AINT("commitProcessor.maxCommitBatchSize", "1", 3, 1, I32, "", "commits between two reads"),
	AINT("commitProcessor.shutdownTimeout", "5000", 3, 0, I64, "ms", "time its workers have to end"),
	AINT("testingonly.initialZxid", NULL, 3, 0, I64, "", "for tests of ZooKeeper itself"),
	ABOOL("test.allowDiscontinuousProposals", "false", 3, "for tests of ZooKeeper itself"),

	/* ensemble */
	INT("cnxTimeout", "5000", 2, cnx_timeout_ms, 1, I32, "ms", "time to open an election connection"),
	JINT("quorumCnxnTimeoutMs", "-1", 3, quorum_cnxn_timeout_ms, -1, I32, "ms", "time a peer has to say who it is on an election connection; syncLimit ticks where it is 0 or less"),
	JINT("electionPortBindRetry", "3", 2, election_port_bind_retry, 0, I32, "attempts", "attempts to bind the ports for peers, one a second; 0 is without end"),
	BOOL("tcpKeepAlive", "false", 2, tcp_keep_alive, "SO_KEEPALIVE on election connections"),
	JINT("fastleader.minNotificationInterval", "200", 3, min_notification_interval_ms, 1, I32, "ms", "first wait for votes before they are asked for again"),
	JINT("fastleader.maxNotificationInterval", "60000", 3, max_notification_interval_ms, 1, I32, "ms", "longest wait for votes"),
	AINT("leader.maxTimeToWaitForEpoch", "-1", 3, -1, I32, "ms", "wait for a quorum of epochs; -1 is initLimit"),
	AINT("leader.maxConcurrentSnapSyncs", "10", 3, 0, I32, "", "snapshots sent at once"),
	AINT("leader.maxConcurrentDiffSyncs", "100", 3, 0, I32, "", "diffs sent at once"),
	ABOOL("leader.closeSocketAsync", "false", 3, "close sockets in the background"),
	ABOOL("learner.closeSocketAsync", "false", 3, "close sockets in the background"),
	ABOOL("learner.asyncSending", "false", 3, "send packets in the background"),
	AINT("leader.ackLoggingFrequency", "1000", 3, 0, I32, "", "sampling of a log line"),
	AINT("leaderConnectDelayDuringRetryMs", "100", 3, 0, I32, "ms", "pause between attempts to reach the leader"),
	ABOOL("leader.nodelay", "true", 3, "TCP_NODELAY towards learners"),
	ABOOL("follower.nodelay", "true", 3, "TCP_NODELAY towards the leader"),
	AINT("observer.election.DelayMs", "200", 3, 0, I64, "ms", "pause of an observer before it looks again"),
	AINT("observer.reconnectDelayMs", "0", 3, 0, I64, "ms", "pause of an observer before it connects"),
	ABOOL("observer.syncEnabled", NULL, 3, "as syncEnabled"),
	AINT("observerMaster.sizeLimit", "33554432", 3, 0, I32, "bytes", "commits kept for observers"),
	ABOOL("forward_learner_requests_to_commit_processor_disabled", "false", 3, "skip a stage"),
	ABOOL("follower.skipLearnerRequestToNextProcessor", "false", 3, "skip a stage"),
	ABOOL("forceSnapshotSync", "false", 3, "always send a snapshot; for tests"),
	ASTR("configuration", NULL, 3, "for the controller test rig"),
	AINT("controllerPort", NULL, 3, 0, 65535, "port", "for the controller test rig"),

	/* authentication */
	YESNO("skipACL", "no", 2, skip_acl, "check no ACL at all"),
	RSTR("authProvider.*", 2, "authentication providers other than digest, ip and world are not built yet; remove the key"),
	{ .name = "DigestAuthenticationProvider.superDigest", .type = CONFIG_STRING, .status = CONFIG_HONOURED, .tier = 2,
	  .scale = 1, AT(const char *, super_digest), .secret = true, .about = "the super user, as super:base64(SHA-1 of super:password)" },
	RBOOL("DigestAuthenticationProvider.enabled", "true", 3, "the digest scheme cannot be switched off yet; remove the key"),
	ROW("DigestAuthenticationProvider.digestAlg", CONFIG_CHOICE, CONFIG_ACCEPTED, "SHA1", 3, NOWHERE, .choices = "SHA1",
	    .about = "hash of the digest scheme"),
	ASTR("X509AuthenticationProvider.superUser", NULL, 3, "super user by certificate"),
	ASTR("superUser", NULL, 3, "super user by SASL name"),
	{ .name = "SASLAuthenticationProvider.superPassword", .type = CONFIG_STRING, .status = CONFIG_ACCEPTED, .tier = 3,
	  .scale = 1, NOWHERE, .secret = true, .about = "password of the SASL user super" },
	ASTR("letAnySaslUserDoX", NULL, 3, "wildcard SASL name"),
	ABOOL("IPAuthenticationProvider.usexforwardedfor", "false", 3, "address of an admin request (3.9)"),
	ASTR("ensembleAuthName", NULL, 3, "names this ensemble answers to"),
	BOOL("enforce.auth.enabled", "false", 2, enforce_auth, "clients must prove who they are before they ask anything"),
	STRING("enforce.auth.schemes", 2, enforce_auth_schemes, "schemes of which one must be proven, with commas between: digest, ip"),
	RSTR("enforce.auth.*", 3, NO_FORCED),
	RBOOL("sessionRequireClientSASLAuth", "false", 3, NO_SASL),
	ABOOL("allowSaslFailedClients", "false", 3, "keep the connection after SASL failed"),
	RSTR("java.security.auth.login.config", 2, NO_SASL),
	ASTR("sasl.serverconfig", "Server", 3, "JAAS section"),
	ABOOL("kerberos.removeHostFromPrincipal", "false", 3, "form of Kerberos names"),
	ABOOL("kerberos.removeRealmFromPrincipal", "false", 3, "form of Kerberos names"),
	ABOOL("kerberos.canonicalizeHostNames", "false", 3, "resolve Kerberos names"),
	AINT("kerberos.minReLoginTimeMs", "60000", 3, 0, I64, "ms", "time between logins"),
	ASTR("security.auth_to_local", "DEFAULT", 3, "rules for Kerberos names"),
	ABOOL("requireKerberosConfig", "false", 3, "demand a Kerberos configuration"),
	ASTR("kinit", "/usr/bin/kinit", 3, "the kinit program"),
	RBOOL("audit.enable", "false", 2, "the audit log is not built yet; set audit.enable=false to run without one"),
	ASTR("audit.impl.class", NULL, 3, "class that writes the audit log"),

	/* TLS */
	RSTR("ssl.*", 2, NO_TLS),
	ABOOL("client.certReload", "false", 2, "watch the certificate files"),
	RBOOL("client.portUnification", "false", 2, NO_TLS),
	ABOOL("fips-mode", "true", 3, "only what FIPS allows (false until 3.8)"),

	/* admin server */
	BOOL("admin.enableServer", "true", 1, admin_enabled, "the AdminServer: commands over HTTP (false from 3.10)"),
	TEXT("admin.serverAddress", "0.0.0.0", 1, admin_address, "its address"),
	INT("admin.serverPort", "8080", 1, admin_port, 0, 65535, "port", "its port; 0 lets the kernel choose one"),
	INT("admin.idleTimeout", "30000", 3, admin_idle_ms, 0, I32, "ms", "silence after which it closes a connection; 0 leaves only the 15 s that any may live"),
	TEXT("admin.commandURL", "/commands", 3, admin_url, "path in front of its commands"),
	AINT("admin.httpVersion", "11", 3, 0, I32, "", "HTTP version"),
	ABOOL("admin.portUnification", "false", 2, "TLS on its port"),
	RBOOL("admin.forceHttps", "false", 2, NO_TLS),
	RBOOL("admin.needClientAuth", "false", 2, NO_TLS),
	ABOOL("admin.snapshot.enabled", "true", 2, "its snapshot command (3.9)"),
	ABOOL("admin.restore.enabled", "true", 2, "its restore command (3.9)"),
	AINT("admin.rateLimiterIntervalInMS", "300000", 2, 0, I64, "ms", "its rate limit (3.9)"),

	/* client library; no meaning for a server */
	ABOOL("client.secure", "false", 2, "clients use TLS"),
	ASTR("clientCnxnSocket", NULL, 2, "class of a client's connection"),
	ABOOL("sasl.client", "true", 2, "clients use SASL"),
	ASTR("sasl.clientconfig", "Client", 2, "JAAS section of clients"),
	ASTR("sasl.client.username", "zookeeper", 2, "Kerberos name of the service"),
	ABOOL("sasl.client.canonicalize.hostname", "true", 3, "resolve the server's name"),
	ABOOL("sasl.client.allowReverseDnsLookup", "false", 3, "resolve the server's address"),
	ASTR("server.principal", NULL, 3, "Kerberos name of the server"),
	ASTR("server.realm", NULL, 3, "Kerberos realm of the server"),
	ABOOL("disableAutoWatchReset", "false", 3, "clients do not set watches again"),
	AINT("request.timeout", "0", 3, 0, I64, "ms", "time of a client's call"),
	ABOOL("shuffleDnsResponse", "false", 3, "order of a client's addresses"),
	AINT("hostProvider.dnsSrvRefreshIntervalSeconds", "60", 3, 0, I64, "s", "refresh of SRV records (3.10)"),
	ABOOL("jmx.log4j.disable", "false", 3, "legacy"),
	ASTR("jmx.log4j.mbean", NULL, 3, "legacy"),

	/* zkd's own */
	STRING("runtimeDir", 1, runtime_dir, "folder of zkd's sockets; /run/zkd, or run in dataDir where that cannot be written"),
	ROW("myid", CONFIG_LONG, CONFIG_HONOURED, NULL, 1, AT(int64_t, myid), RANGE(0, I64, "server number"), .about = "number of this server; read from the file myid in dataDir where not set"),
	ROW("scrubInterval", CONFIG_INTERVAL, CONFIG_HONOURED, "24", 3, AT(int64_t, scrub_interval_ms),
	    RANGE(0, I32, "hours, or with ms, s, m, h or d"), .about = "time between two readings of all logs and snapshots; 0 is never"),
	JLONG("scrubRate", "8192", 3, scrub_rate_bytes, 1, 1 << 22, 1024, "KiB", "bytes a second that this may read"),
	JLONG("diskReserve", "65536", 3, disk_reserve_bytes, 0, 1 << 22, 1024, "KiB", "space in each data folder that is kept for a full disk; 0 is none"),
	CHOICE("failureDetection", "normal", 2, failure_detection, "normal|fast", "patience with daemons, and with servers of zkd that have it too"),
	STRING("user.electiond", 3, user[CONFIG_ELECTIOND], "user electiond runs as, where zkd was started by root"),
	STRING("user.syncd", 3, user[CONFIG_SYNCD], "user syncd runs as"),
	STRING("user.clientd", 3, user[CONFIG_CLIENTD], "user clientd runs as"),
	STRING("user.admind", 3, user[CONFIG_ADMIND], "user admind runs as"),
	STRING("user.logd", 3, user[CONFIG_LOGD], "user logd runs as; owns the folders"),
};
/* clang-format on */
const size_t config_nkeys = sizeof config_keys / sizeof config_keys[0];

bool
config_key_is_pattern(const struct config_key *k)
{
	return k->name[strlen(k->name) - 1] == '*';
}

const struct config_key *
config_key_find(const char *name)
{
	const struct config_key *pattern = NULL;

	for (const struct config_key *k = config_keys; k < config_keys + config_nkeys; k++) {
		if (strcmp(k->name, name) == 0 || (k->also != NULL && strcmp(k->also, name) == 0))
			return config_key_is_pattern(k) ? NULL : k;
		if (pattern == NULL && config_key_is_pattern(k) &&
		    strncmp(k->name, name, strlen(k->name) - 1) == 0)
			pattern = k;
	}
	return pattern;
}

bool
config_key_is_secret(const struct config_key *k, const char *name)
{
	static const char part[] = "passw"; /* password, passwd, in any case */

	for (; *name != '\0'; name++)
		if (strncasecmp(name, part, sizeof part - 1) == 0)
			return true;
	return k->secret;
}

/* Whether name is the last part of a known name: purgeInterval for autopurge.purgeInterval. */
static bool
is_last_part(const char *known, const char *name)
{
	size_t len = strlen(known), n = strlen(name);

	return n > 3 && len > n && known[len - n - 1] == '.' && strcasecmp(known + len - n, name) == 0;
}

/* Whether a pattern's dot was forgotten: server1 for server.N. */
static bool
is_pattern_slip(const struct config_key *k, const char *name)
{
	size_t stem = strlen(k->name) - strlen(".*");

	return config_key_is_pattern(k) && strncasecmp(k->name, name, stem) == 0 && name[stem] != '\0' &&
	       strchr("0123456789-_", name[stem]) != NULL;
}

const char *
config_key_suggest(const char *name)
{
	struct nearest near;

	nearest_init(&near, name);
	for (const struct config_key *k = config_keys; k < config_keys + config_nkeys; k++) {
		if (is_pattern_slip(k, name))
			return k->name;
		if (config_key_is_pattern(k))
			continue;
		if (is_last_part(k->name, name))
			return k->name;
		nearest_offer(&near, k->name);
	}
	return near.best;
}
