/*
 * percent - what %XX stands for (RFC 3986 2.1).
 */
#ifndef IPC_PERCENT_H
#define IPC_PERCENT_H

#include <stdbool.h>

/*
 * Decodes text in place.  False for a % without two hex digits, and for %00,
 * which no C string holds; the text is then decoded in part.
 */
bool	percent_decode(char *text)
	__attribute__((warn_unused_result));

#endif
