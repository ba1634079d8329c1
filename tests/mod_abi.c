/*
 * mod_abi - a module from another time: its ABI is not this daemon's.
 */
#include <deferd.h>

extern const uint32_t deferd_abi;
const uint32_t deferd_abi = DEFERD_ABI + 1;

int
deferd_run(const struct deferd_api *api, struct deferd_task *task)
{
	(void)api;
	(void)task;
	return 0;
}
