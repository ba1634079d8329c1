/*
 * expose - how numbers are written for a monitoring system.
 *
 * OpenMetrics text 1.0, or the text format 0.0.4 of Prometheus: the same
 * samples, with other names for families and no units.  One family is written
 * after the other, all samples of one together, as both formats demand.
 *
 * A failure (no memory) sticks, so that who writes need not look each time.
 */
#ifndef DAEMON_MASTER_EXPOSE_H
#define DAEMON_MASTER_EXPOSE_H

#include <stdbool.h>
#include <stdint.h>

#include "ipc/buf.h"
#include "daemon/master/hist.h"

enum expose_kind {
	EXPOSE_GAUGE,
	EXPOSE_COUNTER,		/* its samples end in _total */
	EXPOSE_INFO,		/* in _info; their value is 1 */
	EXPOSE_HISTOGRAM,
	EXPOSE_KIND_N
};

struct expose {
	struct buf	 out;
	bool		 open;		/* OpenMetrics */
	bool		 failed;
	const char	*name;		/* of the current family */
	enum expose_kind kind;
};

/* An array of these ends with a name that is NULL.  Values are any bytes. */
struct expose_label {
	const char	*name, *value;
};
#define EXPOSE_LABELS(...) \
	((const struct expose_label[]){ __VA_ARGS__, { NULL, NULL } })
#define EXPOSE_NO_LABELS	((const struct expose_label[]){ { NULL, NULL } })

void	expose_init(struct expose *, bool open);
void	expose_fini(struct expose *);

/*
 * A family begins; all is borrowed until the next one.  `unit` is the last
 * word of its name, or NULL; `help` is one line.
 */
void	expose_family(struct expose *, const char *name, enum expose_kind,
	    const char *unit, const char *help);

void	expose_value(struct expose *, const struct expose_label *,
	    double value);
void	expose_hist(struct expose *, const struct expose_label *,
	    const struct hist *, const struct hist_scale *);

/* Ends the text.  0, or -1 if anything failed. */
int	expose_end(struct expose *)
	__attribute__((warn_unused_result));

#endif
