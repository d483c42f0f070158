/* See harden.h. */
#include "config.h" /* ZKD_SANITIZERS */
#include "harden.h"

#include <linux/capability.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/*
 * The daemons change their user (SETUID, SETGID), logd opens its folders before that (DAC_OVERRIDE), zkd signals them
 * afterwards (KILL) and gives data folders to logd on a reload (CHOWN, FOWNER). SETPCAP: this very reduction.
 */
static const unsigned kept[] = { CAP_CHOWN,  CAP_DAC_OVERRIDE, CAP_FOWNER, CAP_KILL,
				 CAP_SETGID, CAP_SETUID,       CAP_SETPCAP };

static uint64_t
kept_mask(void)
{
	uint64_t mask = 0;

	for (unsigned i = 0; i < sizeof kept / sizeof kept[0]; i++)
		mask |= UINT64_C(1) << kept[i];
	return mask;
}

static void
reduce_capabilities(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];
	uint64_t mask = kept_mask();

	for (int c = 0; c <= CAP_LAST_CAP; c++)
		if ((mask >> c & 1) == 0)
			(void)prctl(PR_CAPBSET_DROP, c, 0, 0, 0);
	if (syscall(SYS_capget, &head, data) < 0)
		return;
	for (int i = 0; i < 2; i++) {
		data[i].effective &= (uint32_t)(mask >> 32 * i);
		data[i].permitted &= (uint32_t)(mask >> 32 * i);
		data[i].inheritable = 0;
	}
	(void)syscall(SYS_capset, &head, data);
}

void
harden(void)
{
	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
#ifndef ZKD_SANITIZERS /* the leak checker wants to look into its own process */
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
	if (geteuid() == 0)
		reduce_capabilities();
}
