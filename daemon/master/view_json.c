#include "config.h"

#include <string.h>
#include <time.h>

#include "daemon/master/view_json.h"
#include "ipc/utf8.h"

static void
end_if(int failed, json_t **doc)
{
	if (!failed)
		return;
	json_decref(*doc);
	*doc = NULL;
}

void
view_json_set(json_t **doc, const char *name, json_t *value)
{
	end_if(json_object_set_new(*doc, name, value), doc);
}

void
view_json_append(json_t **list, json_t *value)
{
	end_if(json_array_append_new(*list, value), list);
}

void
view_json_set_id(json_t **doc, const char *name, const struct task *task)
{
	char id[TASK_ID_TEXT];

	view_json_set(doc, name, json_string(task_id_text(task->id, id)));
}

void
view_json_set_number(json_t **doc, const char *name, uint64_t n)
{
	view_json_set(doc, name, json_integer((json_int_t)n));
}

void
view_json_set_text(json_t **doc, const char *name, const char *text)
{
	view_json_set(doc, name, text != NULL ?
	    view_json_text(text, strlen(text)) : json_null());
}

/* So many digits, and a byte behind them. */
static char *
digits(char *to, int n, int width, char then)
{
	for (int i = width; i-- > 0; n /= 10)
		to[i] = (char)('0' + n % 10);
	to[width] = then;
	return to + width + 1;
}

/* By hand, since every 202 has one or two. */
char *
view_json_time(int64_t unix_ms, char text[VIEW_JSON_TIME])
{
	time_t seconds = (time_t)(unix_ms / 1000);
	struct tm tm = { 0 };
	char *p = text;

	gmtime_r(&seconds, &tm);
	p = digits(p, tm.tm_year + 1900, 4, '-');
	p = digits(p, tm.tm_mon + 1, 2, '-');
	p = digits(p, tm.tm_mday, 2, 'T');
	p = digits(p, tm.tm_hour, 2, ':');
	p = digits(p, tm.tm_min, 2, ':');
	p = digits(p, tm.tm_sec, 2, '.');
	p = digits(p, (int)(unix_ms % 1000), 3, 'Z');
	*p = '\0';
	return text;
}

void
view_json_set_time(json_t **doc, const char *name, int64_t unix_ms)
{
	char text[VIEW_JSON_TIME];

	view_json_set(doc, name, json_string(view_json_time(unix_ms, text)));
}

json_t *
view_json_text(const void *text, size_t len)
{
	const unsigned char *p = text;
	struct buf clean;
	json_t *json = NULL;
	int failed = 0;

	buf_init(&clean, 3 * len + 1);
	for (size_t at = 0, n; at < len && !failed; at += n) {
		n = utf8_len(p + at, len - at);
		if (n > 0) {
			failed = buf_add(&clean, p + at, n);
		} else {
			failed = buf_add(&clean, "\xef\xbf\xbd", 3);
			n = 1;
		}
	}
	if (!failed)
		json = json_stringn((const char *)buf_data(&clean),
		    buf_len(&clean));
	buf_fini(&clean);
	return json;
}

json_t *
view_json_progress(int percent, const char *message)
{
	json_t *doc = json_object();

	view_json_set(&doc, "percent", json_integer(percent));
	view_json_set_text(&doc, "message", message);
	return doc;
}

static int
add(const char *text, size_t len, void *out)
{
	return buf_add(out, text, len);
}

int
view_json_write(struct buf *out, const json_t *doc)
{
	return json_dump_callback(doc, add, out, VIEW_JSON_FLAGS);
}
