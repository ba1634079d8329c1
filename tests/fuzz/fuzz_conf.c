/*
 * fuzz_conf - deferd.conf, as somebody typed it.
 *
 * Promises: it is refused with a message of one line; or it is taken, and
 * what conf_print() writes of it is taken too, and means the same.
 */
#include "config.h"

#include "daemon/conf.h"
#include "tests/fuzz/fuzz.h"

static struct conf *
read_text(char *text, size_t size)
{
	char error[CONF_ERROR_MAX] = "";
	struct conf *conf;
	FILE *file = fmemopen(text, size, "r");

	EXPECT(file != NULL);
	conf = conf_read(file, "fuzz", error);
	(void)fclose(file);
	if (conf == NULL) {
		EXPECT(error[0] != '\0');
		EXPECT(strpbrk(error, "\n\r\033") == NULL);
	}
	return conf;
}

static char *
print(const struct conf *conf, size_t *size)
{
	char *text = NULL;
	FILE *file = open_memstream(&text, size);

	EXPECT(file != NULL);
	conf_print(conf, file);
	EXPECT(fclose(file) == 0);
	return text;
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct conf *conf, *again;
	char differ[512], *text, *printed, *twice;
	size_t n, m;

	if (size == 0)
		return 0;
	text = fuzz_copy(bytes, size);
	if ((conf = read_text(text, size)) != NULL) {
		printed = print(conf, &n);
		again = read_text(printed, n);
		EXPECT(again != NULL);
		twice = print(again, &m);
		EXPECT(n == m && memcmp(printed, twice, n) == 0);
		EXPECT(conf_needs_restart(conf, again, differ,
		    sizeof(differ))[0] == '\0');
		conf_free(again);
		conf_free(conf);
		free(printed);
		free(twice);
	}
	free(text);
	return 0;
}
