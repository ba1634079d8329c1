/*
 * Tests of script.c, and of what request.c makes of a web server's word for
 * a script: a small tree of files, and requests as Apache's Action sends
 * them.
 */
#include "config.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/request.h"
#include "daemon/script.h"
#include "tests/suite.h"

static char top[] = "/tmp/deferd-script-XXXXXX";

/* A path in the tree; up to four are good at a time. */
static const char *
at(const char *path)
{
	static char text[4][PATH_MAX];
	static int i;

	i = (i + 1) % N(text);
	snprintf(text[i], sizeof(text[i]), "%s%s", top, path);
	return text[i];
}

static void
make_file(const char *path, mode_t mode)
{
	int fd = open(at(path), O_CREAT | O_WRONLY, mode);

	ck_assert_int_ne(fd, -1);
	close(fd);
}

static void
make_tree(void)
{
	ck_assert_ptr_nonnull(mkdtemp(top));
	ck_assert_int_eq(mkdir(at("/www"), 0755), 0);
	ck_assert_int_eq(mkdir(at("/www/dir.cgi"), 0755), 0);
	ck_assert_int_eq(mkdir(at("/wwwx"), 0755), 0);
	make_file("/www/x.cgi", 0755);
	make_file("/www/dir.cgi/x.cgi", 0700);
	make_file("/www/plain.cgi", 0644);
	make_file("/wwwx/x.cgi", 0755);
	ck_assert_int_eq(mkfifo(at("/www/fifo.cgi"), 0755), 0);
	ck_assert_int_eq(symlink(at("/wwwx"), at("/www/out")), 0);
	ck_assert_int_eq(symlink("../wwwx/x.cgi", at("/www/out.cgi")), 0);
	ck_assert_int_eq(symlink("dir.cgi/x.cgi", at("/www/in.cgi")), 0);
	ck_assert_int_eq(symlink("nothing", at("/www/broken.cgi")), 0);
	ck_assert_int_eq(symlink("www", at("/root")), 0);
}

static void
drop_tree(void)
{
	static const char *const files[] = {
		"/www/dir.cgi/x.cgi", "/www/dir.cgi", "/www/x.cgi",
		"/www/plain.cgi", "/www/fifo.cgi", "/www/out", "/www/out.cgi",
		"/www/in.cgi", "/www/broken.cgi", "/www", "/wwwx/x.cgi",
		"/wwwx", "/root", "",
	};

	for (int i = 0; i < N(files); i++)
		ck_assert_int_eq(remove(at(files[i])), 0);
}

static const struct {
	const char	*file, *script;	/* NULL: there is none */
} splits[] = {
	{ "/www/x.cgi", "/www/x.cgi" },
	{ "/www/x.cgi/", "/www/x.cgi" },
	{ "/www/x.cgi/a b/c", "/www/x.cgi" },
	{ "/www/x.cgi/x.cgi", "/www/x.cgi" },
	{ "/www/dir.cgi/x.cgi/a", "/www/dir.cgi/x.cgi" },
	{ "/www/in.cgi/a", "/www/in.cgi" },
	{ "/www//x.cgi//a", "/www//x.cgi" },
	{ "/www/plain.cgi/a", "/www/plain.cgi" },
	{ "/www/fifo.cgi", "/www/fifo.cgi" },
	{ "/www", NULL },
	{ "/www/", NULL },
	{ "/www/none.cgi/a", NULL },
	{ "/www/broken.cgi", NULL },
};

START_TEST(split)
{
	const char *want = splits[_i].script;
	size_t len = script_split(at(splits[_i].file));

	if (want == NULL) {
		ck_assert_uint_eq(len, 0);
		ck_assert_int_eq(errno, ENOENT);
	} else {
		ck_assert_uint_eq(len, strlen(at(want)));
	}
}
END_TEST

START_TEST(split_of_a_long_name)
{
	char name[PATH_MAX + 2];

	memset(name, 'a', sizeof(name));
	name[0] = '/';
	name[sizeof(name) - 1] = '\0';
	ck_assert_uint_eq(script_split(name), 0);
	ck_assert_int_eq(errno, ENAMETOOLONG);
	ck_assert_uint_eq(script_split(""), 0);
}
END_TEST

