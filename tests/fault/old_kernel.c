/*
 * old_kernel - a kernel without Landlock, for whoever has this preloaded.
 *
 * The C library has no names for its calls, so all of them come through
 * syscall(2).
 */
#include <errno.h>
#include <stdarg.h>
#include <sys/syscall.h>
#include <unistd.h>

long
syscall(long number, ...)
{
	long a, b, c, d, result;
	va_list ap;

	va_start(ap, number);
	a = va_arg(ap, long);
	b = va_arg(ap, long);
	c = va_arg(ap, long);
	d = va_arg(ap, long);
	va_end(ap);
	if (number == SYS_landlock_create_ruleset) {
		errno = EOPNOTSUPP;
		return -1;
	}
#ifdef __x86_64__
	register long r10 __asm__("r10") = d;
	__asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a),
	    "S"(b), "d"(c), "r"(r10) : "rcx", "r11", "memory");
	if (result < 0 && result > -4096) {
		errno = (int)-result;
		return -1;
	}
	return result;
#else
	(void)a, (void)b, (void)c, (void)d, (void)result;
	errno = ENOSYS;
	return -1;
#endif
}
