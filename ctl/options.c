#include "config.h"

#include <getopt.h>
#include <stddef.h>

#include "ctl/options.h"

int
options_json(int argc, char **argv, bool *as_json)
{
	static const struct option known[] = {
		{ "json", no_argument, NULL, 'j' },
		{ 0 }
	};
	int c;

	*as_json = false;
	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
		if (c != 'j')
			return -1;
		*as_json = true;
	}
	return 0;
}