static const struct {
	const char	*root, *file;
	int		 error;		/* 0: it may run */
} checks[] = {
	{ "/www", "/www/x.cgi", 0 },
	{ "/www/", "/www/x.cgi", 0 },
	{ "/root", "/www/x.cgi", 0 },
	{ "/www", "/root/x.cgi", 0 },
	{ "/www", "/www/in.cgi", 0 },
	{ "/www", "/www/dir.cgi/../x.cgi", 0 },
	{ "/www", "/www/dir.cgi", EPERM },
	{ "/www", "/www/plain.cgi", EPERM },
	{ "/www", "/www/fifo.cgi", EPERM },
	{ "/www", "/www/out.cgi", EPERM },
	{ "/www", "/www/out/x.cgi", EPERM },
	{ "/www", "/wwwx/x.cgi", EPERM },
	{ "/www", "/www/../wwwx/x.cgi", EPERM },
	{ "/www", "/www/broken.cgi", ENOENT },
	{ "/none", "/www/x.cgi", ENOENT },
};

START_TEST(check)
{
	int rc = script_check(at(checks[_i].root), at(checks[_i].file));

	ck_assert_int_eq(rc, checks[_i].error == 0 ? 0 : -1);
	if (rc == -1)
		ck_assert_int_eq(errno, checks[_i].error);
}
END_TEST

START_TEST(check_below_the_root_of_all)
{
	ck_assert_int_eq(script_check("/", at("/wwwx/x.cgi")), 0);
}
END_TEST

/* What the door gets; NULL: left out. */
struct word {
	const char	*handler, *status, *url, *path, *file, *user;
};

static int
request_of(struct request *req, const struct conf *conf, const struct word *w)
{
	const char *pairs[][2] = {
		{ "CONTENT_LENGTH", "0" }, { "SCGI", "1" },
		{ "REQUEST_METHOD", "GET" },
		{ "SCRIPT_NAME", "/cgi-bin/defer.cgi" },
		{ "REMOTE_USER", "door" },
		{ "PATH_INFO", w->path }, { "REDIRECT_HANDLER", w->handler },
		{ "REDIRECT_STATUS", w->status }, { "REDIRECT_URL", w->url },
		{ "PATH_TRANSLATED", w->file == NULL ? NULL : at(w->file) },
		{ "REDIRECT_REMOTE_USER", w->user },
	};
	static char block[8192];
	const char *why = "";
	struct scgi scgi;
	size_t len = 0;

	for (int i = 0; i < N(pairs); i++)
		for (int j = 0; j < 2 && pairs[i][1] != NULL; j++)
			len = (size_t)(stpcpy(block + len, pairs[i][j]) + 1 -
			    block);
	ck_assert_int_eq(scgi_check(block, len, &scgi, &why), SCGI_DONE);
	return request_init(req, &scgi, conf, &why);
}

static struct conf
settings(struct conf_route *r)
{
	*r = (struct conf_route){ .name = (char *)"s", .pattern = (char *)"/*",
	    .is_prefix = true, .scripts = (char *)(uintptr_t)at("/www"),
	    .handler = (char *)"h" };
	return (struct conf){ .routes = r, .nroutes = 1 };
}

#define ID	"0123456789abcdef0123456789abcdef"

static const struct {
	struct word	 word;
	int		 status;
	const char	*mount, *path, *extra, *owner;
} words[] = {
	/* no user from before the redirect: the door is guarded, too */
	{ { "h", "200", "/x.cgi", "/x.cgi", "/www/x.cgi", NULL },
	    0, "/x.cgi/-", "/x.cgi", "", "/x.cgi/-\ndoor" },
	{ { "h", "200", "/x.cgi/a b", "/x.cgi/a b", "/www/x.cgi/a b", "ann" },
	    0, "/x.cgi/-", "/x.cgi/a b", "/a b", "/x.cgi/-\nann" },
	{ { "h", "200", "/~u/x.cgi/", "/~u/x.cgi/", "/www/x.cgi/", "" },
	    0, "/~u/x.cgi/-", "/~u/x.cgi/", "/", "/~u/x.cgi/-\n" },

	/* a link that begins with "//" would lead to another host */
	{ { "h", "200", "//x.cgi", "//x.cgi", "/www/x.cgi", "ann" },
	    0, "/x.cgi/-", "//x.cgi", "", "/x.cgi/-\nann" },

	/* links: no file is looked at */
	{ { "h", "200", "/x.cgi/-/status/" ID, "/x.cgi/-/status/" ID,
	    "/www/gone.cgi", "ann" },
	    0, "/x.cgi/-", "/status/" ID, NULL, "/x.cgi/-\nann" },
	{ { "h", "200", "/x.cgi/-/status/1/-/status/2",
	    "/x.cgi/-/status/1/-/status/2", "/www/x.cgi", NULL },
	    0, "/x.cgi/-", "/status/1/-/status/2", NULL, "/x.cgi/-\ndoor" },

	/* not files that may run */
	{ { "h", "200", "/none.cgi", "/none.cgi", "/www/none.cgi", NULL },
	    404, NULL, NULL, NULL, NULL },
	{ { "h", "200", "/dir.cgi", "/dir.cgi", "/www/dir.cgi", NULL },
	    404, NULL, NULL, NULL, NULL },
	{ { "h", "200", "/plain.cgi", "/plain.cgi", "/www/plain.cgi", NULL },
	    403, NULL, NULL, NULL, NULL },
	{ { "h", "200", "/out.cgi", "/out.cgi", "/www/out.cgi", NULL },
	    403, NULL, NULL, NULL, NULL },
	{ { "h", "200", "/x.cgi", "/x.cgi", "/www/../wwwx/x.cgi", NULL },
	    400, NULL, NULL, NULL, NULL },
	{ { "h", "200", "/x.cgi/a", "/x.cgi/a", "/www/x.cgi/b", NULL },
	    400, NULL, NULL, NULL, NULL },
	{ { "h", "200", "/a", "/a", "/www/x.cgi/a", NULL },
	    400, NULL, NULL, NULL, NULL },
};

