/*
 * replay - a fuzz target without a fuzzer: calls it once with each file.
 *
 * usage: fuzz_NAME [FILE|FOLDER...]
 *
 * Without arguments it takes tests/fuzz/corpus/NAME of $top_srcdir.
 */
#include <dirent.h>
#include <err.h>
#include <libgen.h>
#include <limits.h>
#include <sys/stat.h>

#include "tests/fuzz/fuzz.h"

static unsigned int ninputs;

static void
replay_file(const char *path, size_t size)
{
	char *data = malloc(size > 0 ? size : 1);
	FILE *file = fopen(path, "rb");

	if (data == NULL || file == NULL)
		err(1, "%s", path);
	if (fread(data, 1, size, file) != size)
		errx(1, "%s: cannot be read to its end", path);
	(void)fclose(file);
	(void)fprintf(stderr, "%s\n", path);	/* the last one, if it crashes */
	(void)LLVMFuzzerTestOneInput((const uint8_t *)data, size);
	free(data);
	ninputs++;
}

static void
replay(const char *path)
{
	struct dirent **names;
	char file[PATH_MAX];
	struct stat st;
	int i, n;

	if (stat(path, &st) == -1)
		err(1, "%s", path);
	if (!S_ISDIR(st.st_mode)) {
		replay_file(path, (size_t)st.st_size);
		return;
	}
	if ((n = scandir(path, &names, NULL, alphasort)) == -1)
		err(1, "%s", path);
	for (i = 0; i < n; i++) {
		(void)snprintf(file, sizeof(file), "%s/%s", path,
		    names[i]->d_name);
		if (names[i]->d_name[0] != '.')
			replay(file);
		free(names[i]);
	}
	free(names);
}

/* "fuzz_scgi": the files of corpus/scgi. */
static void
replay_own(const char *program)
{
	const char *top = getenv("top_srcdir");
	const char *target = strstr(program, "fuzz_");
	char path[PATH_MAX];

	if (target == NULL)
		errx(2, "usage: fuzz_NAME [FILE|FOLDER...]");
	(void)snprintf(path, sizeof(path), "%s/tests/fuzz/corpus/%s",
	    top != NULL ? top : ".", target + strlen("fuzz_"));
	replay(path);
}

int
main(int argc, char **argv)
{
	int i;

	for (i = 1; i < argc; i++)
		replay(argv[i]);
	if (argc == 1)
		replay_own(basename(argv[0]));
	if (ninputs == 0)
		errx(1, "there is nothing to replay");
	printf("%u inputs\n", ninputs);
	return 0;
}
