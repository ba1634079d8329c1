/*
 * check_slate - what a worker wrote is there when it is dead, and a bad
 * descriptor is refused before it can hurt.
 */
#include "config.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ipc/slate.h"
#include "tests/fds.h"
#include "tests/refuse.h"
#include "tests/suite.h"

static const unsigned char task[TASK_ID_BYTES] = "0123456789abcde";

START_TEST(sizes)
{
	static const unsigned int good[] = { 1, 16, 127, SLATE_SLOTS_MAX };
	struct slate s;
	size_t i;
	int fd;

	for (i = 0; i < N(good); i++) {
		ck_assert_int_ge(fd = slate_create(good[i]), 0);
		ck_assert_int_ne(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
		ck_assert_int_eq(slate_map_reader(&s, fd), 0);
		close(fd);
		ck_assert_uint_eq(s.nslots, good[i]);
		ck_assert_uint_eq(s.bytes,
		    good[i] * sizeof(struct slate_slot));
		ck_assert_uint_eq(s.slot[good[i] - 1].attempt, 0);
		slate_unmap(&s);
		ck_assert_ptr_null(s.slot);
		slate_unmap(&s);
	}
	ck_assert_int_eq(slate_create(0), -1);
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_int_eq(slate_create(SLATE_SLOTS_MAX + 1), -1);
	ck_assert_int_eq(errno, EINVAL);
}
END_TEST

START_TEST(set_and_clear)
{
	struct slate w, r;
	int fd;

	ck_assert_int_ge(fd = slate_create(4), 0);
	ck_assert_int_eq(slate_map_writer(&w, fd), 0);
	ck_assert_int_eq(slate_map_reader(&r, fd), 0);
	close(fd);

	w.slot[2].pgid = 99;
	w.slot[2].signo = SIGSEGV;
	slate_set(&w.slot[2], task, 7);
	ck_assert_uint_eq(r.slot[2].attempt, 7);
	ck_assert_mem_eq(r.slot[2].task, task, TASK_ID_BYTES);
	ck_assert_int_eq(r.slot[2].pgid, 0);
	ck_assert_int_eq(r.slot[2].signo, 0);
	ck_assert_uint_eq(r.slot[1].attempt, 0);
	ck_assert_uint_eq(r.slot[3].attempt, 0);

	w.slot[2].pgid = 1234;
	w.slot[2].signo = SIGBUS;
	ck_assert_int_eq(r.slot[2].pgid, 1234);
	ck_assert_int_eq(r.slot[2].signo, SIGBUS);
	slate_clear(&w.slot[2]);
	ck_assert_uint_eq(r.slot[2].attempt, 0);
	ck_assert_int_eq(r.slot[2].pgid, 0);
	ck_assert_int_eq(r.slot[2].signo, 0);
	slate_unmap(&w);
	slate_unmap(&r);
}
END_TEST

/* kill -9 of the writer takes nothing back. */
START_TEST(outlives_its_writer)
{
	struct slate w, r;
	int fd, status;
	pid_t pid;

	ck_assert_int_ge(fd = slate_create(2), 0);
	ck_assert_int_eq(slate_map_reader(&r, fd), 0);
	ck_assert_int_ge(pid = fork(), 0);
	if (pid == 0) {
		if (slate_map_writer(&w, fd) == -1)
			_exit(1);
		slate_set(&w.slot[1], task, 3);
		w.slot[1].pgid = getpid();
		kill(getpid(), SIGKILL);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFSIGNALED(status));
	ck_assert_uint_eq(r.slot[1].attempt, 3);
	ck_assert_mem_eq(r.slot[1].task, task, TASK_ID_BYTES);
	ck_assert_int_eq(r.slot[1].pgid, pid);
	slate_unmap(&r);
	close(fd);
}
END_TEST

/* The child between vfork and exec writes its group; the parent sees it. */
START_TEST(written_by_a_vforked_child)
{
	struct slate w;
	volatile pid_t pid;
	int fd;

	ck_assert_int_ge(fd = slate_create(1), 0);
	ck_assert_int_eq(slate_map_writer(&w, fd), 0);
	slate_set(&w.slot[0], task, 1);
	pid = vfork();
	if (pid == 0) {
		atomic_store(&w.slot[0].pgid, getpid());
		_exit(0);
	}
	/* reaped first: under valgrind vfork() does not wait */
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	ck_assert_int_eq(w.slot[0].pgid, pid);
	slate_unmap(&w);
	close(fd);
}
END_TEST

/* The writer cannot cut it under the reader's feet, nor unseal it. */
START_TEST(is_sealed)
{
	int fd;

	ck_assert_int_ge(fd = slate_create(256), 0);
	ck_assert_int_eq(ftruncate(fd, 0), -1);
	ck_assert_int_eq(errno, EPERM);
	ck_assert_int_eq(ftruncate(fd, 1 << 20), -1);
	ck_assert_int_eq(errno, EPERM);
	ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
	ck_assert_int_eq(errno, EPERM);
	close(fd);
}
END_TEST

START_TEST(reader_cannot_write)
{
	int fd, zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	struct slate r;

	ck_assert_int_ge(zero, 0);
	ck_assert_int_ge(fd = slate_create(1), 0);
	ck_assert_int_eq(slate_map_reader(&r, fd), 0);
	/* asked of the kernel, which says so without a crash */
	ck_assert_int_eq(read(zero, &r.slot[0].signo, 4), -1);
	ck_assert_int_eq(errno, EFAULT);
	slate_unmap(&r);
	close(fd);
	close(zero);
}
END_TEST

static void
refuses(int fd)
{
	struct slate s;

	errno = 0;
	ck_assert_int_eq(slate_map_reader(&s, fd), -1);
	ck_assert_int_eq(slate_map_writer(&s, fd), -1);
	ck_assert_int_ne(errno, 0);
	close(fd);
}

/* A memfd of that size, with these seals. */
static int
fake(off_t bytes, int seals)
{
	int fd = memfd_create("fake", MFD_ALLOW_SEALING | MFD_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, bytes), 0);
	ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

START_TEST(forged)
{
	const int all = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
	const off_t slot = sizeof(struct slate_slot);
	struct slate s;
	int fd, pipes[2];

	fd = fake(slot, all);
	ck_assert_int_eq(slate_map_reader(&s, fd), 0);
	slate_unmap(&s);
	close(fd);

	refuses(fake(slot, 0));
	refuses(fake(slot, F_SEAL_GROW | F_SEAL_SEAL));
	refuses(fake(slot, F_SEAL_SHRINK | F_SEAL_SEAL));
	refuses(fake(0, all));
	refuses(fake(slot - 1, all));
	refuses(fake(slot + 1, all));
	refuses(fake(slot * (SLATE_SLOTS_MAX + 1), all));
	refuses(open("/dev/zero", O_RDWR | O_CLOEXEC));
	ck_assert_int_eq(pipe(pipes), 0);
	refuses(pipes[0]);
	refuses(pipes[1]);
	refuses(-1);
}
END_TEST

START_TEST(kernel_says_no)
{
	static const struct refuse no[] = {
		{ "memfd_create", 0, 1, EMFILE }, { "fallocate", 0, 1, ENOSPC },
	};
	int before = open_fds();
	struct slate s;

	refuse = no[_i];
	ck_assert_int_eq(slate_create(4), -1);
	ck_assert_int_eq(errno, no[_i].error);
	ck_assert_int_eq(slate_map_reader(&s, -1), -1);
	ck_assert_int_eq(errno, EBADF);
	ck_assert_int_eq(open_fds(), before);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("slate");
	TCase *t = suite_case(s, "all", NULL, NULL);

	tcase_add_test(t, sizes);
	tcase_add_test(t, set_and_clear);
	tcase_add_test(t, outlives_its_writer);
	tcase_add_test(t, written_by_a_vforked_child);
	tcase_add_test(t, is_sealed);
	tcase_add_test(t, forged);
	tcase_add_loop_test(t, kernel_says_no, 0, 2);
	tcase_add_test(t, reader_cannot_write);
	return suite_run(s);
}
