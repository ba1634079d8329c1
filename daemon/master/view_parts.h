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

/* of the page of tasks */
extern const char view_part_tasks_html[];
extern const char view_part_tasks_end_html[];
extern const char view_part_tasks_list_html[];
extern const char view_part_task_html[];
extern const char view_part_task_who_html[];
extern const char view_part_figure_html[];
extern const char view_part_chart_html[];
extern const char view_part_key_html[];
extern const char view_part_act_html[];
extern const char view_part_progress_html[];
extern const char view_part_stderr_html[];
extern const char view_part_option_html[];
extern const char view_part_state_html[];
extern const char view_part_tasks_css[];
extern const char view_part_tasks_js[];

#endif
