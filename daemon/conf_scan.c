/*
 * conf_scan - what libconfuse's lexer would let through, refused before it
 * looks.
 *
 * libconfuse takes an end of file for the end of a section, an unquoted
 * slash and star for a comment, ${X} for a variable of the environment, a
 * backslash and zeros for the end of a text; it knows no comment inside a
 * list, drops characters it does not know, and takes text in quotes for the
 * name of a setting (then `|` walks into sections).  So the text passes
 * through here first.  What is left for libconfuse is unambiguous: bare
 * words, text in quotes on one line, the four signs = , { }, and blanks
 * where comments were.  Grammar is its business, not ours; braces are
 * counted only because it does not.
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "daemon/conf_table.h"

#define DEPTH_MAX	4	/* a list in a route is the deepest: 2 */

struct scan {
	char		*p, *end;
	unsigned int	 line;
	unsigned int	 depth;
	unsigned int	 open_line[DEPTH_MAX];
	bool		 is_list[DEPTH_MAX];
	char		 last;		/* 'w'ord, a quote, or the sign itself */
	bool		 is_value;	/* that word or text: of a setting */
	unsigned int	 bad_line;
	char		*why;
};

static int
bad(struct scan *s, const char *what)
{
	s->bad_line = s->line;
	snprintf(s->why, CONF_ERROR_MAX, "%s", what);
	return -1;
}

static int
bad_char(struct scan *s)
{
	unsigned char c = (unsigned char)*s->p;

	s->bad_line = s->line;
	if (c <= ' ' || c >= 0x7f)
		snprintf(s->why, CONF_ERROR_MAX,
		    "expected printable text, got the byte 0x%02x", c);
	else
		snprintf(s->why, CONF_ERROR_MAX,
		    "expected quotes around text that has a '%c'", c);
	return -1;
}

static bool
is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    (c >= '0' && c <= '9') || (c != '\0' && strchr("-_.", c) != NULL);
}

static bool
is_control(char c)
{
	return (unsigned char)c < ' ' || c == 0x7f;
}

/* A backslash in a text: p stands on it, and goes to what it escapes. */
static int
scan_escape(struct scan *s, char quote)
{
	char next = s->end - s->p > 1 ? s->p[1] : '\0';

	if (quote == '"' && (next == '\0' || strchr("\"\\$", next) == NULL))
		return bad(s, "expected \\\", \\\\ or \\$ in text between "
		    "double quotes, got another backslash");
	if (quote == '"' || next == '\'' || next == '\\')
		s->p++;
	return 0;
}

/* Whether only the name of a setting can stand here. */
static bool
at_name(const struct scan *s)
{
	return s->last == '\0' || s->last == '}' || s->is_value ||
	    (s->last == '{' && !s->is_list[s->depth - 1]);
}

/* The end of a word or a text. */
static void
scan_end(struct scan *s, char what)
{
	s->is_value = s->last == '=';
	s->last = what;
}

static int
scan_text(struct scan *s, char quote)
{
	if (at_name(s))
		return bad(s, "expected a name without quotes");
	for (s->p++; s->p < s->end && *s->p != quote; s->p++) {
		if (*s->p == '\n')
			break;
		if (is_control(*s->p))
			return bad_char(s);
		if (*s->p == '\\') {
			if (scan_escape(s, quote) == -1)
				return -1;
		} else if (quote == '"' && *s->p == '$' &&
		    s->end - s->p > 1 && s->p[1] == '{') {
			return bad(s, "expected \\${ (no variable is ever "
			    "put in), got ${");
		}
	}
	if (s->p == s->end || *s->p == '\n')
		return bad(s, quote == '"' ?
		    "expected a \" at the end of the text, got the end of the line" :
		    "expected a ' at the end of the text, got the end of the line");
	scan_end(s, quote);
	return 0;
}

static void
scan_word(struct scan *s)
{
	while (s->end - s->p > 1 && is_word(s->p[1]))
		s->p++;
	scan_end(s, 'w');
}

static int
scan_open(struct scan *s)
{
	if (s->depth == DEPTH_MAX)
		return bad(s, "expected a \"}\", got one more \"{\"");
	s->open_line[s->depth] = s->line;
	s->is_list[s->depth] = s->last == '=';
	s->depth++;
	return 0;
}

static int
scan_close(struct scan *s)
{
	if (s->depth == 0)
		return bad(s, "expected a setting, got a \"}\" that closes nothing");
	s->depth--;
	if (s->is_list[s->depth] && s->last == '{')
		return bad(s, "expected at least one value in a list, got {}");
	return 0;
}

static int
scan_sign(struct scan *s)
{
	if (*s->p == '=' && (s->last == '"' || s->last == '\''))
		return bad(s, "expected a name without quotes");
	if (*s->p == '{' && scan_open(s) == -1)
		return -1;
	if (*s->p == '}' && scan_close(s) == -1)
		return -1;
	s->last = *s->p;
	s->is_value = false;
	return 0;
}

static void
scan_comment(struct scan *s)
{
	while (s->p < s->end && *s->p != '\n')
		*s->p++ = ' ';
	s->p--;				/* the newline is the caller's */
}

static int
scan_one(struct scan *s)
{
	char c = *s->p;

	if (c == '\n') {
		s->line++;
	} else if (c == '#') {
		scan_comment(s);
	} else if (c == '"' || c == '\'') {
		return scan_text(s, c);
	} else if (is_word(c)) {
		scan_word(s);
	} else if (c != '\0' && strchr("=,{}", c) != NULL) {
		return scan_sign(s);
	} else if (c != ' ' && c != '\t') {
		return bad_char(s);
	}
	return 0;
}

int
conf_scan(char *text, size_t len, unsigned int *line, char why[CONF_ERROR_MAX])
{
	struct scan s = { .p = text, .end = text + len, .line = 1, .why = why };

	for (; s.p < s.end; s.p++) {
		if (scan_one(&s) == -1) {
			*line = s.bad_line;
			return -1;
		}
	}
	if (s.depth > 0) {
		bad(&s, "expected a \"}\" to this \"{\", got the end of the file");
		*line = s.open_line[s.depth - 1];
		return -1;
	}
	return 0;
}
