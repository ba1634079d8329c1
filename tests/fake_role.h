/*
 * fake_role - a master and a worker that do what check_launcher.c says.
 */
#ifndef TESTS_FAKE_ROLE_H
#define TESTS_FAKE_ROLE_H

/* The whole life of the role that argv[0] names. */
void	fake_role(char **argv)
	__attribute__((noreturn));

#endif
