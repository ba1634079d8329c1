/*
 * view_tasks_page - /tasks for people: what runs, what waits, what failed and
 * why, what else has ended; figures and charts of the last hour; a filter; and
 * the buttons that cancel, pause and resume.
 *
 * A page like the others (view_page.h).  Where its buttons lead, the query
 * that the page was asked with comes along, so that the answer can lead back.
 */
#ifndef DAEMON_MASTER_VIEW_TASKS_PAGE_H
#define DAEMON_MASTER_VIEW_TASKS_PAGE_H

#include "daemon/master/view_list.h"

extern const struct list_writer view_tasks_page;

#endif
