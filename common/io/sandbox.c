/*
 * See sandbox.h. Invariant: when sandbox_lock returns 0, everything that this kernel can enforce is in force for all
 * threads that will ever be; what it cannot is named in the report.
 */
#include "config.h"

#include "io/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/landlock.h>

/*
 * Landlock beyond its second version, from the kernel's documentation (userspace-api/landlock.rst), for systems whose
 * headers are older than their kernel. Only bits that the running kernel knows are ever passed to it.
 */
enum {
	ABI_REFER = 2,
	ABI_TRUNCATE = 3,
	ABI_NET = 4,
	ABI_IOCTL_DEV = 5,
	ABI_SCOPE = 6,
};
#define FS_TRUNCATE     (UINT64_C(1) << 14)
#define FS_IOCTL_DEV    (UINT64_C(1) << 15)
#define NET_BIND_TCP    (UINT64_C(1) << 0)
#define NET_CONNECT_TCP (UINT64_C(1) << 1)
#define SCOPE_ABSTRACT  (UINT64_C(1) << 0)
#define SCOPE_SIGNAL    (UINT64_C(1) << 1)

struct ruleset {
	uint64_t fs, net, scoped;
};

#define FS_ALL_FIRST ((LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1)
/* What logd does in its folders: regular files and folders, nothing that runs, no devices, sockets or links. */
#define FS_FOLDER                                                                                            \
	(LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR |        \
	 LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR |      \
	 LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_REFER | FS_TRUNCATE)

/* clang-format off */

/* Any room: its loop, its sockets, its memory, its end. */
static const int calls_common[] = {
	SCMP_SYS(epoll_wait), SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_pwait), SCMP_SYS(epoll_create1), SCMP_SYS(poll),
	SCMP_SYS(ppoll), SCMP_SYS(eventfd2), SCMP_SYS(pipe2), SCMP_SYS(timerfd_create), SCMP_SYS(timerfd_settime),
	SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(readv), SCMP_SYS(writev), SCMP_SYS(close), SCMP_SYS(fcntl),
	SCMP_SYS(dup), SCMP_SYS(fstat), SCMP_SYS(lseek),
	SCMP_SYS(recvmsg), SCMP_SYS(sendmsg), SCMP_SYS(recvfrom), SCMP_SYS(sendto), SCMP_SYS(accept4),
	SCMP_SYS(getsockname), SCMP_SYS(getpeername), SCMP_SYS(getsockopt), SCMP_SYS(setsockopt), SCMP_SYS(shutdown),
	SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(brk), SCMP_SYS(futex),
	SCMP_SYS(clock_gettime), SCMP_SYS(gettimeofday), SCMP_SYS(clock_nanosleep), SCMP_SYS(nanosleep),
	SCMP_SYS(getrandom), SCMP_SYS(getpid), SCMP_SYS(getppid), SCMP_SYS(gettid), SCMP_SYS(getuid),
	SCMP_SYS(geteuid), SCMP_SYS(getgid), SCMP_SYS(getegid), SCMP_SYS(getrusage), SCMP_SYS(uname),
	SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn), SCMP_SYS(sigaltstack),
	SCMP_SYS(restart_syscall), SCMP_SYS(rseq), SCMP_SYS(set_robust_list), SCMP_SYS(sched_yield),
	SCMP_SYS(sched_getaffinity), SCMP_SYS(exit), SCMP_SYS(exit_group),
};

static const int calls_files[] = {
	SCMP_SYS(openat), SCMP_SYS(newfstatat), SCMP_SYS(statx), SCMP_SYS(unlinkat), SCMP_SYS(renameat),
	SCMP_SYS(renameat2), SCMP_SYS(linkat), SCMP_SYS(mkdirat), SCMP_SYS(ftruncate), SCMP_SYS(fallocate),
	SCMP_SYS(fsync), SCMP_SYS(fdatasync), SCMP_SYS(sync_file_range), SCMP_SYS(pread64), SCMP_SYS(pwrite64),
	SCMP_SYS(preadv), SCMP_SYS(pwritev), SCMP_SYS(preadv2), SCMP_SYS(pwritev2), SCMP_SYS(getdents64),
	SCMP_SYS(fstatfs), SCMP_SYS(flock), SCMP_SYS(fchmod), SCMP_SYS(faccessat), SCMP_SYS(utimensat),
	SCMP_SYS(copy_file_range), SCMP_SYS(fadvise64), SCMP_SYS(readahead),
};

static const int calls_fork[] = {
	SCMP_SYS(wait4), SCMP_SYS(waitid), SCMP_SYS(kill), SCMP_SYS(pidfd_open), SCMP_SYS(pidfd_send_signal),
	SCMP_SYS(dup3), SCMP_SYS(dup2), SCMP_SYS(close_range), SCMP_SYS(setpriority), SCMP_SYS(ioprio_set),
};

/* libc tries these first and has an older way for when the kernel does not know them. */
static const int calls_unknown[] = { SCMP_SYS(clone3), SCMP_SYS(faccessat2) };

