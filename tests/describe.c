/*
 * describe - the list of settings as the program has it, for the test that
 * holds deferd.conf(5) against it (tests/system/test_manual.py).
 */
#include "daemon/conf.h"

int
main(void)
{
	conf_describe(stdout);
	return 0;
}