START_TEST(believed)
{
	struct conf_route r;
	struct conf conf = settings(&r);
	struct request req;
	int status = request_of(&req, &conf, &words[_i].word);

	ck_assert_int_eq(status, words[_i].status);
	if (status != 0)
		return;
	ck_assert_ptr_eq(req.scripts, &r);
	ck_assert_ptr_eq(request_route(&req, &conf), &r);
	ck_assert_str_eq(req.mount, words[_i].mount);
	ck_assert_str_eq(req.path, words[_i].path);
	ck_assert_str_eq(req.owner, words[_i].owner);
	ck_assert_ptr_eq(req.user == NULL ? NULL : strchr(req.owner, '\n') + 1,
	    request_owner_user(req.owner));
	if (words[_i].extra == NULL) {
		ck_assert_ptr_null(req.script);
	} else {
		ck_assert_str_eq(req.script, at("/www/x.cgi"));
		ck_assert_str_eq(req.extra, words[_i].extra);
	}
	request_fini(&req);
}
END_TEST

/* A direct request, and what differs from a true one in one point. */
static const struct word not_believed[] = {
	{ NULL, NULL, NULL, "/x.cgi", "/www/x.cgi", "ann" },
	{ NULL, "200", "/x.cgi", "/x.cgi", "/www/x.cgi", "ann" },
	{ "hh", "200", "/x.cgi", "/x.cgi", "/www/x.cgi", "ann" },
	{ "", "200", "/x.cgi", "/x.cgi", "/www/x.cgi", "ann" },
	{ "h", NULL, "/x.cgi", "/x.cgi", "/www/x.cgi", "ann" },
	{ "h", "404", "/x.cgi", "/x.cgi", "/www/x.cgi", "ann" },
	{ "h", "200", NULL, "/x.cgi", "/www/x.cgi", "ann" },
	{ "h", "200", "/X.cgi", "/x.cgi", "/www/x.cgi", "ann" },
	{ "h", "200", "/x.cgi/", "/x.cgi", "/www/x.cgi", "ann" },
	{ "h", "200", "/x.cgi", "/x.cgi", NULL, "ann" },
};

START_TEST(not_believed_at_all)
{
	struct conf_route r;
	struct conf conf = settings(&r);
	struct request req;

	ck_assert_int_eq(request_of(&req, &conf, &not_believed[_i]), 0);
	ck_assert_ptr_null(request_route(&req, &conf));
	ck_assert_ptr_null(req.scripts);
	ck_assert_ptr_null(req.script);
	ck_assert_str_eq(req.mount, "/cgi-bin/defer.cgi");
	ck_assert_str_eq(req.user, "door");	/* not what was redirected */
	ck_assert_str_eq(req.owner, "door");
	ck_assert_ptr_eq(request_owner_user(req.owner), req.owner);
	ck_assert_ptr_null(request_owner_user(NULL));
	request_fini(&req);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("script");
	TCase *tc = suite_case(s, "script", NULL, NULL);

	tcase_add_unchecked_fixture(tc, make_tree, drop_tree);
	tcase_add_loop_test(tc, split, 0, N(splits));
	tcase_add_test(tc, split_of_a_long_name);
	tcase_add_loop_test(tc, check, 0, N(checks));
	tcase_add_test(tc, check_below_the_root_of_all);
	tcase_add_loop_test(tc, believed, 0, N(words));
	tcase_add_loop_test(tc, not_believed_at_all, 0, N(not_believed));
	return suite_run(s);
}
