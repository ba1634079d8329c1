#include "config.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "ctl/units.h"
#include "ipc/nitems.h"

/* Up to the first byte that is no digit; -1 without a digit, or too many. */
static int
digits(const char **text, int64_t most, int64_t *value)
{
	const char *s = *text;

	if (*s < '0' || *s > '9')
		return -1;
	for (*value = 0; *s >= '0' && *s <= '9'; s++) {
		*value = *value * 10 + (*s - '0');
		if (*value > most)
			return -1;
	}
	*text = s;
	return 0;
}

int
units_parse_number(const char *text, int64_t least, int64_t most,
    int64_t *value)
{
	if (digits(&text, most, value) == -1 || *text != '\0' ||
	    *value < least)
		return -1;
	return 0;
}

int
units_parse_age(const char *text, int64_t *seconds)
{
	static const struct {
		const char	*name;
		int64_t		 seconds;
	} unit[] = {
		{ "", 1 }, { "s", 1 }, { "m", 60 }, { "h", 3600 },
		{ "d", 86400 }
	};

	if (digits(&text, UNITS_AGE_MAX, seconds) == -1)
		return -1;
	for (size_t i = 0; i < nitems(unit); i++) {
		if (strcmp(text, unit[i].name) != 0)
			continue;
		if (*seconds > UNITS_AGE_MAX / unit[i].seconds)
			return -1;
		*seconds *= unit[i].seconds;
		return 0;
	}
	return -1;
}

int
units_parse_time(const char *text, int64_t *unix_ms)
{
	struct tm tm = { 0 };
	int ms = 0, used = 0;

	if (sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d%n", &tm.tm_year, &tm.tm_mon,
	    &tm.tm_mday, &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &used) != 6)
		return -1;
	text += used;
	if (*text == '.' && (sscanf(text, ".%3d%n", &ms, &used) != 1 ||
	    used != 4))
		return -1;
	if (*text == '.')
		text += used;
	if (strcmp(text, "Z") != 0)
		return -1;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	*unix_ms = (int64_t)timegm(&tm) * 1000 + ms;
	return 0;
}

/* The two largest units: more would be noise. */
static void
long_time(int64_t s, char out[UNITS_TEXT])
{
	long long days = s / 86400;
	int hours = (int)(s / 3600 % 24), minutes = (int)(s / 60 % 60);

	if (days > 0)
		snprintf(out, UNITS_TEXT, "%lldd%02dh", days, hours);
	else if (hours > 0)
		snprintf(out, UNITS_TEXT, "%dh%02dm", hours, minutes);
	else
		snprintf(out, UNITS_TEXT, "%dm%02ds", minutes, (int)(s % 60));
}

char *
units_seconds(double s, char out[UNITS_TEXT])
{
	if (!(s > 0))
		snprintf(out, UNITS_TEXT, "0s");	/* a clock went back */
	else if (s < 0.00995)
		snprintf(out, UNITS_TEXT, "%.1fms", s * 1000);
	else if (s < 0.9995)
		snprintf(out, UNITS_TEXT, "%.0fms", s * 1000);
	else if (s < 9.95)
		snprintf(out, UNITS_TEXT, "%.1fs", s);
	else if (s < 60)
		snprintf(out, UNITS_TEXT, "%ds", (int)s);
	else
		long_time((int64_t)(s < 1e15 ? s : 1e15), out);
	return out;
}

char *
units_bytes(double n, char out[UNITS_TEXT])
{
	static const char unit[] = "KMGTPE";
	size_t i = 0;

	if (!(n >= 0) || n > 1e18)
		n = 0;
	if (n < 1024) {
		snprintf(out, UNITS_TEXT, "%.0f", n);
		return out;
	}
	for (n /= 1024; n >= 1023.5 && unit[i + 1] != '\0'; i++)
		n /= 1024;
	snprintf(out, UNITS_TEXT, n < 9.95 ? "%.1f%c" : "%.0f%c", n, unit[i]);
	return out;
}

char *
units_time(int64_t unix_ms, char out[UNITS_TEXT])
{
	time_t seconds = (time_t)(unix_ms / 1000);
	struct tm tm = { 0 };

	localtime_r(&seconds, &tm);
	if (strftime(out, UNITS_TEXT, "%Y-%m-%d %H:%M:%S %Z", &tm) == 0)
		out[0] = '\0';
	return out;
}