#ifdef ZKD_SANITIZERS
/* The run-time of the sanitizers: shadow memory, stack traces, and the leak check at exit, which traces its parent. */
static const int calls_sanitizers[] = {
	SCMP_SYS(mmap), SCMP_SYS(mprotect), SCMP_SYS(openat), SCMP_SYS(open), SCMP_SYS(readlink), SCMP_SYS(readlinkat),
	SCMP_SYS(newfstatat), SCMP_SYS(stat), SCMP_SYS(clone), SCMP_SYS(ptrace), SCMP_SYS(wait4), SCMP_SYS(prctl),
	SCMP_SYS(getdents64), SCMP_SYS(getdents), SCMP_SYS(ioctl), SCMP_SYS(tgkill), SCMP_SYS(process_vm_readv),
	SCMP_SYS(prlimit64), SCMP_SYS(getcwd), SCMP_SYS(pread64),
};
#endif

/* clang-format on */

static int
add_calls(scmp_filter_ctx ctx, uint32_t action, const int *calls, size_t n)
{
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++)
		r = seccomp_rule_add(ctx, action, calls[i], 0);
	return r;
}
#define ADD_CALLS(ctx, action, calls) add_calls(ctx, action, calls, sizeof(calls) / sizeof *(calls))

/* A call that is good only when one argument, under a mask, has one value. */
static int
allow_masked(scmp_filter_ctx ctx, int call, unsigned arg, scmp_datum_t mask, scmp_datum_t value)
{
	struct scmp_arg_cmp is = { .arg = arg, .op = SCMP_CMP_MASKED_EQ, .datum_a = mask, .datum_b = value };

	return seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW, call, 1, &is);
}

/* The same for one value of an int: the kernel does not look at the upper half of its register, nor do we. */
static int
allow_value(scmp_filter_ctx ctx, int call, unsigned arg, uint32_t value)
{
	return allow_masked(ctx, call, arg, UINT32_MAX, value);
}

/* What any room may call with some arguments only. */
static int
add_conditions(scmp_filter_ctx ctx)
{
#ifdef ZKD_SANITIZERS
	int r = ADD_CALLS(ctx, SCMP_ACT_ALLOW, calls_sanitizers);
#else
	struct scmp_arg_cmp own_limits[] = {
		{ .arg = 0,
		  .op = SCMP_CMP_MASKED_EQ,
		  .datum_a = UINT32_MAX,
		  .datum_b = 0 },                                            /* of this process */
		{ .arg = 2, .op = SCMP_CMP_EQ, .datum_a = 0, .datum_b = 0 }, /* only read */
	};
	/* No page is ever made executable. */
	int r = allow_masked(ctx, SCMP_SYS(mmap), 2, PROT_EXEC, 0);
	r = r ?: allow_masked(ctx, SCMP_SYS(mprotect), 2, PROT_EXEC, 0);
	/* abort() raises a signal in its own process. */
	r = r ?: allow_value(ctx, SCMP_SYS(tgkill), 0, (uint32_t)getpid());
	r = r ?: allow_value(ctx, SCMP_SYS(ioctl), 1, FIONREAD);
	r = r ?: seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 2, own_limits);
#endif
	return r ?: allow_value(ctx, SCMP_SYS(socketpair), 0, AF_UNIX);
}

static int
add_sockets(scmp_filter_ctx ctx, unsigned grants)
{
	int r = 0;

	if (grants & SANDBOX_DIAL_UNIX)
		r = allow_value(ctx, SCMP_SYS(socket), 0, AF_UNIX);
	if (grants & SANDBOX_DIAL_INET) {
		r = r ?: allow_value(ctx, SCMP_SYS(socket), 0, AF_INET);
		r = r ?: allow_value(ctx, SCMP_SYS(socket), 0, AF_INET6);
	}
	if (grants & (SANDBOX_DIAL_UNIX | SANDBOX_DIAL_INET))
		r = r ?: seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(connect), 0);
	return r;
}

/* Processes and threads are made by clone, and never in namespaces of their own. */
static int
allow_clone(scmp_filter_ctx ctx, scmp_datum_t thread)
{
#ifdef ZKD_SANITIZERS
	(void)ctx;
	(void)thread;
	return 0;
#else
	const scmp_datum_t namespaces = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC |
					CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;

	return allow_masked(ctx, SCMP_SYS(clone), 0, namespaces | CLONE_THREAD, thread);
#endif
}

static int
add_processes(scmp_filter_ctx ctx, unsigned grants)
{
	int r = 0;

	if (grants & SANDBOX_FORK) {
		r = ADD_CALLS(ctx, SCMP_ACT_ALLOW, calls_fork);
		r = r ?: allow_clone(ctx, 0);
#ifndef ZKD_SANITIZERS
		r = r ?: allow_value(ctx, SCMP_SYS(prctl), 0, PR_SET_PDEATHSIG);
#endif
	}
	if (grants & SANDBOX_THREADS)
		r = r ?: allow_clone(ctx, CLONE_THREAD);
	return r;
}

