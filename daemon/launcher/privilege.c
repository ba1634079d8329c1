/*
 * privilege - three sets of capabilities, and the system call that sets them.
 */
#include "config.h"

#include "daemon/launcher/privilege.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "daemon/log.h"

#define BIT(capability)	(UINT64_C(1) << (capability))

#define ALWAYS	(BIT(CAP_SETUID) | BIT(CAP_SETGID) | BIT(CAP_KILL) | \
		BIT(CAP_SETPCAP))
#define FILES	BIT(CAP_DAC_OVERRIDE)

static bool dropped;

static int
set(uint64_t permitted, uint64_t effective)
{
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct sets[2] = {
		{ (uint32_t)effective, (uint32_t)permitted, 0 },
		{ (uint32_t)(effective >> 32), (uint32_t)(permitted >> 32), 0 },
	};

	return (int)syscall(SYS_capset, &head, sets);
}

/* What this process was not given, a container's root say, it cannot keep. */
static uint64_t
permitted_now(void)
{
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct sets[2] = { { 0 } };

	if (syscall(SYS_capget, &head, sets) == -1)
		return 0;
	return (uint64_t)sets[1].permitted << 32 | sets[0].permitted;
}

static void
try(bool files)
{
	uint64_t mine = permitted_now() & (ALWAYS | FILES);
	int saved = errno;

	if (set(mine, files ? mine : mine & ALWAYS) == -1)
		log_warn("privileges-kept error=%m");
	errno = saved;
}

void
privilege_drop(void)
{
#ifndef SANITIZED	/* LeakSanitizer traces */
	if (prctl(PR_SET_DUMPABLE, 0) == -1)
		log_warn("privileges-kept error=%m");
#endif
	dropped = geteuid() == 0;
	privilege_lower();
}

void
privilege_raise(void)
{
	if (dropped)
		try(true);
}

void
privilege_lower(void)
{
	if (dropped)
		try(false);
}
