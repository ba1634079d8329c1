/*
 * view_parts - the pages as they stand in daemon/master/page/, made into
 * strings at build by page/embed.awk.
 */
#ifndef DAEMON_MASTER_VIEW_PARTS_H
#define DAEMON_MASTER_VIEW_PARTS_H

extern const char view_part_wait_html[];
extern const char view_part_wait_js[];
extern const char view_part_problem_html[];
extern const char view_part_fact_html[];
extern const char view_part_moved_html[];
extern const char view_part_page_css[];

#endif
