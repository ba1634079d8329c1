/*
 * nitems - how many items a table has, as the BSDs have it in <sys/param.h>.
 */
#ifndef IPC_NITEMS_H
#define IPC_NITEMS_H

#define nitems(table)	(sizeof(table) / sizeof((table)[0]))

#endif