static int
lock_calls(const struct sandbox *s)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int r;

	if (ctx == NULL)
		return -ENOMEM;
	/* A tree in place of a long chain: the filter runs at every system call. */
	r = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	r = r ?: ADD_CALLS(ctx, SCMP_ACT_ERRNO(ENOSYS), calls_unknown);
	r = r ?: ADD_CALLS(ctx, SCMP_ACT_ALLOW, calls_common);
	r = r ?: add_conditions(ctx);
	if (r == 0 && (s->grants & SANDBOX_FILES))
		r = ADD_CALLS(ctx, SCMP_ACT_ALLOW, calls_files);
	r = r ?: add_sockets(ctx, s->grants);
	r = r ?: add_processes(ctx, s->grants);
	r = r ?: seccomp_load(ctx);
	seccomp_release(ctx);
	return r;
}

static void
note_missing(struct sandbox_report *r, const char *what)
{
	size_t len = strlen(r->missing);

	snprintf(r->missing + len, sizeof r->missing - len, "%s%s", len > 0 ? ", " : "", what);
}

/* What of Landlock this kernel knows and this room is to be without. */
static struct ruleset
choose_rules(const struct sandbox *s, int abi, struct sandbox_report *r)
{
	struct ruleset rules = { .fs = FS_ALL_FIRST };

	if (abi >= ABI_REFER)
		rules.fs |= LANDLOCK_ACCESS_FS_REFER;
	if (abi >= ABI_TRUNCATE)
		rules.fs |= FS_TRUNCATE;
	if (abi >= ABI_IOCTL_DEV)
		rules.fs |= FS_IOCTL_DEV;
	if (abi >= ABI_NET)
		rules.net = (s->grants & SANDBOX_DIAL_INET) ? NET_BIND_TCP : NET_BIND_TCP | NET_CONNECT_TCP;
	else
		note_missing(r, "TCP rules");
	if (abi >= ABI_SCOPE)
		rules.scoped = SCOPE_ABSTRACT | SCOPE_SIGNAL;
	else
		note_missing(r, "signal scope");
	return rules;
}

static int
allow_folder(int ruleset, int folder, uint64_t access)
{
	struct landlock_path_beneath_attr path = { .allowed_access = access, .parent_fd = folder };

	if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &path, 0) != 0)
		return -errno;
	return 0;
}

static int
allow_folders(const struct sandbox *s, int ruleset, uint64_t handled)
{
	int r = 0;

	for (unsigned i = 0; i < s->nfolders && r == 0; i++)
		r = allow_folder(ruleset, s->folders[i], FS_FOLDER & handled);
#ifdef ZKD_SANITIZERS
	int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (proc >= 0) {
		r = r
			?: allow_folder(ruleset, proc,
					LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR);
		close(proc);
	}
#endif
	return r;
}

/* All of the file system, to be read. */
static int
allow_reading(int ruleset)
{
	int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC), r;

	if (root < 0)
		return -errno;
	r = allow_folder(ruleset, root, LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR);
	close(root);
	return r;
}

static int
lock_landlock(const struct sandbox *s, bool reader, struct sandbox_report *report)
{
	struct ruleset rules;
	size_t size;
	int abi, fd, r;

	abi = (int)syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	if (abi < 1) {
		note_missing(report, "Landlock");
		return 0;
	}
	report->landlock_abi = abi;
	rules = choose_rules(s, abi, report);
	/* An older kernel refuses a longer structure only if what it does not know is not zero. */
	size = sizeof rules;
	fd = (int)syscall(SYS_landlock_create_ruleset, &rules, size, 0);
	if (fd < 0)
		return -errno;
	r = reader ? allow_reading(fd) : allow_folders(s, fd, rules.fs);
	if (r == 0 && syscall(SYS_landlock_restrict_self, fd, 0) != 0)
		r = -errno;
	close(fd);
	return r;
}

/* Nobody may read our memory: no core, no ptrace by processes of the same user, no /proc/self/mem. */
static int
hide_memory(const struct sandbox *s)
{
	struct rlimit none = { 0, 0 };

	/* The change of user took it away. */
	if (s->core_dumps)
		return prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) != 0 ? -errno : 0;
	if (setrlimit(RLIMIT_CORE, &none) != 0)
		return -errno;
#ifndef ZKD_SANITIZERS
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
		return -errno;
#endif
	return 0;
}

int
sandbox_lock(const struct sandbox *s, struct sandbox_report *r)
{
	int error;

	*r = (struct sandbox_report){ 0 };
	error = hide_memory(s);
	if (error == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		error = -errno;
	error = error ?: lock_landlock(s, false, r);
	return error ?: lock_calls(s);
}

int
sandbox_lock_reader(void)
{
	struct sandbox s = { .grants = SANDBOX_DIAL_INET };
	struct sandbox_report r = { 0 };
	int error = hide_memory(&s);

	if (error == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		error = -errno;
	return error ?: lock_landlock(&s, true, &r);
}
