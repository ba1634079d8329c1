/*
 * utf8 - which bytes are a character.
 */
#ifndef IPC_UTF8_H
#define IPC_UTF8_H

#include <stddef.h>

/*
 * Bytes of the sequence that begins at s (RFC 3629), of which `left`, at
 * least one, can be read; 0 if there is none: cut short, too long a form, a
 * surrogate, above U+10FFFF.
 */
size_t	utf8_len(const void *s, size_t left);

/*
 * How many of `len` bytes of text stand within the first `max`, a character
 * not being cut as far as the text is UTF-8.
 */
size_t	utf8_cut(const char *text, size_t len, size_t max);

#endif
