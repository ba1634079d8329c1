/*
 * report - the daemon's statistics, in words and tables.
 *
 * Each function writes a line or a table to `out`, from the document that
 * GET /stats gives.  `width` as in table_print().
 */
#ifndef CTL_REPORT_H
#define CTL_REPORT_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Version, process, how long it is up, what it does now. */
void	report_state(FILE *out, const json_t *stats);

/* Tasks, slots, store, clients, the process. */
void	report_load(FILE *out, const json_t *stats);

/* Since its start; and who was refused why. */
void	report_totals(FILE *out, const json_t *stats);

/*
 * Tasks per second since the look before; without one, or when the daemon has
 * been restarted since, in the last whole minute; and says in which.
 */
void	report_rates(FILE *out, const json_t *stats, const json_t *before);

void	report_routes(FILE *out, const json_t *stats, size_t width);
void	report_pools(FILE *out, const json_t *stats, size_t width);

/*
 * The tasks that have run longest, from what GET /tasks gives; `rows` lines at
 * most, the title included.
 */
void	report_running(FILE *out, const json_t *list, size_t rows, size_t width);

#endif
